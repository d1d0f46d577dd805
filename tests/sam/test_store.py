"""The store: what is on disk is what would be computed, whatever happens to the files."""

import errno
import multiprocessing
import os
import random
import resource
import shutil
import signal
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file

from samkit import Frame, ImageEmbedding, Prompts, evaluate, load_sam, stored
from samkit.data import shapes
from samkit.metrics import MaskAP
from samkit.sam.checkpoints import build_sam
from samkit.sam.model import Sam
from samkit.sam.store import SUFFIX
from samkit.stages import Embed, GroundTruthBoxes, Segment
from tests.sam.test_checkpoints import SIZES

Image = NDArray[np.uint8]
FILE_BYTES = 1400  # what an embedding of `SIZES`, (32, 4, 4), takes on disk


class Counted:
    """A real SAM that notes how many pictures each call of `encode` was given."""

    def __init__(self, sam: Any) -> None:
        self.sam = sam
        self.name = sam.name
        self.decode = sam.decode
        self.calls: list[int] = []

    def encode(self, images: Sequence[Image]) -> list[ImageEmbedding]:
        self.calls.append(len(images))
        return self.sam.encode(images)


def small(name: str = "small") -> Sam:
    torch.manual_seed(0)
    sam = build_sam(Sam(SIZES).state_dict()).eval()
    sam.name = name
    return sam


def pictures(count: int, seed: int = 0) -> list[Image]:
    sizes = [(6, 9), (64, 64), (40, 1), (8, 70)]
    generators = [np.random.default_rng((seed, i)) for i in range(count)]
    return [
        g.integers(0, 256, (*sizes[i % 4], 3)).astype(np.uint8) for i, g in enumerate(generators)
    ]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))


def assert_equal(ours: Sequence[ImageEmbedding], theirs: Sequence[ImageEmbedding]) -> None:
    """Bit for bit, frames and dtypes too."""
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.frame == b.frame
        assert a.tensors.keys() == b.tensors.keys()
        for name in a.tensors:
            assert a[name].dtype == b[name].dtype and torch.equal(a[name], b[name])


def assert_within_half(ours: Sequence[ImageEmbedding], exact: Sequence[ImageEmbedding]) -> None:
    for a, b in zip(ours, exact, strict=True):
        assert a.frame == b.frame
        torch.testing.assert_close(a.tensors, b.tensors, rtol=2**-11, atol=2**-25)


def test_what_is_read_is_what_is_computed_within_half_precision(tmp_path: Path) -> None:
    sam, images = Counted(small()), pictures(5)
    first = stored(sam, tmp_path / "new" / "folder").encode(images)
    second = stored(sam, tmp_path / "new" / "folder").encode(images)
    assert sam.calls == [5]  # together, and only once
    assert_equal(second, first)
    exact = small().encode(images)
    assert_within_half(first, exact)
    assert not torch.equal(first[0]["image_embedding"], exact[0]["image_embedding"])
    assert len(files(tmp_path / "new" / "folder")) == len(list((tmp_path / "new/folder").iterdir()))


def test_only_what_is_missing_is_computed_in_one_call(tmp_path: Path) -> None:
    sam, images = Counted(small()), pictures(6)
    store = stored(sam, tmp_path)
    store.encode([images[1], images[3]])
    order = [images[i] for i in (0, 1, 2, 3, 0)]
    found = store.encode(order)
    assert sam.calls == [2, 2]  # 0 is there twice, and computed once
    assert_within_half(found, small().encode(order))
    assert store.encode([]) == []
    assert sam.calls == [2, 2]


def test_each_crop_and_mirror_image_has_its_own(tmp_path: Path) -> None:
    sam, [image] = Counted(small()), pictures(2)[1:]
    square = image[:20, :20]
    # The last has the same bytes as the square in another shape.
    variants = [image, image[:, ::-1], image[::-1], square, image[1:21, :20]]
    variants.append(np.ascontiguousarray(square).reshape(10, 40, 3))
    store = stored(sam, tmp_path)
    store.encode(variants)
    assert len(files(tmp_path)) == len(variants)
    assert_within_half(store.encode(variants), small().encode(variants))
    assert sam.calls == [len(variants)]


def test_another_sam_has_its_own(tmp_path: Path) -> None:
    images = pictures(2)
    one, other = Counted(small("one")), Counted(small("other"))
    stored(one, tmp_path).encode(images)
    stored(other, tmp_path).encode(images)
    assert (one.calls, other.calls) == ([2], [2])
    assert len(files(tmp_path)) == 4


