"""The readers under fuzzing, each with valid files to begin from; run as a process of its own.

python -m tests.fuzz.readers CASES FIRST_SEED READER...: each reads that many files. Ends with code 0
if every one was answered or refused by a documented error within the bounds of time and memory; else
it prints the seeds and what was raised. A crash of compiled code ends it otherwise, which is why this
is not done in the tests' own process.
"""

import contextlib
import copy
import json
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from samkit.data import coco, lvis, sa1b, yolo_labels
from samkit.data.bsds500 import read_boundaries
from samkit.data.edge_maps import read_edge_map, write_edge_map
from samkit.evaluation.rows import read_rows
from samkit.metrics import evaluate_results
from samkit.ops import rle
from samkit.ops.images import read_image
from samkit.stages import BoxesFromFile
from samkit.types import Sample
from tests.fuzz.mutate import STRANGE, mutated_bytes, mutated_structure
from tests.fuzz.suite_readers import fuzz_suite
from tests.fuzz.tensor_readers import fuzz_checkpoints, fuzz_embeddings
from tests.fuzz.valid import BOXES, INSTANCES, ROWS, SA1B, YOLO, mat_file, picture_files

SECONDS = 5
MEMORY = 1 << 30
REFUSALS = (ValueError, FileNotFoundError)


def fuzz_pictures(folder: Path) -> Callable[[random.Random], Any]:
    files = picture_files()

    def case(rng: random.Random) -> Any:
        path = folder / "a.png"
        path.write_bytes(mutated_bytes(rng.choice(files), rng))
        image = read_image(path)
        assert image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8

    return case


def _json_bytes(content: Any, rng: random.Random) -> bytes:
    """Mutated by structure, by bytes or by both."""
    if rng.random() < 0.8:
        content = mutated_structure(content, rng)
    data = json.dumps(content).encode()
    return mutated_bytes(data, rng) if rng.random() < 0.3 else data


def fuzz_coco(folder: Path) -> Callable[[random.Random], Any]:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 6)).save(folder / name)
    path = folder / "instances_val2017.json"

    def case(rng: random.Random) -> Any:
        path.write_bytes(_json_bytes(INSTANCES, rng))
        dataset = coco(path)
        for index in range(len(dataset)):
            try:
                sample = dataset[index]
                assert sample.annotations is not None
                assert np.isfinite(sample.annotations.boxes).all()
                assert sample.image.shape[:2] == sample.annotations.size
                sample.annotations.binary()
            except REFUSALS:
                continue

    return case


def fuzz_lvis(folder: Path) -> Callable[[random.Random], Any]:
    path = folder / "lvis_v1_val.json"
    content = {
        **INSTANCES,
        "categories": [{**one, "frequency": "r"} for one in INSTANCES["categories"]],
    }
    (folder / "val2017").mkdir()
    Image.new("RGB", (8, 6)).save(folder / "val2017" / "b.png")

    def case(rng: random.Random) -> Any:
        path.write_bytes(_json_bytes(content, rng))
        dataset = lvis(path)
        for index in range(len(dataset)):
            try:
                dataset[index].image  # noqa: B018
            except REFUSALS:
                continue

    return case


def fuzz_sa1b(folder: Path) -> Callable[[random.Random], Any]:
    Image.new("RGB", (8, 6)).save(folder / "a.png")

    def case(rng: random.Random) -> Any:
        (folder / "a.json").write_bytes(_json_bytes(SA1B, rng))
        [sample] = sa1b(folder, as_masks=True)
        assert sample.annotations is not None and sample.masks is not None
        assert len(sample.annotations.binary()) == len(sample.masks)
        assert sample.image.shape[:2] == sample.annotations.size

    return case


def fuzz_yolo(folder: Path) -> Callable[[random.Random], Any]:
    Image.new("RGB", (8, 6)).save(folder / "a.png")

    def case(rng: random.Random) -> Any:
        (folder / "a.txt").write_bytes(mutated_bytes(YOLO.encode(), rng))
        [sample] = yolo_labels(folder, labels=folder)
        assert sample.annotations is not None
        assert np.isfinite(sample.annotations.boxes).all()

    return case


