"""Evaluations slow enough to be killed in their middle: `python -m tests.evaluation_worker OUT`."""

import signal
import sys
from pathlib import Path
from typing import Any

from samkit import load_sam, stored
from samkit.data import shapes
from samkit.evaluation import evaluate
from samkit.metrics import MaskAP
from samkit.stages import Embed, GroundTruthBoxes, Segment
from tests.stand_ins import Brightness, MeanBrightness, Pictures


def run(out: str | Path | None) -> dict[str, Any]:
    """90 pictures, one of them unreadable, in batches of 3; about a second."""
    pipeline = Brightness(pause=0.03)
    return evaluate(
        Pictures(90, broken=[40]), pipeline, MeanBrightness(), out, batch_size=3, progress=False
    )


def run_stored(out: Path, store: Path, count: int) -> dict[str, Any]:
    """Scenes through tiny with its embeddings kept in a folder, in batches of 2."""
    sam = stored(load_sam("tiny", device="cpu"), store)
    pipeline = GroundTruthBoxes() | Embed(sam) | Segment(sam)
    return evaluate(shapes(count, size=64), pipeline, MaskAP(), out, batch_size=2, progress=False)


if __name__ == "__main__":
    # Ctrl-C is to be felt even where a shell started the tests in the background, which ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run(sys.argv[1])