def test_it_is_a_sam_like_the_one_inside(tmp_path: Path) -> None:
    sam, images = small(), pictures(2)
    store = stored(sam, tmp_path)
    assert store.name == "small+stored-float16"
    assert (store.device, store.dtype, store.config) == (sam.device, sam.dtype, SIZES)
    prompts = [Prompts.from_boxes([[0, 0, 5, 5], [1, 1, 4, 4]]), Prompts.from_points([[3, 3]])]
    embeddings = store.encode(images)
    for ours, own in zip(
        store.decode(embeddings, prompts, False),
        sam.decode(embeddings, prompts, False),
        strict=True,
    ):
        assert torch.equal(ours.logits, own.logits)
    assert sum(len(masks) for _, masks in store.decode_chunks(embeddings, prompts)) == 9
    # What the one inside has not, the store has not; it pretends to nothing.
    assert not hasattr(stored(Counted(sam), tmp_path), "decode_chunks")
    assert not hasattr(store, "to")


def test_the_official_package_too(tmp_path: Path) -> None:
    pytest.importorskip("segment_anything", reason="needs the extra `official`")
    from samkit.sam.official import OfficialSam

    sam, images = Counted(OfficialSam.twin_of(small("small-samkit"))), pictures(2)
    store = stored(sam, tmp_path)
    first = store.encode(images)
    assert_equal(store.encode(images), first)
    assert sam.calls == [2]
    assert store.name == "small-official+stored-float16"
    [masks, none] = store.decode(first, [Prompts.from_points([[3, 3]]), Prompts()])
    assert len(masks) == 3 and len(none) == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_embeddings_come_back_in_their_own_dtype_with_all_tensors(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    class Family:
        name = f"family-{dtype}"

        def encode(self, images: Sequence[Image]) -> list[ImageEmbedding]:
            values = (torch.arange(99) / 8 - 6).to(dtype) * (1 + 2**-20)
            tensors = {"fine": values.view(9, 11).T, "mean": values[7], "which": torch.arange(3)}
            return [ImageEmbedding(tensors, Frame((9, 7), (9, 7), 9, (1, 2, 8, 11)))]

    first = stored(Family(), tmp_path).encode(pictures(1))
    assert_equal(stored(Family(), tmp_path).encode(pictures(1)), first)
    assert first[0]["fine"].dtype == dtype and first[0]["which"].dtype == torch.int64
    # What is of half precision already is not rounded.
    same = torch.equal(first[0]["fine"], Family().encode([])[0]["fine"])
    assert same == (dtype != torch.float64)


def test_values_beyond_half_precision_are_refused(tmp_path: Path) -> None:
    class Large:
        name = "large"

        def encode(self, images: Sequence[Image]) -> list[ImageEmbedding]:
            return [ImageEmbedding({"map": torch.tensor([1e5])}, Frame((9, 9), (9, 9), 9))]

    with pytest.raises(ValueError, match="'map' has values up to 1e.05, .*ends at 65504"):
        stored(Large(), tmp_path).encode(pictures(1))
    assert not list(tmp_path.iterdir())


def test_damaged_files_are_made_again(tmp_path: Path) -> None:
    sam, [image] = Counted(small()), pictures(1)
    store = stored(sam, tmp_path)
    first = store.encode([image])
    [path] = files(tmp_path)
    whole = path.read_bytes()
    stored(sam, tmp_path / "other").encode(pictures(2)[1:])
    sam.calls.clear()
    damages = {
        "empty": b"",
        "cut in the header": whole[:20],
        "cut by a byte": whole[:-1],
        "longer": whole + b"\0",
        "garbage": os.urandom(len(whole)),
        "text": b"an embedding was here",
        "zeros at the end, as after a power cut": whole[:-512] + bytes(512),
        "another picture's": files(tmp_path / "other")[0].read_bytes(),
    }
    for number, (told, content) in enumerate(damages.items(), start=1):
        path.write_bytes(content)
        for _ in range(2):
            assert_equal(store.encode([image]), first)
            assert sam.calls == [1] * number, told


def test_a_file_of_another_shape_is_made_again(tmp_path: Path) -> None:
    sam, [image] = Counted(small()), pictures(1)
    store = stored(sam, tmp_path)
    first = store.encode([image])
    [path] = files(tmp_path)
    with safe_open(path, "pt") as file:
        metadata, tensor = file.metadata(), file.get_tensor("image_embedding")
    wrong = [{"image_embedding": tensor.flatten()}, {"image_embedding": tensor[:16]}, {}]
    for tensors in [*wrong, {"embedding": tensor}, {"image_embedding": tensor.float()}]:
        save_file(tensors, path, metadata)
        assert_equal(store.encode([image]), first)
    assert sam.calls == [1] * 6


def test_any_changed_byte_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    store = stored(small(), tmp_path)
    first = store.encode(pictures(1))
    [path] = files(tmp_path)
    whole, chance = path.read_bytes(), random.Random(0)
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 1, 2, 50])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content[: chance.choice([len(whole), chance.randrange(len(whole))])])
        assert_equal(store.encode(pictures(1)), first)