def fuzz_boxes(folder: Path) -> Callable[[random.Random], Any]:
    path = folder / "boxes.json"
    samples = [Sample(id, np.zeros((6, 8, 3), np.uint8)) for id in (4, "b")]

    def case(rng: random.Random) -> Any:
        path.write_bytes(_json_bytes(BOXES, rng))
        stage = BoxesFromFile(path)
        stage.check([4, "b"])
        assert all(sample.prompts is not None for sample in stage(samples))

    return case


def fuzz_rows(folder: Path) -> Callable[[random.Random], Any]:
    path = folder / "rows.jsonl"

    def case(rng: random.Random) -> Any:
        rows = ROWS if rng.random() < 0.3 else [mutated_structure(row, rng) for row in ROWS]
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
        path.write_bytes(mutated_bytes(data, rng) if rng.random() < 0.5 else data)
        header, found = read_rows(path)
        assert all("row" in row or "error" in row for row in found.values())
        assert all(0 <= index < header["samples"] for index in found)

    return case


def fuzz_rle(folder: Path) -> Callable[[random.Random], Any]:
    """Run lengths of files, and then straight into the functions that trust them."""
    sizes = (0, 1, 6, 8, 2**16, 10**6, 2**31, -1, True, "6", None, 6.0)

    def counts(rng: random.Random, pixels: int) -> Any:
        kind = rng.randrange(6)
        if kind == 0:
            return [
                rng.choice((0, 1, 6, pixels, 2**31, -5, 2**63)) for _ in range(rng.randrange(6))
            ]
        if kind == 1:
            cuts = sorted(rng.randrange(pixels + 1) for _ in range(rng.randrange(6)))
            return [b - a for a, b in zip([0, *cuts], [*cuts, pixels], strict=True)]
        if kind == 2:
            return rng.choice(STRANGE)
        if kind == 3:
            return "".join(chr(rng.randrange(300)) for _ in range(rng.randrange(40)))
        if kind == 4:
            return "".join(chr(48 + rng.randrange(64)) for _ in range(rng.randrange(40)))
        return mutated_bytes(b"06T10", rng).decode("latin-1")

    def case(rng: random.Random) -> Any:
        if rng.random() < 0.3:
            polygons = [[1, 1, 5, 1, 5, 4, 1, 4], [0.5, 0.5, 2.5, 0.5, 2, 3]]
            segmentation = mutated_structure(polygons, rng)
        else:
            size = [6, 8] if rng.random() < 0.7 else rng.choices(sizes, k=rng.choice((1, 2, 3)))
            segmentation = {"size": size, "counts": counts(rng, 48)}
        run_lengths = rle.from_coco(segmentation, 6, 8)
        [mask] = rle.decode([run_lengths])
        assert mask.shape == (6, 8)
        assert rle.areas([run_lengths])[0] == mask.sum()
        rle.boxes_xywh([run_lengths])
        rle.iou([run_lengths], [run_lengths])

    return case


def fuzz_masks(folder: Path) -> Callable[[random.Random], Any]:
    """Run lengths that no reader has checked, as somebody's program may hand them over."""
    good: list[Any] = [{"size": [6, 8], "counts": "06T10"}, {"size": [6, 8], "counts": "`1"}]

    def case(rng: random.Random) -> Any:
        run_lengths = mutated_structure(good, rng)
        if rng.random() < 0.5 or not isinstance(run_lengths, list):
            run_lengths = copy.deepcopy(good)
            text = mutated_bytes(b"06T10", rng).decode("latin-1")
            run_lengths[rng.randrange(2)]["counts"] = text
        for function in (rle.areas, rle.boxes_xywh, rle.decode, rle.union):
            with contextlib.suppress(*REFUSALS):
                function(run_lengths)
        with contextlib.suppress(*REFUSALS):
            rle.iou(run_lengths, good)
        rle.iou(good, run_lengths, [True] * len(run_lengths))

    return case


