"""Laws of boxes, run lengths and polygons, for whatever hypothesis thinks of."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from samkit.ops import rle
from samkit.ops.boxes import box_areas, box_iou, xywh_to_xyxy, xyxy_to_xywh
from samkit.ops.segmentations import run_lengths_of_text

sides = st.integers(1, 60)
coordinates = st.floats(-30, 90, width=32)
boxes = arrays.arrays(
    np.float64, st.tuples(st.integers(0, 5), st.just(4)), elements=st.integers(-99, 99).map(float)
)


class TestBoxes:
    @given(boxes)
    def test_forms_are_each_others_inverse(self, xywh: Any) -> None:
        np.testing.assert_array_equal(xyxy_to_xywh(xywh_to_xyxy(xywh)), xywh)

    @given(boxes, boxes)
    def test_iou(self, first: Any, second: Any) -> None:
        iou = box_iou(first, second)
        assert iou.shape == (len(first), len(second))
        assert ((iou >= 0) & (iou <= 1)).all()
        np.testing.assert_array_equal(iou, box_iou(second, first).T)
        np.testing.assert_array_equal(
            np.diag(box_iou(first, first)), (box_areas(first) > 0).astype(float)
        )


@st.composite
def run_lists(draw: Any) -> tuple[int, int, list[int]]:
    """Height, width, and runs that fill them; runs of no pixel among them."""
    height, width = draw(sides), draw(sides)
    cuts = sorted(draw(st.lists(st.integers(0, height * width), max_size=12)))
    return height, width, np.diff([0, *cuts, height * width]).tolist()


class TestRunLengths:
    @given(run_lists())
    def test_uncompressed_runs_are_pixels_down_the_columns(self, case: Any) -> None:
        height, width, runs = case
        run_lengths = rle.from_coco({"size": [height, width], "counts": runs}, height, width)
        down = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        np.testing.assert_array_equal(rle.decode([run_lengths])[0], down.reshape(width, height).T)

    @given(arrays.arrays(bool, st.tuples(st.just(1), sides, sides)))
    def test_our_reading_of_the_text_is_the_coders(self, mask: Any) -> None:
        [run_lengths] = rle.encode(mask)
        runs = run_lengths_of_text(run_lengths["counts"])
        down = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        np.testing.assert_array_equal(down, mask[0].T.ravel())
        assert rle.from_coco(run_lengths, *mask.shape[1:]) == run_lengths

    @given(
        st.one_of(st.text(max_size=30), st.binary(max_size=30), st.lists(st.integers(), max_size=6))
    )
    def test_any_counts_are_a_mask_or_are_refused(self, counts: Any) -> None:
        try:
            run_lengths = rle.from_coco({"size": [6, 8], "counts": counts}, 6, 8)
        except ValueError:
            return
        assert rle.decode([run_lengths]).shape == (1, 6, 8)


class TestPolygons:
    @given(
        sides,
        sides,
        st.lists(
            st.lists(coordinates, min_size=6, max_size=12).filter(lambda p: len(p) % 2 == 0),
            min_size=1,
            max_size=3,
        ),
    )
    def test_they_are_the_official_coders(self, height: int, width: int, polygons: Any) -> None:
        official = pytest.importorskip("pycocotools.mask")
        ours = rle.from_coco(polygons, height, width)
        theirs = official.merge(official.frPyObjects(polygons, height, width))
        assert ours == {"size": [height, width], "counts": theirs["counts"].decode()}

    @given(sides, sides, st.data())
    def test_a_box_of_whole_pixels_is_filled(self, height: int, width: int, data: Any) -> None:
        x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
        x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
        expected = np.zeros((height, width), dtype=bool)
        expected[y0:y1, x0:x1] = True
        run_lengths = rle.from_coco([[x0, y0, x1, y0, x1, y1, x0, y1]], height, width)
        np.testing.assert_array_equal(rle.decode([run_lengths])[0], expected)