def test_the_oldest_used_make_room(tmp_path: Path) -> None:
    sam, images = Counted(small()), pictures(8)
    store = stored(sam, tmp_path, max_bytes=4 * FILE_BYTES)
    for number, image in enumerate(images[:4]):
        store.encode([image])
        past = time.time() - 1000 + number
        for path in files(tmp_path):
            if path.stat().st_mtime > past:
                os.utime(path, (past, past))
    assert len(files(tmp_path)) == 4
    store.encode([images[0]])  # used now, so that number 1 is the oldest
    store.encode(images[4:6])
    assert 0 < sum(path.stat().st_size for path in files(tmp_path)) <= 4 * FILE_BYTES
    sam.calls.clear()
    stored(sam, tmp_path).encode([images[i] for i in (0, 3, 4, 5)])
    assert sam.calls == []
    stored(sam, tmp_path).encode([images[1], images[2]])
    assert sam.calls == [2]
    # The bound holds from the start, and for a batch larger than it.
    store = stored(sam, tmp_path, max_bytes=2 * FILE_BYTES)
    assert len(files(tmp_path)) == 2
    assert_within_half(store.encode(images), small().encode(images))
    assert len(files(tmp_path)) == 2


def test_eviction_removes_nothing_but_embeddings(tmp_path: Path) -> None:
    theirs = tmp_path / "weights.safetensors"
    theirs.write_bytes(bytes(10 * FILE_BYTES))
    stored(small(), tmp_path, max_bytes=FILE_BYTES).encode(pictures(3))
    assert theirs.exists() and len(files(tmp_path)) == 1


@pytest.mark.parametrize("bound", [0, -1])
def test_a_bound_that_holds_nothing_is_refused(tmp_path: Path, bound: int) -> None:
    with pytest.raises(ValueError, match=f"max_bytes is a positive number.*got {bound}"):
        stored(small(), tmp_path, max_bytes=bound)
    with pytest.raises(ValueError, match="one embedding takes .* bytes, more than max_bytes=100"):
        stored(small(), tmp_path, max_bytes=100).encode(pictures(1))


def test_a_model_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="knows embeddings by the model's name"):
        stored(build_sam(Sam(SIZES).state_dict()), tmp_path)


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match="cannot be stored in .*file.*: .*; give a folder"):
            stored(small(), folder)
    if os.geteuid() != 0:  # who may write everywhere
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(ValueError, match="cannot be stored in .*closed: Permission denied"):
            stored(small(), tmp_path / "closed")


def test_when_the_disk_is_full_the_run_goes_on_and_says_so_once(tmp_path: Path) -> None:
    sam, images = Counted(small()), pictures(3)
    store = stored(sam, tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        # Writing really fails, after 100 bytes of each file.
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
        try:
            found = [store.encode([image])[0] for image in images]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    reason = os.strerror(errno.EFBIG)
    [once] = told
    assert f"not kept in {tmp_path}: {reason}; the run goes on" in str(once.message)
    assert once.filename == __file__
    assert not list(tmp_path.iterdir())
    assert_equal(store.encode(images), found)
    assert len(files(tmp_path)) == 3


def test_threads_share_a_store(tmp_path: Path) -> None:
    store, images = stored(small(), tmp_path, max_bytes=10 * FILE_BYTES), pictures(20)
    jobs = [random.Random(n).sample(range(20), 5) for n in range(24)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda job: store.encode([images[i] for i in job]), jobs))
    expected = stored(small(), tmp_path / "alone").encode(images)
    for job, embeddings in zip(jobs, found, strict=True):
        assert_equal(embeddings, [expected[i] for i in job])


def _embed(folder: Path, count: int, seed: int, max_bytes: int | None) -> None:
    """All pictures in an order of its own, three at a time."""
    store, images = stored(small(), folder, max_bytes), pictures(count)
    random.Random(seed).shuffle(images)
    for start in range(0, count, 3):
        store.encode(images[start : start + 3])


def _processes() -> Any:
    # Forked from a server that has torch loaded: real processes, started quickly.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.sam.test_store"])
    return context


@pytest.mark.parametrize(
    ("count", "room"), [(24, None), (24, 12), pytest.param(1000, None, marks=pytest.mark.slow)]
)
def test_four_processes_share_a_folder(tmp_path: Path, count: int, room: int | None) -> None:
    context, max_bytes = _processes(), None if room is None else room * FILE_BYTES
    jobs = [
        context.Process(target=_embed, args=(tmp_path, count, seed, max_bytes)) for seed in range(4)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0] * 4
    assert len(list(tmp_path.iterdir())) == len(files(tmp_path))
    sam, images = Counted(small()), pictures(count)
    found = stored(sam, tmp_path).encode(images)
    assert_within_half(found, small().encode(images))
    hits = count - sum(sam.calls)
    assert hits == count if room is None else room // 2 < hits <= room


