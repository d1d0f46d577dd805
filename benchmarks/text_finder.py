"""How often a text finder's likeliest mask of a phrase is right by itself: no SAM, no text prompt, no ranking.

    python benchmarks/text_finder.py                     the shipped one on 300 made-up scenes, four minutes of one core
    python benchmarks/text_finder.py --unseen            combinations of class and colour that it never saw
    python benchmarks/text_finder.py --finder runs/train_text_finder/text_finder.safetensors --limit 50

Scenes and phrases are those of `recipes/text_to_mask.py --limit 300`.
"""

from pathlib import Path

import typer

from samkit import evaluate
from samkit.clip import load_clip
from samkit.clip.finder import load_text_finder
from samkit.data.phrased import phrased
from samkit.evaluation import format_summary
from samkit.metrics import PhraseIoU
from samkit.stages import FindByText, NonMaxSuppression


def main(
    finder: str = "tiny",
    clip: str = "tiny",
    limit: int = 300,
    layers: int = 1,
    mirrored: bool = True,
    unseen: bool = False,
    out: Path = Path("runs/text_finder"),
    device: str = "auto",
) -> None:
    """layers: of crops, as `FindByText` has them. unseen: phrases that no training with phrases saw."""
    network, reader = load_text_finder(finder, device), load_clip(clip, None, device)
    look = FindByText(network, reader, crop_n_layers=layers, mirrored=mirrored)
    data = phrased("shapes", limit, unseen)
    print(format_summary(evaluate(data, look | NonMaxSuppression(), PhraseIoU(), out=out)))


if __name__ == "__main__":
    typer.run(main)
