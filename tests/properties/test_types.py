"""Laws of prompts, masks and frames, for whatever hypothesis thinks of."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from samkit.types import Frame, Masks, Prompts

pixels = st.floats(-(2.0**24), 2.0**24, width=32)
sides = st.integers(1, 100_000)


@st.composite
def some_prompts(draw: Any, count: int | None = None) -> Prompts:
    """Any prompts that may be given: ragged points, boxes for some, tensors for some."""
    count = draw(st.integers(0, 5)) if count is None else count
    given_fields: dict[str, Any] = {}
    if draw(st.booleans()):
        counts = draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
        given_fields["points"] = [
            draw(arrays.arrays(np.float32, (n, 2), elements=pixels)) for n in counts
        ]
        given_fields["labels"] = [
            draw(arrays.arrays(np.int64, n, elements=st.integers(0, 1))) for n in counts
        ]
    if draw(st.booleans()):
        corners = draw(arrays.arrays(np.float32, (count, 2, 2), elements=pixels))
        boxes = np.sort(corners, axis=1).reshape(count, 4)
        boxes[draw(arrays.arrays(bool, count))] = np.nan
        given_fields["boxes"] = boxes
    if draw(st.booleans()):
        having = draw(st.lists(st.booleans(), min_size=count, max_size=count))
        given_fields["masks"] = [
            torch.full((4, 4), float(i)) if has else None for i, has in enumerate(having)
        ]
    if draw(st.booleans()):
        given_fields["scores"] = draw(
            arrays.arrays(np.float32, count, elements=st.floats(-1e9, 1e9, width=32))
        )
        given_fields["class_ids"] = draw(arrays.arrays(np.int64, count))
    return Prompts(**given_fields)


def rows(prompts: Prompts) -> list[Any]:
    """Each prompt as plain values; a field that nobody gave is what its absence means."""
    told = []
    for i in range(len(prompts)):
        box = prompts.boxes[i].tolist() if prompts.has_box[i] else None
        points = [] if prompts.points is None else prompts.points[i].tolist()
        labels = [] if prompts.labels is None else prompts.labels[i].tolist()
        mask = None if prompts.masks is None else prompts.masks[i]
        score = None if prompts.scores is None else float(prompts.scores[i])
        class_id = None if prompts.class_ids is None else int(prompts.class_ids[i])
        told.append((box, points, labels, None if mask is None else mask.tolist(), score, class_id))
    return told


class TestPrompts:
    @given(some_prompts(), st.data())
    def test_cutting_and_joining_gives_the_same(self, prompts: Prompts, data: Any) -> None:
        cut = data.draw(st.integers(0, len(prompts)))
        assert rows(Prompts.concat([prompts[:cut], prompts[cut:]])) == rows(prompts)
        assert rows(Prompts.concat(list(prompts))) == rows(prompts)

    @given(some_prompts(), st.data())
    def test_picking_is_that_of_a_list(self, prompts: Prompts, data: Any) -> None:
        told = rows(prompts)
        flags = data.draw(arrays.arrays(bool, len(prompts)))
        assert rows(prompts[flags]) == [row for row, flag in zip(told, flags, strict=True) if flag]
        one = data.draw(st.slices(len(prompts)))
        assert rows(prompts[one]) == told[one]
        assume(len(prompts))
        index = data.draw(st.lists(st.integers(-len(prompts), len(prompts) - 1)))
        assert rows(prompts[index]) == [told[i] for i in index]

    @given(some_prompts(), some_prompts())
    def test_joining_keeps_order_or_says_why_not(self, first: Prompts, second: Prompts) -> None:
        if len(first) and len(second) and (first.scores is None) != (second.scores is None):
            with pytest.raises(ValueError, match="some parts have (scores|class_ids)"):
                Prompts.concat([first, second])
        else:
            assert rows(Prompts.concat([first, second])) == rows(first) + rows(second)

    @given(
        arrays.arrays(
            st.sampled_from([np.float64, np.int64, np.uint8]),
            arrays.array_shapes(min_dims=0, max_dims=4, max_side=5),
        )
    )
    def test_any_array_is_boxes_or_is_refused(self, value: Any) -> None:
        try:
            prompts = Prompts.from_boxes(value)
        except ValueError:
            return
        boxes = prompts.boxes[prompts.has_box]
        assert np.isfinite(boxes).all()
        assert (boxes[:, :2] <= boxes[:, 2:]).all()


binary = arrays.arrays(bool, st.tuples(st.integers(0, 4), st.integers(1, 9), st.integers(1, 9)))


class TestMasks:
    @given(binary)
    def test_run_lengths_hold_every_pixel(self, pixels: Any) -> None:
        masks = Masks.from_binary(pixels)
        np.testing.assert_array_equal(masks.binary(), pixels)
        assert masks.areas().tolist() == pixels.sum(axis=(1, 2)).tolist()
        for mask, box in zip(pixels, masks.boxes(), strict=True):
            y, x = np.nonzero(mask)
            found = [x.min(), y.min(), x.max(), y.max()] if len(x) else [0, 0, 0, 0]
            assert box.tolist() == found

    @given(binary, st.data())
    def test_cutting_and_joining_gives_the_same(self, pixels: Any, data: Any) -> None:
        masks = Masks.from_binary(pixels, np.arange(len(pixels)))
        cut = data.draw(st.integers(0, len(masks)))
        again = Masks.concat([masks[:cut], masks[cut:]])
        np.testing.assert_array_equal(again.binary(), pixels)
        assert again.rle() == masks.rle()
        assert again.scores.tolist() == list(range(len(pixels)))
        flags = data.draw(arrays.arrays(bool, len(masks)))
        np.testing.assert_array_equal(masks[flags].binary(), pixels[flags])

    @given(
        arrays.arrays(np.float32, (3, 4, 4), elements=st.floats(-9, 9, width=32)),
        st.integers(1, 20),
        st.integers(1, 20),
    )
    def test_logits_say_what_their_run_lengths_say(
        self, logits: Any, height: int, width: int
    ) -> None:
        masks = Masks(Frame.fit((height, width), 16), logits=torch.from_numpy(logits))
        held = masks.with_run_lengths()
        np.testing.assert_array_equal(held.binary(), masks.binary())
        np.testing.assert_array_equal(held.boxes(), masks.boxes())
        np.testing.assert_array_equal(held.areas(), masks.areas())


class TestFrame:
    @given(sides, sides, st.sampled_from([16, 128, 256, 1024]))
    def test_the_longest_side_fills_the_square_and_none_is_zero(
        self, height: int, width: int, model: int
    ) -> None:
        resized = Frame.fit((height, width), model).resized_size
        assert max(resized) == model
        assert min(resized) >= 1
        exact = np.array([height, width]) * model / max(height, width)
        assert np.abs(np.maximum(exact, 1) - resized).max() <= 0.5 + 1e-9

    @given(sides, sides, st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=5))
    def test_what_is_in_the_image_is_in_the_square(
        self, height: int, width: int, places: Any
    ) -> None:
        frame = Frame.fit((height, width), 1024)
        xy = frame.to_model(np.array(places).reshape(-1, 2) * [width, height])
        limits = np.float32([frame.resized_size[1], frame.resized_size[0]])
        assert (xy >= 0).all()
        assert (xy <= limits * np.float32(1 + 1e-6)).all()
        np.testing.assert_allclose(frame.to_model([[width, height]])[0], limits, rtol=1e-6)

    @given(
        st.integers(1, 50),
        st.integers(1, 50),
        st.integers(0, 99),
        st.integers(0, 99),
        st.tuples(pixels, pixels),
    )
    def test_a_crop_is_an_image_of_its_own(
        self, height: int, width: int, x0: int, y0: int, xy: Any
    ) -> None:
        alone = Frame.fit((height, width), 64)
        crop = alone.cropped_from((150, 150), x0, y0)
        assert crop.crop_size == (height, width)
        expected = alone.to_model(np.float64(xy) - [x0, y0])
        np.testing.assert_array_equal(crop.to_model(xy), expected)