def test_a_file_that_another_process_removes_while_it_is_opened_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sam, images = Counted(small()), pictures(2)
    store = stored(sam, tmp_path)
    first = store.encode(images)

    def evicted(path: Path, framework: str) -> None:
        """As safetensors says it where the file goes between the two times that it opens it."""
        path.unlink()
        raise RuntimeError(f"unable to open file <{path}> in read-only mode")

    with monkeypatch.context() as patch:
        patch.setattr("samkit.sam.embedding_file.safe_open", evicted)
        assert_within_half(store.encode(images), first)
    assert sum(sam.calls) == 4 and len(files(tmp_path)) == 2
    store.encode(images)
    assert sum(sam.calls) == 4, "they are there again"


def _write_for_ever(folder: Path) -> None:
    """Files large enough to be caught half written."""

    class Large:
        name = "large"

        def encode(self, images: Sequence[Image]) -> list[ImageEmbedding]:
            frame = Frame((1, 1), (1, 1), 1)
            return [ImageEmbedding({"map": torch.ones(1 << 24, dtype=torch.uint8)}, frame)]

    store = stored(Large(), folder)
    for number in range(1_000_000):
        image = np.frombuffer(number.to_bytes(3, "big"), np.uint8).reshape(1, 1, 3)
        store.encode([image])


def test_killed_at_any_moment_it_leaves_no_half_file_under_a_right_name(tmp_path: Path) -> None:
    context, halves, moments = _processes(), 0, []
    # Until some were killed in the middle of a file: only then can this fail.
    while len(moments) < 20 or not halves:
        folder = tmp_path / "store"
        process = context.Process(target=_write_for_ever, args=(folder,))
        process.start()
        deadline = time.monotonic() + 60
        while not files(folder):
            assert process.is_alive() and time.monotonic() < deadline
            time.sleep(0.002)
        moments.append(random.uniform(0, 0.1))
        time.sleep(moments[-1])
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        for path in files(folder):
            with safe_open(path, "pt") as file:
                assert file.get_tensor("map").sum() == 1 << 24, f"killed at {moments}"
        halves += len(list(folder.glob("*.tmp")))
        shutil.rmtree(folder)


def test_leftovers_of_killed_processes_are_removed_in_time(tmp_path: Path) -> None:
    old, young = (tmp_path / f"{name}{SUFFIX}.{name}.tmp" for name in ("old", "young"))
    old.write_bytes(b"half an embedd")
    young.write_bytes(b"half an embedd")
    os.utime(old, (time.time() - 4000,) * 2)
    stored(small(), tmp_path)
    assert young.exists() and not old.exists()


def test_an_evaluation_has_the_same_summary_within_the_tolerance(tmp_path: Path) -> None:
    sam, samples = load_sam("tiny", device="cpu"), shapes(4)

    def run(model: Any, out: str) -> dict[str, Any]:
        pipeline = GroundTruthBoxes() | Embed(model) | Segment(model)
        return evaluate(samples, pipeline, MaskAP(), tmp_path / out, progress=False)

    without = run(sam, "without")
    counted = Counted(sam)
    first = run(stored(sam, tmp_path / "store"), "first")
    second = run(stored(counted, tmp_path / "store"), "second")
    assert counted.calls == []
    assert first["metrics"] == second["metrics"]
    for name, value in without["metrics"].items():
        assert first["metrics"][name] == pytest.approx(value, abs=0.01), name
    assert first["run"]["sam"] == f"{without['run']['sam']}+stored-float16"
    assert (first["run"]["dtype"], first["run"]["device"]) == ("float32", "cpu")
    # Rows made with a store are not those of a run without.
    with pytest.raises(ValueError, match="another run; they differ in sam, pipeline"):
        run(stored(sam, tmp_path / "store"), "without")


def test_masks_are_the_same_within_the_tolerance(tmp_path: Path) -> None:
    sam, samples = load_sam("tiny", device="cpu"), shapes(4)
    images = [sample.image for sample in samples]
    prompts = [Prompts.from_boxes(sample.annotations.boxes) for sample in samples]
    ours = sam.decode(stored(sam, tmp_path).encode(images), prompts)
    for masks, exact in zip(ours, sam.decode(sam.encode(images), prompts), strict=True):
        assert (masks.binary() == exact.binary()).mean() > 0.9995
        np.testing.assert_allclose(masks.predicted_iou, exact.predicted_iou, atol=1e-3)
