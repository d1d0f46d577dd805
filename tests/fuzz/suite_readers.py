"""The readers of the 23 datasets, each over small valid files of which one is mutated."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from samkit.data import sa23
from tests.data.sa23_layouts import WRITERS
from tests.fuzz.mutate import mutated_bytes, mutated_structure


def fuzz_suite(folder: Path) -> Callable[[random.Random], Any]:
    # HDF5 is for its own library to read; a broken picture is `fuzz_pictures`' matter.
    valid: dict[str, dict[Path, bytes]] = {}
    for name in sorted(set(WRITERS) - {"hypersim"}):
        WRITERS[name](folder / name)
        files = sorted((folder / name).rglob("*.json")) or sorted((folder / name).rglob("*.png"))
        valid[name] = {path: path.read_bytes() for path in files}

    def case(rng: random.Random) -> Any:
        name = rng.choice(list(valid))
        path, content = rng.choice(list(valid[name].items()))
        structure = path.suffix == ".json" and rng.random() < 0.8
        if structure:
            mutated = json.dumps(mutated_structure(json.loads(content), rng)).encode()
        else:
            mutated = mutated_bytes(content, rng)
        path.write_bytes(mutated)
        try:
            dataset = sa23(name, folder)
            for index in range(len(dataset)):
                try:
                    sample = dataset[index]
                    assert sample.annotations is not None
                    sample.annotations.binary()
                    assert sample.image.shape[:2] == sample.annotations.size
                except (ValueError, FileNotFoundError):
                    continue
        finally:
            path.write_bytes(content)

    return case
