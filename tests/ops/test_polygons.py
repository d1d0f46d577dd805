"""Polygons: the way there and back is exact, here and in pycocotools; with holes, parts, corners."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as pycoco

from samkit.ops import rle
from samkit.ops.polygons import (
    from_polygons,
    joined,
    ring_area,
    to_coco_polygons,
    to_polygons,
)

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.booleans())


def encoded(mask):
    return rle.encode(np.asarray(mask, dtype=bool)[None])[0]


@given(MASKS)
def test_the_way_there_and_back_is_exact(mask):
    run_lengths, (height, width) = encoded(mask), mask.shape
    parts = to_polygons(run_lengths)
    assert from_polygons(parts, (height, width)) == run_lengths
    segmentation = to_coco_polygons(run_lengths)
    assert rle.from_coco(segmentation, height, width) == run_lengths
    if mask.any():
        theirs = pycoco.merge(pycoco.frPyObjects(segmentation, height, width))
        assert theirs["counts"].decode() == run_lengths["counts"]
    # All parts of an object as one ring, as YOLO's labels want it.
    whole = joined([ring for part in parts for ring in part])
    assert rle.from_coco([whole], height, width) == run_lengths


@given(MASKS)
def test_areas_are_pixels_and_corners_are_turns(mask):
    parts = to_polygons(encoded(mask))
    areas = [ring_area(part[0]) - sum(map(ring_area, part[1:])) for part in parts]
    assert sum(areas) == mask.sum() and all(area > 0 for area in areas)
    for ring in (ring for part in parts for ring in part):
        steps = np.roll(ring, -1, axis=0) - ring
        assert np.array_equal(ring, ring.round())
        assert ((steps != 0).sum(axis=1) == 1).all()  # level or upright
        assert ((steps * np.roll(steps, -1, axis=0)).sum(axis=1) == 0).all()  # no corner in a line


def test_holes_parts_and_touching_corners():
    mask = np.zeros((9, 12), dtype=bool)
    mask[1:8, 1:8] = True
    mask[2:4, 2:4] = mask[5:7, 5:7] = False
    mask[5, 5] = True  # a corner of the second hole
    mask[8, 8] = True  # touches the big part only at a corner
    parts = to_polygons(encoded(mask))
    assert [len(part) for part in parts] == [3, 1]
    assert [ring_area(ring) for ring in parts[0]] == [49, 4, 3]
    assert parts[1][0].tolist() == [[9, 9], [9, 8], [8, 8], [8, 9]]


def test_nothing_has_no_polygon():
    empty = encoded(np.zeros((3, 4)))
    assert to_polygons(empty) == [] and to_coco_polygons(empty) == [] and joined([]) == []
    assert from_polygons([], (3, 4)) == empty


def test_a_tolerance_gives_up_corners_but_hardly_any_pixels():
    y, x = np.ogrid[:200, :300]
    distance = np.hypot(x - 150, y - 100)
    ring = encoded((distance < 90) & (distance > 40))
    dot = encoded(distance < 1)
    exact, rough = to_polygons(ring), to_polygons(ring, tolerance=1.5)
    corners = [sum(len(r) for r in parts[0]) for parts in (exact, rough)]
    assert corners[1] < corners[0] / 8
    assert rle.iou([from_polygons(rough, (200, 300))], [ring])[0, 0] > 0.97
    assert from_polygons(to_polygons(dot, tolerance=9), (200, 300)) == dot


def test_masks_of_photographs(test_data):
    from samkit.data import coco

    for sample in coco(test_data / "coco_val2017_subset", limit=8):
        for one in sample.annotations.run_lengths:
            assert rle.from_coco(to_coco_polygons(one), *one["size"]) == one


@pytest.mark.parametrize("value", [float("nan"), 1e30])
def test_corners_that_are_none_are_refused(value):
    with pytest.raises(ValueError, match="corners"):
        from_polygons([[np.array([[0, 0], [3, 0], [3, value]])]], (4, 4))
