"""A sheet of masks that phrases found in made-up scenes, right and wrong ones, none picked.

    python benchmarks/text_sheet.py                      docs/images/text.jpg, the shipped models

The first scenes of seed 0, two phrases each: the first and the last that fit one object alone. Answers are
those of `text_to_mask.py --route prompt --crops 2 --redraw tiny --ranked --mirrored --finder tiny`; they are
bright, the object that is meant has a white outline, and beneath stands the IoU of the two.
"""

from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_erosion

from samkit import Sample, load_sam
from samkit.clip import load_clip
from samkit.clip.finder import load_text_finder
from samkit.data import shapes
from samkit.data.phrases import by_telling_caption
from samkit.metrics import PhraseIoU
from samkit.pipeline import Stage
from samkit.sam.mask_refiner import load_mask_refiner
from samkit.stages import Embed, RankByText, Top, text_sam
from samkit.stages.rank_by_text import FOR_TINY
from samkit.stages.text_routes import (
    PROMPTED,
    agreeing,
    and_looked_for,
    ask_by_text,
    redraw_by_phrase,
    seen_twice,
)

SIDE, LINES = 400, 52  # pixels of a picture, and of the words beneath
DIM = 0.45  # brightness of what is no answer


def main(scenes: int = 5, out: Path = Path("docs/images/text.jpg"), device: str = "auto") -> None:
    """Draws the sheet."""
    find, columns = answers(device), []
    for sample in by_telling_caption(shapes(scenes)):
        [answered] = find([sample])
        if count := len(sample.phrases or ()):
            columns.append(np.concatenate([cell(answered, phrase) for phrase in (0, count - 1)]))
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(columns, axis=1)).save(out, quality=88)
    print(f"{out}: {scenes} scenes")


def answers(device: str) -> Stage:
    """What finds one mask for each phrase."""
    sam, clip = text_sam(load_sam("tiny", device)), load_clip("tiny", None, device)
    refiner = load_mask_refiner("tiny", device)
    finder = load_text_finder("tiny", device)
    ask = seen_twice(Embed(sam) | ask_by_text(sam, clip, crops=2, several=True))
    find = and_looked_for(finder, clip, None, ask | Top(PROMPTED, per="class"), mirrored=True)
    redraw = redraw_by_phrase(refiner, clip, prompted=True, mirrored=True)
    choose = RankByText(clip, each="own", mirrored=True, **FOR_TINY)
    choose |= agreeing(finder, clip, drawn=True, mirrored=True) | Top(1, per="class")
    return find | redraw | choose


def cell(sample: Sample, phrase: int) -> NDArray[np.uint8]:
    """(H, W, 3) the picture, bright where this phrase's mask is, its object's outline, and words beneath."""
    masks, truth = sample.masks, sample.annotations
    assert masks is not None and truth is not None and sample.phrases is not None
    iou = PhraseIoU().score(sample)["iou"][phrase]
    answer = masks.binary()[np.flatnonzero(masks.class_ids == phrase)[0]]
    meant = truth.binary()[np.flatnonzero(truth.class_ids == phrase)[0]]
    inside, edge = enlarged(answer), enlarged(meant)
    picture = np.asarray(Image.fromarray(sample.image).resize((SIDE, SIDE)))
    picture = np.where(inside[..., None], picture, picture * DIM).astype(np.uint8)
    picture[edge & ~binary_erosion(edge, iterations=2)] = 255
    words = Image.new("RGB", (SIDE, LINES), "white")
    line = f"{sample.phrases[phrase]}\nIoU {iou:.2f}"
    ImageDraw.Draw(words).text((8, 4), line, "black", ImageFont.load_default(17))
    return np.concatenate([picture, np.asarray(words)])


def enlarged(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask, as large as a picture of the sheet."""
    return np.asarray(Image.fromarray(mask).resize((SIDE, SIDE), Image.Resampling.NEAREST))


if __name__ == "__main__":
    typer.run(main)