def fuzz_results(folder: Path) -> Callable[[random.Random], Any]:
    """A results file beside its annotations, one of them mutated."""
    truth, results = folder / "instances.json", folder / "results.json"
    found = [
        {**{k: v for k, v in one.items() if k not in ("id", "area", "iscrowd")}, "score": 0.5}
        for one in INSTANCES["annotations"]
    ]
    federated = {
        **INSTANCES,
        "images": [{**one, "neg_category_ids": [3]} for one in INSTANCES["images"]],
        "categories": [{**one, "frequency": "r"} for one in INSTANCES["categories"]],
    }

    def case(rng: random.Random) -> Any:
        lvis = rng.random() < 0.3
        content = federated if lvis else INSTANCES
        first = rng.random() < 0.5
        truth.write_bytes(_json_bytes(content, rng) if first else json.dumps(content).encode())
        results.write_bytes(json.dumps(found).encode() if first else _json_bytes(found, rng))
        summary = evaluate_results(truth, results, rng.choice(("segm", "bbox")), lvis=lvis)
        assert all(-1 <= value <= 1 for value in summary.values())

    return case


def fuzz_mat(folder: Path) -> Callable[[random.Random], Any]:
    """Boundaries of annotators, plain and packed, and contour maps; damaged within what is packed too."""
    files = [
        (mat_file(name, packed), name) for name in ("groundTruth", "ucm2") for packed in (0, 1)
    ]

    def case(rng: random.Random) -> Any:
        data, name = rng.choice(files)
        packed = int.from_bytes(data[128:132], "little") == 15
        if packed and rng.random() < 0.7:
            inner = zlib.compress(mutated_bytes(zlib.decompress(data[136:]), rng))
            data = data[:132] + len(inner).to_bytes(4, "little") + inner
        else:
            data = mutated_bytes(data, rng)
        (folder / "a.mat").write_bytes(data)
        if name == "ucm2":
            edges = read_edge_map(folder / "a.mat")
            assert edges.ndim == 2 and ((edges >= 0) & (edges <= 1)).all()
        else:
            boundaries = read_boundaries(folder / "a.mat")
            assert boundaries.dtype == bool and boundaries.ndim == 3

    return case


def fuzz_edge_maps(folder: Path) -> Callable[[random.Random], Any]:
    """Edge maps as .png and .npy."""
    edges = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)
    write_edge_map(edges, folder / "a.png")
    np.save(folder / "a.npy", edges)
    files = [(path, path.read_bytes()) for path in (folder / "a.png", folder / "a.npy")]

    def case(rng: random.Random) -> Any:
        path, data = rng.choice(files)
        path.write_bytes(mutated_bytes(data, rng))
        found = read_edge_map(path)
        assert found.ndim == 2 and ((found >= 0) & (found <= 1)).all()

    return case


READERS = {
    "pictures": fuzz_pictures,
    "coco": fuzz_coco,
    "lvis": fuzz_lvis,
    "sa1b": fuzz_sa1b,
    "yolo": fuzz_yolo,
    "mat": fuzz_mat,
    "edge_maps": fuzz_edge_maps,
    "boxes": fuzz_boxes,
    "rows": fuzz_rows,
    "rle": fuzz_rle,
    "masks": fuzz_masks,
    "results": fuzz_results,
    "checkpoints": fuzz_checkpoints,
    "embeddings": fuzz_embeddings,
    "suite": fuzz_suite,
}


def main(reader: str, cases: int, first_seed: int) -> int:
    """How many readers failed: 0 or 1."""

    def overdue(*_: Any) -> None:
        raise TimeoutError(f"no answer in {SECONDS} seconds")

    # The process's own seconds: on a machine that others use, those of the clock tell of the others.
    signal.signal(signal.SIGPROF, overdue)
    warnings.simplefilter("ignore")
    found, slowest, answered = [], 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        case = READERS[reader](Path(folder))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for seed in range(first_seed, first_seed + cases):
            start = time.process_time()
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                case(random.Random(seed))
                answered += 1
            except REFUSALS:
                pass
            except BaseException:
                found.append(f"seed {seed}: {traceback.format_exc(limit=-4)}")
            signal.setitimer(signal.ITIMER_PROF, 0)
            slowest = max(slowest, time.process_time() - start)
    memory = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    if memory > MEMORY:
        found.append(f"{memory / 1e9:.1f} GB of memory")
    print("\n".join(found[:5]))
    print(
        f"{reader}: {cases} cases, {answered} answered, {len(found)} findings, "
        f"slowest {slowest:.2f} s, {memory / 1e6:.0f} MB"
    )
    return 1 if found else 0


if __name__ == "__main__":
    count, first, *names = sys.argv[1:]
    sys.exit(sum(main(name, int(count), int(first)) for name in names))
