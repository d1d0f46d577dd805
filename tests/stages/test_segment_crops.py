"""Text asked of a picture and of its crops."""

import numpy as np
import pytest
import torch

from samkit import Prompts, Sample, load_sam
from samkit.clip.projection import TextProjection
from samkit.data import shapes
from samkit.ops.grids import crop_boxes
from samkit.stages import Embed, Segment, SegmentCrops, TextPrompt
from samkit.testing import check_stage
from tests.clip_models import small_clip

OVERLAP = 512 / 1500


@pytest.fixture(scope="module")
def sam():
    return load_sam("tiny", device="cpu")


@pytest.fixture(scope="module")
def ask() -> TextPrompt:
    torch.manual_seed(0)
    projection = TextProjection(16, 128, 3, 8, "small-0", "tiny").eval().requires_grad_(False)
    return TextPrompt(small_clip(), ["a red disc", "a blue square"], projection=projection)


@pytest.fixture(scope="module")
def asked(sam, ask) -> Sample:
    [sample] = (Embed(sam) | ask)([Sample(0, shapes(1)[0].image)])
    return sample


def test_the_laws(sam, ask) -> None:
    check_stage(SegmentCrops(sam), before=Embed(sam) | ask)
    check_stage(SegmentCrops(sam, several=True), before=Embed(sam) | ask)


def test_a_crop_answers_as_a_picture_of_its_own(sam, asked) -> None:
    """All but what ends at its edge, and in the pixels of the whole."""
    [found] = SegmentCrops(sam, several=True, edge=0.0)([asked])
    size, left_out = asked.image.shape[:2], 0
    for (x0, y0, x1, y1), _ in crop_boxes(size, 1, OVERLAP):
        own = Sample(1, asked.image[y0:y1, x0:x1], prompts=asked.prompts)
        [alone] = (Embed(sam) | Segment(sam, several=True))([own])
        masks = found.masks[(found.masks.crop_boxes == (x0, y0, x1, y1)).all(axis=1)]
        cut = np.zeros((len(alone.masks), *size), dtype=bool)
        cut[:, y0:y1, x0:x1] = alone.masks.binary()
        inner = [
            not (
                (x0 > 0 and mask[:, x0 : x0 + 2].any())
                or (y0 > 0 and mask[y0 : y0 + 2].any())
                or (x1 < size[1] and mask[:, x1 - 1].any())
                or (y1 < size[0] and mask[y1 - 1].any())
            )
            for mask in cut
        ]
        left_out += len(cut) - sum(inner)
        assert len(masks) == sum(inner)
        for mask, iou, prompt in zip(
            cut[inner],
            alone.masks.predicted_iou[inner],
            alone.masks.prompt_index[inner],
            strict=True,
        ):
            [row] = np.flatnonzero(
                np.isclose(masks.predicted_iou, iou, atol=1e-5) & (masks.prompt_index == prompt)
            )
            assert (masks[row].binary()[0] != mask).mean() < 1e-4
    assert left_out


def test_the_best_by_predicted_iou_is_taken(sam, asked) -> None:
    [several], [best] = (SegmentCrops(sam, several=many)([asked]) for many in (True, False))
    assert best.masks.prompt_index.tolist() == best.masks.class_ids.tolist() == [0, 1]
    for prompt, iou in enumerate(best.masks.predicted_iou):
        own = several.masks[several.masks.prompt_index == prompt].predicted_iou
        assert own[0] == own.max() == iou and (np.diff(own) <= 0).all()
        assert len(own) > 3


def test_who_says_where_is_asked_of_the_whole_alone(sam, asked) -> None:
    points = Prompts.from_points([[40, 40], [90, 90]], labels=[1, 1])
    mixed = Prompts.concat([points, asked.prompts.replace(class_ids=None)])
    [done] = SegmentCrops(sam, several=True)([asked.replace(prompts=mixed)])
    height, width = asked.image.shape[:2]
    whole = (done.masks.crop_boxes == (0, 0, width, height)).all(axis=1)
    assert whole[done.masks.prompt_index < 2].all() and not whole.all()
    [plain] = Segment(sam)([asked.replace(prompts=mixed)])
    [best] = SegmentCrops(sam)([asked.replace(prompts=mixed)])
    assert best.masks.rle()[:2] == plain.masks.rle()[:2]


def test_no_layers_are_refused(sam) -> None:
    with pytest.raises(ValueError, match="without crops it is Segment"):
        SegmentCrops(sam, crop_n_layers=0)
