"""CLIP embeddings on disk: what is there is read, what is damaged computed anew."""

import multiprocessing
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from samkit.clip import Clip, stored_clip
from samkit.clip.store import SUFFIX
from samkit.stages import RankByText
from samkit.testing import check_stage, example_samples
from samkit.types import Masks
from tests.clip_models import small_clip

FILE_BYTES = 32 + 4 * 16
PICTURES = [
    np.random.default_rng(n).integers(0, 256, (20 + n, 30, 3)).astype(np.uint8) for n in range(20)
]


class Counted(torch.nn.Module):
    """The real model, noting how many pictures each call was given."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model
        self.visual, self.logit_scale = model.visual, model.logit_scale
        self.encode_text = model.encode_text
        self.calls: list[int] = []

    def encode_image(self, inputs: torch.Tensor) -> torch.Tensor:
        self.calls.append(len(inputs))
        return self.model.encode_image(inputs)


def counted(name: str = "small-0") -> tuple[Clip, list[int]]:
    plain = small_clip()
    model = Counted(plain.model)
    return Clip(model, plain.tokenizer, name), model.calls


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))


def test_only_what_is_missing_is_computed_and_nothing_moves(tmp_path: Path) -> None:
    clip, calls = counted()
    store = stored_clip(clip, tmp_path / "new" / "folder")
    first = store.images([PICTURES[1], PICTURES[3]])
    again = store.images([PICTURES[i] for i in (0, 1, 2, 3, 0)])
    assert calls == [2, 2]  # 0 is there twice, and computed once
    assert torch.equal(again[[1, 3]], first) and torch.equal(again[0], again[4])
    exact = small_clip().images([PICTURES[i] for i in (0, 1, 2, 3)])
    torch.testing.assert_close(again[:4], exact, atol=1e-6, rtol=0)
    other = stored_clip(clip, tmp_path / "new" / "folder")
    assert torch.equal(other.images([PICTURES[0]]), again[:1]) and calls == [2, 2]
    assert (
        len(files(tmp_path / "new/folder")) == len(list((tmp_path / "new/folder").iterdir())) == 4
    )
    assert store.images([]).shape == (0, 16) and calls == [2, 2]
    assert torch.equal(store.texts(["a disc"]), small_clip().texts(["a disc"]))
    assert (store.name, store.width, store.image_size) == ("small-0", 16, 32)


def test_each_picture_and_each_clip_has_its_own(tmp_path: Path) -> None:
    square = np.ascontiguousarray(PICTURES[0][:20, :20])
    variants = [square, square[:, ::-1], square[::-1], square.reshape(10, 40, 3)]
    (one, calls), (other, theirs) = counted("one"), counted("other")
    found = stored_clip(one, tmp_path).images(variants)
    torch.testing.assert_close(found, small_clip().images(variants), atol=1e-6, rtol=0)
    stored_clip(other, tmp_path).images(variants)
    assert (calls, theirs) == ([4], [4]) and len(files(tmp_path)) == 8


def test_damaged_files_are_made_again(tmp_path: Path) -> None:
    clip, calls = counted()
    store = stored_clip(clip, tmp_path)
    first = store.images(PICTURES[:1])
    [path] = files(tmp_path)
    whole = path.read_bytes()
    assert len(whole) == FILE_BYTES
    stored_clip(clip, tmp_path / "other").images(PICTURES[1:2])
    calls.clear()
    flipped = bytearray(whole)
    flipped[40] ^= 1
    damages = {
        "empty": b"",
        "cut in the checksum": whole[:20],
        "cut by a number": whole[:-4],
        "longer": whole + b"\0",
        "one bit": bytes(flipped),
        "garbage": os.urandom(len(whole)),
        "zeros": bytes(len(whole)),
        "another picture's": files(tmp_path / "other")[0].read_bytes(),
    }
    for number, (told, content) in enumerate(damages.items(), start=1):
        path.write_bytes(content)
        for _ in range(2):
            assert torch.equal(store.images(PICTURES[:1]), first), told
            assert calls == [1] * number, told


def test_the_oldest_used_make_room(tmp_path: Path) -> None:
    clip, calls = counted()
    store = stored_clip(clip, tmp_path, max_bytes=4 * FILE_BYTES)
    for number, picture in enumerate(PICTURES[:4]):
        store.images([picture])
        past = time.time() - 1000 + number
        for path in files(tmp_path):
            if path.stat().st_mtime > past:
                os.utime(path, (past, past))
    store.images(PICTURES[:1])  # used now, so that number 1 is the oldest
    store.images(PICTURES[4:5])
    assert len(files(tmp_path)) == 4
    calls.clear()
    stored_clip(clip, tmp_path).images([PICTURES[i] for i in (0, 2, 3, 4)])
    assert calls == []
    store.images(PICTURES[1:2])
    assert calls == [1]
    with pytest.raises(ValueError, match="more than max_bytes=10"):
        stored_clip(clip, tmp_path / "small", max_bytes=10).images(PICTURES[:1])


def test_what_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    clip, _ = counted("")
    with pytest.raises(ValueError, match="knows embeddings by the model's name"):
        stored_clip(clip, tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match="cannot be stored in .*file"):
        stored_clip(small_clip(), tmp_path / "file")
    with pytest.raises(ValueError, match="max_bytes is a positive number"):
        stored_clip(small_clip(), tmp_path, max_bytes=0)


def _see(folder: Path, seed: int, max_bytes: int | None) -> None:
    """All pictures in an order of its own, three at a time."""
    torch.set_num_threads(1)
    store, pictures = stored_clip(small_clip(), folder, max_bytes), list(PICTURES)
    random.Random(seed).shuffle(pictures)
    for start in range(0, len(pictures), 3):
        store.images(pictures[start : start + 3])


@pytest.mark.slow
@pytest.mark.parametrize("room", [None, 10])
def test_processes_share_a_folder(tmp_path: Path, room: int | None) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.clip.test_store", "open_clip"])
    bound = None if room is None else room * FILE_BYTES
    jobs = [context.Process(target=_see, args=(tmp_path, seed, bound)) for seed in range(3)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0] * 3
    assert len(list(tmp_path.iterdir())) == len(files(tmp_path)) == (room or len(PICTURES))
    clip, calls = counted()
    found = stored_clip(clip, tmp_path).images(PICTURES)
    torch.testing.assert_close(found, small_clip().images(PICTURES), atol=1e-6, rtol=0)
    assert sum(calls) == len(PICTURES) - (room or len(PICTURES))


def test_proposals_are_ranked_from_it(tmp_path: Path) -> None:
    def masked(sample):
        return sample.replace(masks=Masks.from_binary(sample.annotations.binary()))

    clip, calls = counted()
    samples: Sequence = [masked(sample) for sample in example_samples()]
    plain = RankByText(small_clip(), ["a red disc", "sea"])(samples)
    for _ in range(2):  # computed, then read
        ranked = RankByText(stored_clip(clip, tmp_path), ["a red disc", "sea"])(samples)
        for ours, theirs in zip(ranked, plain, strict=True):
            np.testing.assert_array_equal(ours.masks.class_ids, theirs.masks.class_ids)
            np.testing.assert_allclose(ours.masks.scores, theirs.masks.scores, atol=1e-6)
    # What comes twice in one call is computed once.
    assert sum(calls) == len(files(tmp_path))
    check_stage(RankByText(stored_clip(small_clip(), tmp_path)), samples=samples)
