"""GuidedFilter: outlines move onto the picture's edges, and nothing else of the masks changes."""

import numpy as np
import pytest

import samkit
from samkit.stages import Embed, GroundTruthBoxes, GuidedFilter, Proposals, Segment
from samkit.testing import check_stage
from samkit.types import Masks, Sample
from tests.ops.test_guided import iou, moved, scene


def sample(*binary, image=None, id="s"):
    picture = scene(120, 168)[0] if image is None else image
    masks = Masks.from_binary(np.stack(binary), np.linspace(0.9, 0.1, len(binary)))
    return Sample(id, picture, masks=masks.replace(class_ids=np.arange(len(binary))))


def test_outlines_move_onto_edges_and_order_scores_and_classes_stay():
    _, disc = scene(120, 168)
    given = sample(moved(disc, 4), disc, np.zeros_like(disc))
    [answer] = GuidedFilter()([given])
    shifted, right, empty = answer.masks.binary()
    assert iou(moved(disc, 4), disc) < 0.89 < 0.96 < iou(shifted, disc)
    assert iou(right, disc) > 0.99 and not empty.any()
    for name in ("scores", "class_ids", "prompt_index", "predicted_iou"):
        np.testing.assert_array_equal(getattr(answer.masks, name), getattr(given.masks, name))
    assert answer.masks.stability is None and answer.masks.logits is None


def test_small_objects_have_small_windows():
    """A window of the large mask's size would not leave a dot of five pixels where it is."""
    image = np.full((200, 200, 3), 60, dtype=np.uint8)
    dot, large = np.zeros((2, 200, 200), dtype=bool)
    dot[20:25, 20:25], large[60:190, 60:190] = True, True
    image[dot | large] = 220
    [answer] = GuidedFilter()([sample(dot, large, image=image)])
    found = answer.masks.binary()
    np.testing.assert_array_equal(found[0], dot)
    assert iou(found[1], large) > 0.99


def test_it_is_a_stage_like_any_other():
    scenes = list(samkit.data.shapes(3, size=192))
    sam = samkit.load_sam("tiny")
    found = (GroundTruthBoxes() | Embed(sam) | Segment(sam))(scenes)
    check_stage(GuidedFilter(), samples=found)
    nothing = Proposals(sam, points_per_side=2, pred_iou_thresh=1e9)
    [none] = (Embed(sam) | nothing | GuidedFilter())(scenes[:1])
    assert len(none.masks) == 0


@pytest.mark.parametrize("name", ["radius", "eps"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf")])
def test_settings_that_make_no_sense(name, value):
    with pytest.raises(ValueError, match=f"{name} is a number above 0, got"):
        GuidedFilter(**{name: value})
