"""The record and its parts: what they hold, refuse, and turn into."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from samkit.ops import rle
from samkit.testing import example_samples
from samkit.types import Annotations, Frame, ImageEmbedding, Masks, Prompts, Sample
from samkit.types import masks as masks_module

FRAME = Frame.fit((30, 40), 32)


def some_logits(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 8, 8, generator=generator)


def some_masks() -> np.ndarray:
    """A block, a single pixel, everything and nothing, in a 30 x 40 image."""
    masks = np.zeros((4, 30, 40), dtype=bool)
    masks[0, 5:12, 10:31] = True
    masks[1, 29, 39] = True
    masks[2] = True
    return masks


class TestFrame:
    @pytest.mark.parametrize(
        ("size", "resized"),
        [
            ((480, 640), (768, 1024)),
            ((640, 480), (1024, 768)),
            ((1024, 1024), (1024, 1024)),
            ((3, 5), (614, 1024)),
            ((1, 5000), (1, 1024)),  # rounding would leave no row at all
            ((427, 640), (683, 1024)),
        ],
    )
    def test_fit_scales_the_longest_side(self, size: Any, resized: Any) -> None:
        assert Frame.fit(size, 1024).resized_size == resized

    def test_points_scale_by_the_rounded_size(self) -> None:
        frame = Frame.fit((427, 640), 1024)
        xy = frame.to_model([[0, 0], [640, 427], [320, 100]])
        assert xy.dtype == np.float32
        np.testing.assert_allclose(xy, [[0, 0], [1024, 683], [512, 100 * 683 / 427]], rtol=1e-6)

    def test_a_crops_points_are_of_the_whole_image(self) -> None:
        crop = Frame.fit((20, 10), 40)
        frame = crop.cropped_from((100, 200), x0=50, y0=30)
        assert frame.crop_box == (50, 30, 60, 50)
        assert (frame.original_size, frame.crop_size) == ((100, 200), (20, 10))
        np.testing.assert_array_equal(frame.to_model([[55, 40]]), crop.to_model([[5, 10]]))


class TestPrompts:
    def test_prompts_are_ragged(self) -> None:
        prompts = Prompts(
            points=[[[1, 2]], [], [[3, 4], [5, 6]]],
            labels=[[1], [], [1, 0]],
            boxes=[None, [0, 0, 9, 9], None],
        )
        assert len(prompts) == 3
        np.testing.assert_array_equal(prompts.num_points, [1, 0, 2])
        np.testing.assert_array_equal(prompts.has_box, [False, True, False])
        assert prompts.points is not None
        assert prompts.points[1].shape == (0, 2)

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"points": [[[1, 2]]]}, "points and labels go together"),
            ({"points": [[1, 2]], "labels": [[1]]}, r"shape \(P, 2\), got \(2,\)"),
            ({"points": [[[1, 2, 3]]], "labels": [[1]]}, r"shape \(P, 2\), got \(1, 3\)"),
            ({"points": [[[1, np.nan]]], "labels": [[1]]}, r"finite numbers.*got \[\[1.0, nan\]\]"),
            ({"points": [[[1, 2]]], "labels": [[1, 0]]}, "1 points but 2 labels"),
            ({"points": [[[1, 2]]], "labels": [1]}, r"shape \(P,\), got \(\)"),
            ({"points": [[[1, 2]]], "labels": [[2]]}, r"1 \(foreground\) or 0 .* got \[2\]"),
            ({"points": [[[1, 2]]], "labels": [[-1]]}, r"got \[-1\]"),
            ({"boxes": [[1, 2, 3]]}, r"shape \(N, 4\), got \(1, 3\)"),
            ({"boxes": [1, 2, 3, 4]}, r"shape \(N, 4\), got \(4,\)"),
            ({"boxes": [[5, 0, 1, 1]]}, r"x0 <= x1 .* got \[5, 0, 1, 1\]"),
            ({"boxes": [[0, 0, 1, np.inf]]}, r"finite numbers.*got \[0.0, 0.0, 1.0, inf\]"),
            ({"boxes": [[0, np.nan, 1, 1]]}, "finite numbers"),
            ({"masks": [np.zeros((2, 4, 4), np.float32)]}, r"\(h, w\) of floats, got \(2, 4, 4\)"),
            ({"masks": [np.zeros((4, 4), bool)]}, r"of floats, got \(4, 4\) torch.bool"),
            ({"embeddings": [torch.zeros(4)]}, r"\(tokens, D\) of floats, got \(4,\)"),
            (
                {"boxes": np.zeros((2, 4)), "scores": [1, 2, 3]},
                r"share their length, got \{'boxes': 2, 'scores': 3\}",
            ),
            ({"class_ids": [[1, 2]]}, r"class_ids has shape \(N,\), got \(1, 2\)"),
        ],
    )
    def test_what_does_not_fit_is_told_with_its_shape(self, given: Any, told: str) -> None:
        with pytest.raises(ValueError, match=told):
            Prompts(**given)

    @pytest.mark.parametrize(
        ("xy", "labels", "counts"),
        [
            (np.array([[1, 2], [3, 4]]), None, [1, 1]),
            ([[1, 2], [3, 4]], [1, 0], [1, 1]),
            (np.zeros((2, 3, 2)), None, [3, 3]),
            ([[[1, 2]], [[3, 4], [5, 6]]], [[1], [0, 1]], [1, 2]),
            ([], None, []),
            (np.zeros((0, 2)), [], []),
        ],
    )
    def test_from_points(self, xy: Any, labels: Any, counts: list[int]) -> None:
        prompts = Prompts.from_points(xy, labels)
        assert prompts.num_points.tolist() == counts
        wanted = [1] * sum(counts) if labels is None else np.hstack([*labels, []]).tolist()
        assert np.hstack([*(prompts.labels or ()), []]).tolist() == wanted

    def test_picking_keeps_what_belongs_together(self) -> None:
        masks = [torch.full((4, 4), float(i)) for i in range(3)]
        prompts = Prompts(
            points=[[[i, i]] for i in range(3)],
            labels=[[1]] * 3,
            boxes=[[0, 0, i, i] for i in range(3)],
            masks=masks,
            class_ids=[7, 8, 9],
            scores=[0.1, 0.2, 0.3],
        )
        for index in ([2, 0], np.array([2, 0]), (2, 0)):
            picked = prompts[index]
            assert picked.class_ids.tolist() == [9, 7]
            assert [float(mask[0, 0]) for mask in picked.masks] == [2, 0]
            assert [xy[0, 0] for xy in picked.points] == [2, 0]
        assert prompts[prompts.scores > 0.15].class_ids.tolist() == [8, 9]
        assert prompts[[False, True, False]].class_ids.tolist() == [8]
        assert prompts[-1].class_ids.tolist() == [9]
        lengths = {len(prompts[index]) for index in (slice(0, 0), [], np.array([], int))}
        assert lengths == {0}
        assert len(prompts[1:]) == 2
        assert [int(one.class_ids[0]) for one in prompts] == [7, 8, 9]
        with pytest.raises(IndexError):
            prompts[3]

    def test_concat_of_mixed_prompts(self) -> None:
        points = Prompts.from_points([[1, 2], [3, 4]])
        boxes = Prompts.from_boxes([[0, 0, 5, 5]])
        text = Prompts(embeddings=[torch.ones(1, 8)])
        both = Prompts.concat([points, Prompts(), boxes, text])
        assert len(both) == 4
        assert both.num_points.tolist() == [1, 1, 0, 0]
        assert both.has_box.tolist() == [False, False, True, False]
        assert [e is not None for e in both.embeddings] == [False, False, False, True]
        assert both.class_ids is None
        assert len(Prompts.concat([])) == 0

    def test_concat_does_not_make_up_scores(self) -> None:
        with pytest.raises(ValueError, match="some parts have scores and some have not"):
            Prompts.concat(
                [
                    Prompts.from_boxes([[0, 0, 1, 1]], scores=[0.5]),
                    Prompts.from_boxes([[0, 0, 1, 1]]),
                ]
            )

    def test_no_prompts_of_any_kind(self) -> None:
        for empty in (Prompts(), Prompts.from_boxes([]), Prompts.from_boxes(np.zeros((0, 4)))):
            assert len(empty) == 0
            assert empty.has_box.tolist() == empty.num_points.tolist() == []
            assert len(empty[:0]) == 0

    def test_from_detections(self) -> None:
        supervision = pytest.importorskip("supervision")
        detections = supervision.Detections(
            xyxy=np.array([[0.0, 1, 2, 3], [4, 5, 6, 7]]),
            confidence=np.array([0.9, 0.8]),
            class_id=np.array([3, 4]),
        )
        prompts = Prompts.from_detections(detections)
        np.testing.assert_array_equal(prompts.boxes, detections.xyxy)
        np.testing.assert_array_equal(prompts.class_ids, [3, 4])
        np.testing.assert_array_equal(prompts.scores, np.float32([0.9, 0.8]))
        assert len(Prompts.from_detections(supervision.Detections.empty())) == 0

    def test_replace_checks_again(self) -> None:
        prompts = Prompts.from_boxes([[0, 0, 1, 1]])
        assert prompts.replace(scores=[0.5]).scores == np.float32([0.5])
        assert prompts.scores is None
        with pytest.raises(ValueError, match="share their length"):
            prompts.replace(scores=[0.5, 0.6])


class TestMasks:
    def test_defaults_rank_by_the_predicted_iou(self) -> None:
        masks = Masks(FRAME, logits=some_logits(3), predicted_iou=np.float32([0.1, 0.9, 0.5]))
        assert masks.scores.tolist() == masks.predicted_iou.tolist()
        assert masks.prompt_index.tolist() == [0, 1, 2]
        assert masks.class_ids is None

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({}, "need logits or run_lengths"),
            (
                {"logits": some_logits(2), "predicted_iou": np.zeros(3, np.float32)},
                "'logits': 2.*'predicted_iou': 3",
            ),
            (
                {"logits": some_logits(2), "run_lengths": tuple(rle.encode(some_masks()))},
                "share their length",
            ),
        ],
    )
    def test_what_does_not_fit_is_refused(self, given: Any, told: str) -> None:
        with pytest.raises(ValueError, match=told):
            Masks(FRAME, **given)

    def test_run_lengths_win_over_logits(self) -> None:
        logits = torch.full((1, 8, 8), -1.0)  # nothing
        cleaned = some_masks()[:1]
        masks = Masks(FRAME, logits=logits, run_lengths=tuple(rle.encode(cleaned)))
        np.testing.assert_array_equal(masks.binary(), cleaned)
        assert masks.areas().tolist() == [7 * 21]
        assert masks.boxes().tolist() == [[10, 5, 30, 11]]
        assert masks.rle() == rle.encode(cleaned)
        assert masks.logits is logits

    def test_logits_and_their_run_lengths_say_the_same(self) -> None:
        masks = Masks(FRAME, logits=some_logits(5))
        held = masks.with_run_lengths()
        assert held.logits is None
        assert 0 < masks.areas().sum() < 5 * 30 * 40
        np.testing.assert_array_equal(masks.binary(), held.binary())
        np.testing.assert_array_equal(masks.boxes(), held.boxes())
        np.testing.assert_array_equal(masks.areas(), held.areas())
        assert masks.rle() == held.rle()
        with pytest.raises(ValueError, match="no logits any more"):
            next(held.full_logits())

    def test_boxes_end_on_the_last_pixel_but_coco_counts_the_width(self) -> None:
        masks = Masks.from_binary(some_masks(), [0.9, 0.8, 0.7, 0.6])
        inclusive = [[10, 5, 30, 11], [39, 29, 39, 29], [0, 0, 39, 29], [0, 0, 0, 0]]
        assert masks.boxes().tolist() == inclusive
        assert masks.outer_boxes()[:2].tolist() == [[10, 5, 31, 12], [39, 29, 40, 30]]
        records = masks.to_coco(image_id=7)
        assert [record["bbox"] for record in records] == [
            [10, 5, 21, 7],
            [39, 29, 1, 1],
            [0, 0, 40, 30],
            [0, 0, 0, 0],
        ]
        assert [record["area"] for record in records] == [147, 1, 1200, 0]
        assert records[0]["segmentation"]["size"] == [30, 40]
        assert {record["image_id"] for record in records} == {7}
        assert [record["category_id"] for record in records] == [1, 1, 1, 1]
        assert [record["score"] for record in records] == pytest.approx([0.9, 0.8, 0.7, 0.6])
        assert "bbox" not in masks.to_coco(7, bbox=False)[0]
        named = masks.replace(class_ids=np.array([5, 6, 7, 8]))
        assert [record["category_id"] for record in named.to_coco("a")] == [5, 6, 7, 8]

    def test_chunks_make_no_difference(self, monkeypatch: pytest.MonkeyPatch) -> None:
        masks = Masks(FRAME, logits=some_logits(7))
        binary, areas, stability = masks.binary(), masks.areas(), masks.stability_score
        monkeypatch.setattr(masks_module, "PIXELS_AT_ONCE", 3 * 40 * 32)
        assert [len(chunk) for chunk in masks.full_logits()] == [3, 3, 1]
        np.testing.assert_array_equal(masks.binary(), binary)
        np.testing.assert_array_equal(masks.areas(), areas)
        np.testing.assert_array_equal(masks.stability_score, stability)
        np.testing.assert_array_equal(masks.with_run_lengths().binary(), binary)

    def test_a_crops_masks_lie_in_the_whole_image(self) -> None:
        frame = Frame.fit((10, 20), 32).cropped_from((30, 40), x0=15, y0=12)
        masks = Masks(frame, logits=torch.full((2, 8, 8), 1.0))
        assert [tuple(chunk.shape) for chunk in masks.full_logits()] == [(2, 10, 20)]
        assert masks.binary().shape == (2, 30, 40)
        assert masks.boxes().tolist() == [[15, 12, 34, 21]] * 2
        assert masks.areas().tolist() == [200, 200]
        assert masks.rle()[0]["size"] == [30, 40]

    @pytest.mark.parametrize("held", ["logits", "run_lengths"])
    def test_no_masks(self, held: str) -> None:
        masks = Masks(FRAME, logits=some_logits(0))
        masks = masks if held == "logits" else masks.with_run_lengths()
        assert len(masks) == 0
        assert masks.binary().shape == (0, 30, 40)
        assert masks.boxes().shape == (0, 4)
        assert masks.areas().shape == (0,)
        assert masks.rle() == masks.to_coco(1) == []
        assert len(masks[:0]) == len(masks[[]]) == 0
        assert len(Masks.concat([masks, masks])) == 0
        if held == "logits":
            assert masks.stability_score.shape == (0,)

    def test_picking_keeps_what_belongs_together(self) -> None:
        masks = Masks(
            FRAME,
            logits=some_logits(4),
            run_lengths=tuple(rle.encode(some_masks())),
            predicted_iou=np.float32([0.4, 0.3, 0.2, 0.1]),
            class_ids=np.array([4, 3, 2, 1]),
        )
        for index in ([3, 1], np.array([3, 1]), (3, 1), masks.class_ids % 2 == 1):
            picked = masks[index]
            assert sorted(picked.class_ids.tolist()) == [1, 3]
            for i, class_id in enumerate(picked.class_ids):
                assert picked.predicted_iou[i] == np.float32(class_id / 10)
                assert torch.equal(picked.logits[i], masks.logits[4 - class_id])
                assert picked.run_lengths[i] == masks.run_lengths[4 - class_id]
        assert masks[1].class_ids.tolist() == [3]
        assert len(masks[1:]) == 3

    def test_concat(self) -> None:
        masks = Masks(FRAME, logits=some_logits(4), class_ids=np.arange(4))
        again = Masks.concat([masks[:1], masks[1:3], masks[3:]])
        assert torch.equal(again.logits, masks.logits)
        assert again.class_ids.tolist() == [0, 1, 2, 3]
        with pytest.raises(ValueError, match="same image and hold the same fields"):
            Masks.concat([masks, masks.with_run_lengths()])
        with pytest.raises(ValueError, match="same image"):
            Masks.concat([masks, Masks(Frame.fit((9, 9), 32), logits=some_logits(1))])
        with pytest.raises(ValueError, match="nothing to put together"):
            Masks.concat([])

    def test_to_detections_and_back(self) -> None:
        supervision = pytest.importorskip("supervision")
        given = some_masks()[:3]
        masks = Masks.from_binary(given, [0.9, 0.8, 0.7]).replace(class_ids=np.array([5, 6, 7]))
        detections = masks.to_detections()
        assert isinstance(detections, supervision.Detections)
        np.testing.assert_array_equal(np.asarray(detections.mask), given)
        np.testing.assert_array_equal(detections.confidence, masks.scores)
        np.testing.assert_array_equal(detections.class_id, [5, 6, 7])
        np.testing.assert_array_equal(detections.area, masks.areas())
        # Boxes end at the last pixel, as those of supervision.mask_to_xyxy do.
        np.testing.assert_array_equal(detections.xyxy[0], [10, 5, 30, 11])
        prompts = Prompts.from_detections(detections[detections.confidence > 0.75])
        np.testing.assert_array_equal(prompts.class_ids, [5, 6])
        assert len(masks[:0].to_detections()) == 0

    def test_stability_is_worked_out_unless_it_is_known(self) -> None:
        masks = Masks(FRAME, logits=5 * some_logits(3))
        [full] = masks.full_logits()
        expected = [(f > 1).sum() / (f > -1).sum() for f in full]
        np.testing.assert_allclose(masks.stability_score, expected, rtol=1e-6)
        known = masks.replace(stability=np.float32([1, 2, 3]))
        assert known.stability_score.tolist() == [1, 2, 3]
        assert known[1:].stability_score.tolist() == [2, 3]

    def test_half_precision_logits_are_enlarged_in_full(self) -> None:
        masks = Masks(FRAME, logits=some_logits(2).to(torch.float16))
        assert next(masks.full_logits()).dtype == torch.float32
        wide = Masks(FRAME, logits=masks.logits.float())
        np.testing.assert_array_equal(masks.binary(), wide.binary())


class TestAnnotations:
    def test_fields_share_their_length(self) -> None:
        with pytest.raises(ValueError, match="'boxes': 2, 'class_ids': 1"):
            Annotations((4, 4), np.zeros((2, 4), np.float32), np.array([1]))
        with pytest.raises(ValueError, match="'captions': 1"):
            Annotations((4, 4), np.zeros((2, 4), np.float32), np.array([1, 1]), captions=("a",))

    def test_masks_as_pixels(self) -> None:
        annotations = example_samples()[0].annotations
        assert annotations is not None
        assert annotations.binary().shape == (3, 48, 64)
        assert annotations.binary().sum(axis=(1, 2)).tolist() == annotations.areas.tolist()
        none = example_samples()[2].annotations
        assert len(none) == 0
        assert none.binary().shape == (0, 33, 33)

    def test_boxes_only(self) -> None:
        annotations = Annotations((4, 4), np.zeros((1, 4), np.float32), np.array([1]))
        with pytest.raises(ValueError, match="boxes only, no masks"):
            annotations.binary()


class TestSample:
    def test_nothing_is_decoded_until_asked_for_and_nothing_is_kept(self) -> None:
        decoded: list[int] = []

        def make() -> np.ndarray:
            decoded.append(1)
            return np.zeros((4, 6, 3), np.uint8)

        sample = Sample(id=1, image=make).replace(phrases=["a cat"])
        assert "image" in sample.known()
        assert "phrases" in repr(sample)
        assert decoded == []
        assert sample.image.shape == sample.image.shape == (4, 6, 3)
        assert len(decoded) == 2
        loaded = sample.loaded()
        assert loaded.image is loaded.image is loaded.loaded().image
        assert len(decoded) == 3

    def test_it_is_frozen(self) -> None:
        sample = example_samples()[0]
        with pytest.raises(AttributeError, match=r"frozen; write sample.replace\(masks=...\)"):
            sample.masks = None
        with pytest.raises(TypeError, match="mask"):
            sample.replace(mask=None)
        changed = sample.replace(id="other", phrases=None)
        assert (changed.id, changed.phrases, sample.id) == ("other", None, "landscape")
        assert changed.image is sample.image

    def test_known_are_the_fields_that_hold_something(self) -> None:
        sample = example_samples()[0]
        assert list(sample.known()) == ["id", "image", "annotations", "phrases"]
        assert "prompts" in sample.replace(prompts=Prompts()).known()  # none asked is known too
        assert repr(sample) == "Sample('landscape': image, annotations, phrases)"

    @pytest.mark.parametrize(
        ("image", "told"),
        [
            (np.zeros((4, 6), np.uint8), r"\(H, W, 3\) uint8 RGB, got \(4, 6\) uint8"),
            (np.zeros((4, 6, 4), np.uint8), r"got \(4, 6, 4\) uint8"),
            (np.zeros((4, 6, 3), np.float32), r"got \(4, 6, 3\) float32"),
            (np.zeros((0, 6, 3), np.uint8), r"got \(0, 6, 3\)"),
            (lambda: np.zeros((4, 6), np.uint8), r"got \(4, 6\) uint8"),
        ],
    )
    def test_an_image_is_three_bytes_a_pixel(self, image: Any, told: str) -> None:
        with pytest.raises(ValueError, match=told):
            _ = Sample(id=1, image=image).image

    def test_open(self, tmp_path: Path) -> None:
        picture = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
        path = tmp_path / "picture.png"
        Image.fromarray(picture).save(path)
        sample = Sample.open(path)
        np.testing.assert_array_equal(sample.image, picture)
        assert sample.id == str(path)
        with pytest.raises(FileNotFoundError, match="no picture at .*missing.png"):
            Sample.open(tmp_path / "missing.png")
        path.write_bytes(path.read_bytes()[:40])
        with pytest.raises(ValueError, match=r"cannot read .*picture.png as a picture"):
            _ = sample.image

    def test_open_reads_every_kind_as_upright_rgb(self, tmp_path: Path) -> None:
        grey = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6))
        sideways = Image.Exif()
        sideways[274] = 6  # turn by 90 degrees to see it upright
        grey.save(tmp_path / "turned.png", exif=sideways)
        image = Sample.open(tmp_path / "turned.png").image
        assert image.shape == (6, 4, 3)
        np.testing.assert_array_equal(image[..., 0], np.rot90(np.asarray(grey), -1))
        grey.convert("RGBA").save(tmp_path / "alpha.png")
        assert Sample.open(tmp_path / "alpha.png").image.shape == (4, 6, 3)

    @pytest.mark.parametrize("clone", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
    def test_it_travels_between_processes(self, clone: Any) -> None:
        embedding = ImageEmbedding({"image_embedding": torch.ones(2, 3, 3)}, FRAME)
        sample = example_samples()[0].replace(
            embedding=embedding, masks=Masks(FRAME, logits=some_logits(2))
        )
        other = clone(sample)
        assert repr(other) == repr(sample)
        np.testing.assert_array_equal(other.image, sample.image)
        assert torch.equal(other.embedding["image_embedding"], torch.ones(2, 3, 3))
        assert torch.equal(other.masks.logits, sample.masks.logits)
