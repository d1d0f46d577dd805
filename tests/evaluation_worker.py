"""An evaluation slow enough to be killed in its middle: `python -m tests.evaluation_worker OUT`."""

import sys
from pathlib import Path
from typing import Any

from samkit.evaluation import evaluate
from tests.stand_ins import Brightness, MeanBrightness, Pictures


def run(out: str | Path | None) -> dict[str, Any]:
    """90 pictures, one of them unreadable, in batches of 3; about a second."""
    pipeline = Brightness(pause=0.03)
    return evaluate(
        Pictures(90, broken=[40]), pipeline, MeanBrightness(), out, batch_size=3, progress=False
    )


if __name__ == "__main__":
    run(sys.argv[1])
