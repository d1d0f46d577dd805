"""What is found in a mirror lies where it is."""

from pathlib import Path

import numpy as np
import pytest

from samkit import Sample, evaluate, load_sam
from samkit.clip import load_clip
from samkit.data import shapes
from samkit.metrics import MaskAR
from samkit.stages import (
    Embed,
    GroundTruthBoxes,
    Mirrored,
    NonMaxSuppression,
    Proposals,
    Segment,
    SegmentCrops,
    TextPrompt,
    Together,
    text_sam,
)
from samkit.testing import check_stage

ALL = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}


def test_masks_points_and_crops_lie_where_they_do_in_the_picture() -> None:
    sam = load_sam("tiny")
    find = Embed(sam) | Proposals(sam, points_per_side=3, crop_n_layers=1, **ALL)
    sample = next(iter(shapes(1)))
    wide = Sample("wide", np.pad(sample.image, ((0, 0), (0, 90), (0, 0))))
    [there] = find([Sample("mirror", np.ascontiguousarray(wide.image[:, ::-1]))])
    [back] = Mirrored(find)([wide])
    np.testing.assert_array_equal(back.masks.binary(), there.masks.binary()[:, :, ::-1])
    np.testing.assert_array_equal(back.masks.scores, there.masks.scores)
    assert len(back.masks) > 5 and back.embedding is None
    columns = np.arange(346)
    for row in range(len(back.masks)):
        x, y = back.masks.points[row]
        assert there.masks.points[row].tolist() == pytest.approx([346 - x, y], abs=1e-3)
        left, top, right, bottom = back.masks.crop_boxes[row].astype(int)
        in_mirror = there.masks.crop_boxes[row].astype(int)
        assert [
            columns[::-1][right - 1],
            top,
            columns[::-1][left] + 1,
            bottom,
        ] == in_mirror.tolist()
        assert left <= x < right and top <= y < bottom
    check_stage(Mirrored(find))


def test_a_symmetric_picture_is_answered_alike() -> None:
    """Phrases go along, and the two ways' masks of one object become one."""
    clip, reader = load_clip("tiny"), text_sam(load_sam("tiny"))
    rows, columns = np.mgrid[:256, :256]
    image = np.full((256, 256, 3), 200, np.uint8)
    disc = np.hypot(rows - 127.5, columns - 60) < 40
    disc = disc | disc[:, ::-1]
    image[disc] = 220, 30, 30
    ask = Embed(reader) | TextPrompt(clip, ["a red disc"])
    look = ask | SegmentCrops(reader, crop_n_layers=1, several=True)
    [both] = (Together([look, Mirrored(look)]) | NonMaxSuppression())([Sample("two", image)])
    assert both.phrases == ("a red disc",) and set(both.masks.class_ids) == {0}
    [here], [there] = look([Sample("two", image)]), Mirrored(look)([Sample("two", image)])
    np.testing.assert_array_equal(here.masks.binary(), there.masks.binary()[:, :, ::-1])
    assert len(here.masks) <= len(both.masks) < 2 * len(here.masks), "what is symmetric is one mask"


def test_a_run_names_the_sam_that_looked_in_a_mirror(tmp_path: Path) -> None:
    sam = load_sam("tiny")
    find = Embed(sam) | Proposals(sam, points_per_side=1, **ALL)
    summary = evaluate(shapes(1), Mirrored(find), MaskAR(), out=tmp_path)
    assert summary["run"]["sam"] == sam.name and summary["run"]["device"] == str(sam.device)
    both = Together([find, Mirrored(find)]) | NonMaxSuppression()
    assert [type(part) for part in both.parts()].count(Proposals) == 2


def test_ways_that_see_more_than_the_picture() -> None:
    sam = load_sam("tiny")
    with pytest.raises(ValueError, match="reads embedding, which is not there in a mirror"):
        Mirrored(Proposals(sam))
    with pytest.raises(ValueError, match="reads annotations"):
        Mirrored(GroundTruthBoxes() | Embed(sam) | Segment(sam))
    with pytest.raises(ValueError, match="writes no masks"):
        Mirrored(Embed(sam))
