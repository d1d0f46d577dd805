"""Crops and points of everything mode are the official ones."""

import numpy as np
import pytest
import torch

from samkit.ops.grids import crop_boxes, cut_off, layer_grids


@pytest.mark.parametrize("size", [(480, 640), (1201, 1799), (3000, 4000), (64, 48), (333, 100)])
@pytest.mark.parametrize("ratio", [512 / 1500, 0.0, 0.1])
def test_crops(size: tuple[int, int], ratio: float) -> None:
    amg = pytest.importorskip("segment_anything.utils.amg")
    expected = amg.generate_crop_boxes(size, 3, ratio)
    assert [list(box) for box, _ in crop_boxes(size, 3, ratio)] == expected[0]
    assert [layer for _, layer in crop_boxes(size, 3, ratio)] == expected[1]


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (5, 2), (7, 7)])
def test_crops_of_few_pixels_all_hold_some(size: tuple[int, int]) -> None:
    boxes = crop_boxes(size, 3, 512 / 1500)
    assert boxes[0] == ((0, 0, size[1], size[0]), 0)
    assert all(0 <= x0 < x1 <= size[1] and 0 <= y0 < y1 <= size[0] for (x0, y0, x1, y1), _ in boxes)


def test_grids() -> None:
    amg = pytest.importorskip("segment_anything.utils.amg")
    for ours, theirs in zip(
        layer_grids(12, 2, 2), amg.build_all_layer_point_grids(12, 2, 2), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert [len(grid) for grid in layer_grids(2, 2, 2)] == [4, 1, 0]
    assert [len(grid) for grid in layer_grids(0, 1, 1)] == [0, 0]


def test_what_a_crops_edge_cut_off() -> None:
    amg = pytest.importorskip("segment_anything.utils.amg")
    rng = np.random.default_rng(0)
    size, crop = (300, 400), (100, 0, 300, 150)
    corners = np.sort(rng.integers(0, 150, (500, 2, 2)), axis=1)
    boxes = corners.reshape(-1, 4) + np.array([100, 0, 100, 0])
    local = torch.from_numpy(boxes - np.array([100, 0, 100, 0]))
    expected = amg.is_box_near_crop_edge(local, list(crop), [0, 0, 400, 300]).numpy()
    assert 50 < expected.sum() < 450
    np.testing.assert_array_equal(cut_off(boxes, crop, size), expected)
    # Twenty pixels are still near, twenty-one are not.
    edges = [[120, 30, 200, 60], [121, 30, 200, 60], [150, 0, 200, 60]]
    assert cut_off(edges, crop, size).tolist() == [True, False, False]
