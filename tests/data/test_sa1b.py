"""data.sa1b: what is written comes back, here and in pycocotools; what is no such file is refused."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as pycoco

from samkit import load_sam
from samkit.data import read_sa1b, sa1b, sa1b_content, shapes
from samkit.ops import rle
from samkit.stages import Embed, Proposals
from samkit.types import Frame, Masks, Prompts, Sample

SCENE = np.zeros((3, 40, 60), dtype=bool)
SCENE[0, 5:30, 10:50] = True
SCENE[0, 10:20, 20:30] = False
SCENE[1, 12:18, 22:28] = True


def found(binary=SCENE):
    """A disc with a hole, what is in it, and nothing; each for a point."""
    masks = Masks.from_binary(binary).replace(
        predicted_iou=np.array([0.9, 1.01, 0.3], np.float32)[: len(binary)],
        stability=np.array([0.97, 0.5, np.nan], np.float32)[: len(binary)],
    )
    points = Prompts.from_points([[12.5, 7.5], [25.0, 15.25], [1.0, 1.0]][: len(binary)])
    return Sample("a/b.jpg", np.full((40, 60, 3), 9, np.uint8), masks=masks, prompts=points)


def write(folder, sample, name="sa_7", picture="sa_7.png"):
    folder.mkdir(parents=True, exist_ok=True)
    content = sa1b_content(sample, picture, image_id=7)
    (folder / f"{name}.json").write_text(json.dumps(content, allow_nan=False))
    Image.fromarray(sample.image).save(folder / picture)
    return content


def test_what_is_written_is_the_official_layout(tmp_path):
    content = write(tmp_path, found())
    assert content["image"] == {"image_id": 7, "width": 60, "height": 40, "file_name": "sa_7.png"}
    assert [list(one) for one in content["annotations"]] == [
        [
            "id",
            "segmentation",
            "bbox",
            "area",
            "predicted_iou",
            "stability_score",
            "crop_box",
            "point_coords",
        ]
    ] * 3
    first, _, empty = content["annotations"]
    # The official generator's box: 10 to 49, so 39 wide.
    assert (first["bbox"], first["area"]) == ([10, 5, 39, 24], 25 * 40 - 100)
    assert (first["crop_box"], first["point_coords"]) == ([0, 0, 60, 40], [[12.5, 7.5]])
    assert (first["predicted_iou"], first["stability_score"]) == pytest.approx((0.9, 0.97))
    assert (empty["bbox"], empty["area"], empty["stability_score"]) == ([0, 0, 0, 0], 0, None)
    assert sa1b_content(found(), "b.jpg")["image"]["image_id"] == "a/b.jpg"


def test_pycocotools_reads_the_masks(tmp_path):
    write(tmp_path, found())
    annotations = json.loads((tmp_path / "sa_7.json").read_text())["annotations"]
    decoded = pycoco.decode([one["segmentation"] for one in annotations])
    np.testing.assert_array_equal(decoded.transpose(2, 0, 1) > 0, SCENE)
    assert pycoco.area([one["segmentation"] for one in annotations]).tolist() == [900, 36, 0]
    again = pycoco.encode(np.asfortranarray(decoded))
    assert [one["counts"].decode() for one in again] == [
        one["segmentation"]["counts"] for one in annotations
    ]


def test_proposals_go_through_pycocotools_and_back(tmp_path):
    sam = load_sam("tiny", device="cpu")
    find = Embed(sam) | Proposals(
        sam, points_per_side=3, pred_iou_thresh=0, stability_score_thresh=0
    )
    [sample] = find([Sample("a", shapes(1)[0].image)])
    content = write(tmp_path, sample)
    ours = sample.masks.binary()
    segmentations = [one["segmentation"] for one in content["annotations"]]
    decoded = pycoco.decode(segmentations)
    np.testing.assert_array_equal(decoded.transpose(2, 0, 1) > 0, ours)
    again = pycoco.encode(np.asfortranarray(decoded))
    for one, two in zip(content["annotations"], again, strict=True):
        one["segmentation"] = {**two, "counts": two["counts"].decode()}
    (tmp_path / "sa_7.json").write_text(json.dumps(content))
    back = read_sa1b(tmp_path / "sa_7.json").masks
    assert len(back) > 5 and back.rle() == sample.masks.rle()
    for name in ("predicted_iou", "stability_score", "points", "crop_boxes"):
        np.testing.assert_array_equal(getattr(back, name), getattr(sample.masks, name), name)


def test_the_reader_gives_the_truth_and_if_wanted_the_answer(tmp_path):
    write(tmp_path, found())
    write(tmp_path / "more", found(SCENE[:0]), name="sa_8", picture="sa_8.png")
    dataset = sa1b(tmp_path)
    assert dataset.ids == ["more/sa_8", "sa_7"]
    assert dataset.name == f"sa1b({tmp_path.name}, 2 images)"
    nothing, sample = dataset
    assert len(nothing.annotations) == 0 and sample.masks is None
    truth = sample.annotations
    np.testing.assert_array_equal(truth.binary(), SCENE)
    assert truth.boxes.tolist() == [[10, 5, 50, 30], [22, 12, 28, 18], [0, 0, 0, 0]]
    assert (truth.ids.tolist(), truth.class_names) == ([1, 2, 3], {1: "object"})
    assert sample.image[0, 0].tolist() == [9, 9, 9] and nothing.image.shape == (40, 60, 3)

    masks, before = sa1b(tmp_path, as_masks=True)[1].masks, found().masks
    assert masks.rle() == before.rle()
    np.testing.assert_array_equal(masks.predicted_iou, before.predicted_iou)
    np.testing.assert_array_equal(masks.scores, before.predicted_iou)
    np.testing.assert_array_equal(masks.stability_score, before.stability)
    assert masks.points.tolist() == [[12.5, 7.5], [25.0, 15.25], [1.0, 1.0]]
    assert masks.crop_boxes.tolist() == [[0, 0, 60, 40]] * 3


def test_pictures_may_lie_elsewhere(tmp_path):
    write(tmp_path / "json" / "a", found())
    (tmp_path / "photos" / "a").mkdir(parents=True)
    (tmp_path / "json" / "a" / "sa_7.png").rename(tmp_path / "photos" / "a" / "sa_7.png")
    assert sa1b(tmp_path / "json", images=tmp_path / "photos")[0].image.shape == (40, 60, 3)
    with pytest.raises(FileNotFoundError, match="sa_7.png"):
        _ = sa1b(tmp_path / "json")[0].image


def test_a_mask_of_a_crop_says_so(tmp_path):
    frame = Frame((40, 60), (32, 32), 32, crop_box=(10, 5, 30, 25))
    masks = Masks(frame, run_lengths=tuple(rle.encode(SCENE[1:2])))
    content = sa1b_content(Sample(1, np.zeros((40, 60, 3), np.uint8), masks=masks), "1.png")
    [one] = content["annotations"]
    assert one["crop_box"] == [10, 5, 20, 20]
    assert (one["point_coords"], one["stability_score"]) == ([], None)


def test_points_and_crops_kept_with_the_masks_come_first(tmp_path):
    sample = found()
    masks = sample.masks.replace(
        points=np.array([[1, 2], [3, 4], [5, 6]], np.float32),
        crop_boxes=np.array([[0, 0, 60, 40], [10, 5, 30, 25], [30, 0, 60, 40]], np.float32),
    )
    write(tmp_path, sample.replace(masks=masks))
    back = read_sa1b(tmp_path / "sa_7.json").masks
    np.testing.assert_array_equal(back.points, masks.points)
    np.testing.assert_array_equal(back.crop_boxes, masks.crop_boxes)


def test_without_masks_there_is_nothing_to_write():
    with pytest.raises(ValueError, match="no masks to write"):
        sa1b_content(found().replace(masks=None), "b.jpg")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: [c], "none of SA-1B's files"),
        (lambda c: {**c, "annotations": None}, "none of SA-1B's files"),
        (lambda c: {**c, "image": None}, "image .: a record is an object, got None"),
        (lambda c: {**c, "image": {**c["image"], "width": 0}}, "width is a whole number above 0"),
        (lambda c: {**c, "image": {**c["image"], "width": 61}}, r"annotation 1: .*\[40, 60\]"),
        (lambda c: {**c, "image": {**c["image"], "width": 10**8}}, "SAMKIT_MAX_PIXELS"),
        (lambda c: {**c, "image": {"width": 60, "height": 40}}, "no file_name"),
        (lambda c: {**c, "annotations": [{**c["annotations"][0], "id": "x"}]}, "id is a whole"),
        (
            lambda c: {**c, "annotations": [{**c["annotations"][0], "predicted_iou": "high"}]},
            "predicted_iou is a number or null",
        ),
        (
            lambda c: {**c, "annotations": [{**c["annotations"][0], "point_coords": [[1]]}]},
            "point_coords is",
        ),
        (lambda c: {**c, "annotations": c["annotations"][:1] * 2}, "more than once"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, change, message):
    path = tmp_path / "sa_7.json"
    path.write_text(json.dumps(change(sa1b_content(found(), "sa_7.png"))))
    with pytest.raises(ValueError, match=message) as caught:
        read_sa1b(path)
    assert "sa_7.json" in str(caught.value)


def test_folders_without_any_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no JSON in"):
        sa1b(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder at"):
        sa1b(tmp_path / "nowhere")
