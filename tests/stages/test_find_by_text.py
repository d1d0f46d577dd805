"""FindByText: what a small network draws for a phrase, wherever it looks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import samkit
from samkit.clip import load_clip
from samkit.clip.finder import Drawn, Seen, TextFinder, load_text_finder
from samkit.data.phrases import by_telling_caption
from samkit.ops import rle
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


class Bright(TextFinder):
    """Draws what is bright, if it is told "red" only what is red; and is the surer the more it is."""

    def __init__(self) -> None:
        super().__init__(CLIP.width, CLIP.texts_name, side=64)
        self.red = CLIP.texts(["red"])[0]
        self.seen: list[torch.Tensor] = []

    def read(self, pictures: torch.Tensor) -> Seen:
        self.seen.append(pictures)
        return Seen(F.avg_pool2d(pictures, 2), pictures)

    def forward(self, seen: Seen, texts: torch.Tensor, of: torch.Tensor) -> Drawn:
        told_red = torch.isclose(texts @ self.red, torch.tensor(1.0), atol=1e-4)
        shown = seen.pixels[of]
        shown = torch.where(told_red[:, None, None], shown[:, 0], shown.amax(dim=1))
        return Drawn(shown * 2 - 1, shown, (shown > 0.5).float().mean(dim=(1, 2)))


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
    [whole, *crops] = finder.seen[0]
    assert len(finder.seen) == 1 and len(crops) == 4, "read once, whatever is asked"
    assert not whole[:, :10].any() and not whole[:, 54:].any(), "above and below is no picture"
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
        FindByText(TextFinder(CLIP.width), CLIP)
    with pytest.raises(ValueError, match="0 or more, got -1"):
        FindByText(Bright(), CLIP, crop_n_layers=-1)
    with pytest.raises(FileNotFoundError, match="no text finder at nowhere.*train_text_finder.py"):
        load_text_finder("nowhere")


def test_the_shipped_one_finds_what_is_meant_and_not_what_another_phrase_means() -> None:
    scenes = list(by_telling_caption(samkit.data.shapes(6, seed=8_500_000), False))
    find = FindByText(load_text_finder(), CLIP) | NonMaxSuppression() | Top(1, per="class")
    right, wrong, asked = 0, 0, 0
    for sample in find(scenes):
        truth, phrases = sample.annotations, sample.phrases
        asked += len(phrases)
        ious = rle.iou(sample.masks.rle(), truth.run_lengths) > 0.5
        for number, row in zip(sample.masks.class_ids.tolist(), ious, strict=True):
            right += row[truth.captions.index(phrases[number])]
            wrong += row[truth.captions.index(phrases[number - 1])]
    assert right > 0.4 * asked and wrong < 0.15 * asked, (right, wrong, asked)


def test_beside_a_text_prompt() -> None:
    sam = text_sam(samkit.load_sam("tiny", "cpu"))
    [sample] = by_telling_caption(samkit.data.shapes(1, seed=8_500_000), False)
    ask = Embed(sam) | TextPrompt(CLIP) | Segment(sam)
    look = FindByText(load_text_finder(device="cpu"), CLIP, crop_n_layers=0)
    [both] = Together([ask, look])([sample])
    [asked], [looked] = ask([sample]), look([sample])
    assert len(both.masks) == len(asked.masks) + len(looked.masks)
    assert both.masks.class_ids.tolist() == [*asked.masks.class_ids, *looked.masks.class_ids]
