"""GrabCutMasks: colours decide where a mask ends, and nothing else of the masks changes."""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

import samkit
from samkit.ops.masks import pair_iou
from samkit.stages import Embed, GrabCutMasks, GroundTruthBoxes, Proposals, Segment
from samkit.testing import check_stage
from samkit.types import Masks, Sample

pytest.importorskip("cv2")


def fence(height: int = 120, width: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """A red fence of thin bars before speckled grey, and where it is."""
    image = np.random.default_rng(0).integers(90, 130, (height, width, 3)).astype(np.uint8)
    bars = np.zeros((height, width), dtype=bool)
    for left in range(width // 4, width * 3 // 4, width // 16):
        bars[height // 4 : height * 3 // 4, left : left + max(3, width // 50)] = True
    bars[height // 2 : height // 2 + height // 30, width // 4 : width * 3 // 4] = True
    image[bars] = np.clip(image[bars] + np.array([110, -60, -70]), 0, 255)
    return image, bars


def sample(image: np.ndarray, *binary: np.ndarray) -> Sample:
    masks = Masks.from_binary(np.stack(binary), np.linspace(0.9, 0.1, len(binary)))
    return Sample("s", image, masks=masks.replace(class_ids=np.arange(len(binary))))


def test_a_loose_and_a_half_seen_fence_become_the_fence() -> None:
    image, bars = fence()
    loose = maximum_filter(bars, 5)
    part = bars.copy()
    part[:, : np.flatnonzero(bars.any(0))[0] + 20] = False
    given = sample(image, loose, part, np.zeros_like(bars))
    [answer] = GrabCutMasks()([given])
    tight, grown, nothing = answer.masks.binary()
    assert pair_iou(loose, bars) < 0.6 < 0.95 < pair_iou(tight, bars)
    assert pair_iou(part, bars) < 0.8 < 0.85 < pair_iou(grown, bars) and not nothing.any()
    for name in ("scores", "class_ids", "prompt_index", "predicted_iou"):
        np.testing.assert_array_equal(getattr(answer.masks, name), getattr(given.masks, name))
    assert answer.masks.stability is None and answer.masks.logits is None


def test_a_large_window_is_cut_small() -> None:
    image, bars = fence(480, 640)
    part = bars.copy()
    part[:, :240] = False
    [exact], [small] = (GrabCutMasks(longest=n)([sample(image, part)]) for n in (1000, 200))
    assert pair_iou(part, bars) < 0.8 < 0.85 < pair_iou(exact.masks.binary()[0], bars)
    assert pair_iou(small.masks.binary()[0], bars) > 0.8
    assert small.masks.binary().shape == (1, 480, 640)


def test_masks_without_an_outside_or_of_one_pixel_stay() -> None:
    image, bars = fence()
    dot = np.zeros_like(bars)
    dot[3, 5] = True
    given = sample(image, np.ones_like(bars), dot)
    [answer] = GrabCutMasks()([given])
    everything, point = answer.masks.binary()
    assert everything.all() and point[3, 5]
    [again] = GrabCutMasks()([given])
    np.testing.assert_array_equal(again.masks.binary(), answer.masks.binary())


def test_it_is_a_stage_like_any_other() -> None:
    scenes = list(samkit.data.shapes(3, size=128))
    sam = samkit.load_sam("tiny")
    check_stage(GrabCutMasks(), samples=(GroundTruthBoxes() | Embed(sam) | Segment(sam))(scenes))
    nothing = Proposals(sam, points_per_side=2, pred_iou_thresh=1e9)
    [none] = (Embed(sam) | nothing | GrabCutMasks())(scenes[:1])
    assert len(none.masks) == 0


@pytest.mark.parametrize("name", ["context", "core", "iterations", "longest"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf")])
def test_settings_that_make_no_sense(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is a number above 0, got"):
        GrabCutMasks(**{name: value})
