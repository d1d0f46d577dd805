"""Array functions, each beside the plain or official way of saying the same."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from samkit.ops import rle
from samkit.ops.boxes import box_areas, box_iou, xywh_to_xyxy, xyxy_to_xywh
from samkit.ops.masks import mask_boxes, mask_iou, stability_score, upscale_logits
from samkit.ops.nms import non_max_suppression

pycoco = pytest.importorskip("pycocotools.mask")

sides = st.integers(1, 40)
seeds = st.integers(0, 2**31)


def random_masks(seed: int, count: int, height: int, width: int) -> np.ndarray:
    """Masks of every density, the empty and the full one included."""
    rng = np.random.default_rng(seed)
    density = rng.choice([0, 0.05, 0.5, 0.95, 1], size=(count, 1, 1))
    return rng.random((count, height, width)) < density


def random_boxes(seed: int, count: int) -> np.ndarray:
    """Boxes on a coarse grid: touching, equal and empty ones are frequent."""
    corners = np.random.default_rng(seed).integers(0, 7, (count, 2, 2)).astype(np.float64)
    return np.sort(corners, axis=1).reshape(-1, 4)


class TestBoxes:
    def test_forms(self) -> None:
        assert xywh_to_xyxy([[1, 2, 3, 4]]).tolist() == [[1, 2, 4, 6]]
        assert xyxy_to_xywh([[1, 2, 4, 6]]).tolist() == [[1, 2, 3, 4]]
        assert xywh_to_xyxy([]).shape == xyxy_to_xywh([]).shape == (0, 4)

    def test_a_reversed_box_has_no_area(self) -> None:
        assert box_areas([[0, 0, 2, 3], [5, 5, 1, 9], [4, 4, 4, 4]]).tolist() == [6, 0, 0]

    @given(seeds)
    def test_iou_counts_pixels(self, seed: int) -> None:
        boxes, others = random_boxes(seed, 5), random_boxes(seed + 1, 4)
        pixels, other_pixels = (np.zeros((len(b), 7, 7), dtype=bool) for b in (boxes, others))
        for masks, drawn in ((pixels, boxes), (other_pixels, others)):
            for mask, (x0, y0, x1, y1) in zip(masks, drawn.astype(int), strict=True):
                mask[y0:y1, x0:x1] = True
        np.testing.assert_allclose(box_iou(boxes, others), mask_iou(pixels, other_pixels))

    def test_no_boxes(self) -> None:
        assert box_iou([], [[0, 0, 1, 1]]).shape == (0, 1)
        assert box_iou([[0, 0, 1, 1]], []).shape == (1, 0)


def brute_force_nms(boxes: Any, scores: Any, threshold: float, class_ids: Any) -> list[int]:
    """The definition, box by box: kept if no better kept one of its class overlaps too much."""
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        rivals = [k for k in kept if class_ids is None or class_ids[k] == class_ids[i]]
        if all(box_iou(boxes[i], boxes[k])[0, 0] <= threshold for k in rivals):
            kept.append(i)
    return kept


class TestNonMaxSuppression:
    @given(seeds, st.integers(0, 12), st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.booleans())
    def test_is_the_definition(
        self, seed: int, count: int, threshold: float, with_classes: bool
    ) -> None:
        rng = np.random.default_rng(seed)
        boxes = random_boxes(seed, count)
        scores = rng.integers(0, 4, count) / 4  # equal scores are frequent
        class_ids = rng.integers(0, 2, count) if with_classes else None
        kept = non_max_suppression(boxes, scores, threshold, class_ids)
        assert kept.dtype == np.int64
        assert kept.tolist() == brute_force_nms(boxes, scores, threshold, class_ids)

    def test_is_torchvisions(self) -> None:
        ops = pytest.importorskip("torchvision.ops")
        rng = np.random.default_rng(0)
        corners = rng.uniform(0, 100, (300, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(1, 40, (300, 2))], axis=1)
        scores, classes = rng.random(300), rng.integers(0, 3, 300)
        tensors = torch.from_numpy(boxes), torch.from_numpy(scores)
        expected = ops.nms(*tensors, 0.4).tolist()
        assert 20 < len(expected) < 280
        assert non_max_suppression(boxes, scores, 0.4).tolist() == expected
        by_class = ops.batched_nms(*tensors, torch.from_numpy(classes), 0.4).tolist()
        assert non_max_suppression(boxes, scores, 0.4, classes).tolist() == by_class

    def test_an_overlap_at_the_threshold_stays(self) -> None:
        boxes = [[0, 0, 2, 1], [1, 0, 2, 1]]  # IoU is exactly a half
        assert non_max_suppression(boxes, [0.9, 0.8], 0.5).tolist() == [0, 1]
        assert non_max_suppression(boxes, [0.9, 0.8], 0.49).tolist() == [0]


class TestRunLengths:
    @given(seeds, st.integers(0, 4), sides, sides)
    def test_round_trip_and_what_is_read_off(
        self, seed: int, count: int, height: int, width: int
    ) -> None:
        masks = random_masks(seed, count, height, width)
        run_lengths = rle.encode(masks)
        np.testing.assert_array_equal(rle.decode(run_lengths, (height, width)), masks)
        for mask, ours in zip(masks, run_lengths, strict=True):
            theirs = pycoco.encode(np.asfortranarray(mask, dtype=np.uint8))
            assert ours == {"size": [height, width], "counts": theirs["counts"].decode()}
        assert rle.areas(run_lengths).tolist() == masks.sum(axis=(1, 2)).tolist()
        inclusive = mask_boxes(masks)
        some = masks.any(axis=(1, 2))
        boxes = rle.boxes_xywh(run_lengths)
        np.testing.assert_array_equal(
            boxes[some], xyxy_to_xywh(inclusive[some] + np.array([0, 0, 1, 1]))
        )
        assert not boxes[~some].any()

    def test_shape_is_told(self) -> None:
        with pytest.raises(ValueError, match=r"\(N, H, W\), got \(4, 5\)"):
            rle.encode(np.zeros((4, 5), dtype=bool))

    @pytest.mark.parametrize(
        "polygons",
        [
            [[2, 2, 12, 2, 12, 9, 2, 9]],
            [[1.5, 1.25, 18.3, 4.7, 9.9, 13.1]],
            [[0, 0, 20, 0, 20, 15, 0, 15]],
            [[-5, -5, 40, 3, 10, 30]],  # beyond the picture
            [[2, 2, 8, 2, 5, 8], [10, 3, 18, 3, 14, 12]],
            [[2, 2, 12, 2, 12, 12, 2, 12], [6, 6, 16, 6, 16, 14, 6, 14]],  # parts overlap
        ],
    )
    def test_polygons_are_pycocotools(self, polygons: list[list[float]]) -> None:
        theirs = pycoco.merge(pycoco.frPyObjects(polygons, 15, 20))
        ours = rle.from_coco(polygons, 15, 20)
        assert ours == {"size": [15, 20], "counts": theirs["counts"].decode()}
        assert rle.areas([ours])[0] > 10

    @pytest.mark.parametrize("polygons", [[], [[1, 1, 5, 5]], [[3, 3]]])
    def test_what_is_no_polygon_encloses_nothing(self, polygons: list[list[float]]) -> None:
        run_lengths = rle.from_coco(polygons, 15, 20)
        assert run_lengths["size"] == [15, 20]
        assert rle.areas([run_lengths]).tolist() == [0]

    def test_uncompressed_and_compressed_forms(self) -> None:
        counts = [3, 4, 10, 2, 11]
        plain = {"size": [5, 6], "counts": counts}
        pixels = np.repeat([False, True, False, True, False], counts).reshape(6, 5).T
        compressed = rle.encode(pixels[None])[0]
        assert rle.from_coco(plain, 5, 6) == compressed
        assert rle.from_coco(compressed, 5, 6) == compressed
        as_bytes = {**compressed, "counts": compressed["counts"].encode()}
        assert rle.from_coco(as_bytes, 5, 6) == compressed

    @given(seeds)
    @settings(max_examples=30)
    def test_iou_is_that_of_the_pixels(self, seed: int) -> None:
        masks, others = random_masks(seed, 3, 9, 11), random_masks(seed + 1, 4, 9, 11)
        np.testing.assert_allclose(
            rle.iou(rle.encode(masks), rle.encode(others)), mask_iou(masks, others)
        )

    def test_no_masks(self) -> None:
        assert rle.encode(np.zeros((0, 4, 5), dtype=bool)) == []
        assert rle.decode([], (4, 5)).shape == (0, 4, 5)
        assert rle.areas([]).shape == (0,)
        assert rle.boxes_xywh([]).shape == (0, 4)
        assert rle.iou([], rle.encode(np.ones((2, 4, 5), dtype=bool))).shape == (0, 2)


class TestMasks:
    def test_boxes_end_on_the_last_pixel(self) -> None:
        masks = np.zeros((4, 6, 9), dtype=bool)
        masks[0, 1:4, 2:8] = True
        masks[1, 5, 8] = masks[1, 2, 0] = True
        masks[2] = True
        boxes = mask_boxes(masks)
        assert boxes.tolist() == [[2, 1, 7, 3], [0, 2, 8, 5], [0, 0, 8, 5], [0, 0, 0, 0]]
        assert mask_boxes(masks[:0]).shape == (0, 4)

    def test_boxes_are_the_official_generators(self) -> None:
        amg = pytest.importorskip("segment_anything.utils.amg")
        masks = random_masks(3, 30, 11, 17)
        theirs = amg.batched_mask_to_box(torch.from_numpy(masks))
        np.testing.assert_array_equal(mask_boxes(masks), theirs.numpy())

    def test_iou(self) -> None:
        masks = np.zeros((3, 2, 4), dtype=bool)
        masks[0, :, :2] = masks[1, 0] = True
        np.testing.assert_allclose(mask_iou(masks, masks[:2]), [[1, 1 / 3], [1 / 3, 1], [0, 0]])
        assert mask_iou(masks[:0], masks).shape == (0, 3)
        assert mask_iou(masks, masks[:0]).shape == (3, 0)

    def test_stability_is_the_official_score(self) -> None:
        amg = pytest.importorskip("segment_anything.utils.amg")
        logits = 3 * torch.randn(6, 20, 30, generator=torch.Generator().manual_seed(0))
        logits[4], logits[5] = 9, -9  # all of it, and nothing at all
        theirs = amg.calculate_stability_score(logits, 0.0, 1.0)
        torch.testing.assert_close(stability_score(logits), theirs, rtol=0, atol=0, equal_nan=True)
        assert stability_score(logits)[4] == 1
        assert stability_score(logits)[5].isnan()
        wide = stability_score(logits, threshold=0.5, offset=2.0)
        theirs = amg.calculate_stability_score(logits, 0.5, 2.0)
        torch.testing.assert_close(wide, theirs, rtol=0, atol=0, equal_nan=True)
        assert stability_score(logits[:0]).shape == (0,)

    @pytest.mark.parametrize(
        ("resized", "size"), [((24, 32), (30, 40)), ((32, 19), (500, 300)), ((32, 19), (5, 3))]
    )
    def test_enlarging_is_the_official_sequence(self, resized: Any, size: Any) -> None:
        logits = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0))
        # As Sam.postprocess_masks: to the square, the padding off, then to the image.
        square = F.interpolate(logits[:, None], (32, 32), mode="bilinear", align_corners=False)
        cut = square[..., : resized[0], : resized[1]]
        expected = F.interpolate(cut, size, mode="bilinear", align_corners=False)[:, 0]
        ours = upscale_logits(logits, 32, resized, size)
        assert torch.equal(ours, expected)
        assert ours.shape == (3, *size)
        # Going to the image at once, as one might, answers otherwise.
        at_once = F.interpolate(logits[:, None], size, mode="bilinear", align_corners=False)[:, 0]
        assert not torch.allclose(ours, at_once, atol=0.05)

    def test_enlarging_nothing(self) -> None:
        assert upscale_logits(torch.zeros(0, 8, 8), 32, (24, 32), (30, 40)).shape == (0, 30, 40)
