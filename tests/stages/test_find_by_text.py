"""FindByText: what a small network draws for a phrase, wherever it looks."""

import numpy as np
import pytest
import torch

import samkit
from samkit.clip import load_clip
from samkit.data.phrases import by_telling_caption
from samkit.ops import rle
from samkit.sam.mask_refiner import MaskRefiner, load_mask_refiner, load_text_finder
from samkit.stages import (
    Embed,
    FindByText,
    NonMaxSuppression,
    Segment,
    TextPrompt,
    Together,
    Top,
    text_sam,
)
from samkit.testing import check_stage
from samkit.types import Sample

CLIP = load_clip("tiny")


class Bright(MaskRefiner):
    """Draws what is bright, if it is told "red" only what is red; and is the surer the more it is."""

    def __init__(self) -> None:
        super().__init__(32, (4,), (0,), "", CLIP.width, CLIP.texts_name)
        self.red = CLIP.texts(["red"])[0]
        self.masks: list[torch.Tensor] = []

    def forward(
        self, pictures: torch.Tensor, masks: torch.Tensor, texts: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.masks.append(masks)
        told_red = torch.isclose(texts @ self.red, torch.tensor(1.0), atol=1e-4)
        shown = torch.where(told_red[:, None, None], pictures[:, 0], pictures.amax(dim=1))
        return shown * 2 - 1, (shown > 0.5).float().mean(dim=(1, 2))


def scene() -> Sample:
    image = np.zeros((64, 96, 3), np.uint8)
    image[4:20, 4:20, 0] = 255
    image[40:60, 60:90, 2] = 255
    return Sample(0, image, phrases=("red", "anything"))


def test_each_crop_is_asked_and_its_mask_lies_where_it_was_seen() -> None:
    finder, sample = Bright(), scene()
    [found] = FindByText(finder, CLIP, crop_n_layers=1)([sample])
    masks = found.masks
    drawn, where = rle.decode(masks.rle()), masks.crop_boxes
    red, anything = sample.image[..., 0] > 0, sample.image.max(axis=2) > 0
    for one, number, box in zip(drawn, masks.class_ids, where.astype(int), strict=True):
        crop = np.zeros_like(red)
        crop[box[1] : box[3], box[0] : box[2]] = True
        meant = (red if number == 0 else anything) & crop
        assert (one & meant).sum() > 0.85 * (one | meant).sum() and not (one & ~crop).any()
    by_class = np.bincount(masks.class_ids)
    assert by_class[0] < by_class[1] <= 5, "where nothing is drawn there is no mask"
    assert np.array_equal(masks.scores, masks.predicted_iou) and masks.scores.dtype == np.float32
    seen = finder.masks[0][0]
    assert (seen[7:25] == 1).all(), "nothing was found yet, anywhere"
    assert not seen[:4].any() and not seen[28:].any(), "and above and below there is no picture"
    [best] = (FindByText(finder, CLIP, crop_n_layers=1) | Top(1, per="class"))([sample])
    assert best.masks.class_ids.tolist() in ([0, 1], [1, 0])
    left, _, right, _ = best.masks.crop_boxes[best.masks.class_ids.tolist().index(0)]
    assert right - left < 96, "the surest is the crop in which it is largest"


def test_phrases_of_stage_or_sample_none_and_one_by_one() -> None:
    finder, sample = Bright(), scene()
    find = FindByText(finder, CLIP, ["red"], mirrored=True, crop_n_layers=0)
    [found] = find([sample.replace(phrases=None)])
    assert found.phrases == ("red",) and found.masks.class_ids.tolist() == [0]
    [nothing] = FindByText(finder, CLIP)([sample.replace(phrases=())])
    assert len(nothing.masks) == 0 and nothing.masks.crop_boxes.shape == (0, 4)
    scenes = list(by_telling_caption(samkit.data.shapes(2, seed=8_500_000), False))
    check_stage(FindByText(load_text_finder(), CLIP, crop_n_layers=1), samples=scenes)


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="was taught phrases of no CLIP"):
        FindByText(MaskRefiner(32), CLIP)
    with pytest.raises(ValueError, match="0 or more, got -1"):
        FindByText(Bright(), CLIP, crop_n_layers=-1)
    with pytest.raises(FileNotFoundError, match="no text finder at nowhere.*train_text_finder.py"):
        load_text_finder("nowhere")


def test_the_shipped_one_finds_more_than_a_refiner_that_was_never_taught_to_look() -> None:
    scenes = list(by_telling_caption(samkit.data.shapes(6, seed=8_500_000), False))
    shares = []
    for finder in (load_mask_refiner(), load_text_finder()):
        hits: list[bool] = []
        find = FindByText(finder, CLIP) | NonMaxSuppression() | Top(1, per="class")
        for sample in find(scenes):
            truth, phrases = sample.annotations, sample.phrases
            ious = rle.iou(sample.masks.rle(), truth.run_lengths)
            for number, row in zip(sample.masks.class_ids, ious, strict=True):
                hits.append(row[truth.captions.index(phrases[number])] > 0.5)
        shares.append(np.sum(hits) / sum(len(sample.phrases) for sample in scenes))
    assert shares[1] > shares[0] + 0.1 and shares[1] > 0.3, shares


def test_beside_a_text_prompt() -> None:
    sam = text_sam(samkit.load_sam("tiny", "cpu"))
    [sample] = by_telling_caption(samkit.data.shapes(1, seed=8_500_000), False)
    ask = Embed(sam) | TextPrompt(CLIP) | Segment(sam)
    look = FindByText(load_text_finder(device="cpu"), CLIP, crop_n_layers=0)
    [both] = Together([ask, look])([sample])
    [asked], [looked] = ask([sample]), look([sample])
    assert len(both.masks) == len(asked.masks) + len(looked.masks)
    assert both.masks.class_ids.tolist() == [*asked.masks.class_ids, *looked.masks.class_ids]
