"""Text to boxes to masks, with detectors of random weights from local files."""

import time

import numpy as np
import pytest
import torch

from samkit import load_sam
from samkit.clip import Clip
from samkit.pipeline import Stage, describe
from samkit.stages import DetectText, Embed, Segment, YoloText, ZeroShot
from samkit.stages.yolo_text import READERS
from samkit.testing import check_stage, example_samples
from samkit.types import Prompts
from tests.text_detectors import (
    clip_of_width,
    save_random_dino,
    save_random_owl,
    save_random_world,
    save_random_yolo,
    save_random_yoloe,
)

PHRASES = ["a red disc", "a square"]


class Halves:
    """The left half for the first phrase, the right one for the others."""

    name = "halves"

    def __call__(self, images, phrases) -> list[Prompts]:
        found = []
        for image, asked in zip(images, phrases, strict=True):
            height, width = image.shape[:2]
            box = [[0, 0, width / 2, height], [width / 2, 0, width, height]]
            boxes = [box[min(i, 1)] for i in range(len(asked))]
            scores = [1 / (2 + i) for i in range(len(asked))]
            found.append(Prompts.from_boxes(boxes, np.arange(len(asked)), scores))
        return found


def reaches_the_masks(find: Stage) -> None:
    sample = example_samples()[0].replace(phrases=PHRASES)
    [prompted], sam = find([sample]), load_sam("tiny", device="cpu")
    assert len(prompted.prompts) and set(prompted.prompts.class_ids) <= {0, 1}
    boxes = prompted.prompts.boxes
    assert (boxes[:, 2:] > boxes[:, :2]).all() and boxes.min() >= 0
    assert (boxes <= [64, 48, 64, 48]).all()
    [done] = (Embed(sam) | Segment(sam))([prompted])
    np.testing.assert_array_equal(done.masks.class_ids, prompted.prompts.class_ids)
    np.testing.assert_allclose(done.masks.scores, prompted.prompts.scores)
    assert (np.diff(done.masks.scores) <= 0).all()


def test_the_laws_and_the_phrases_go_to_the_detector() -> None:
    check_stage(DetectText(Halves(), PHRASES))
    check_stage(DetectText(Halves()))
    check_stage(DetectText(Halves(), []))
    reaches_the_masks(DetectText(Halves()))
    assert repr(DetectText(Halves(), ["x"])) == "DetectText(<halves>, phrases=('x',))"


def test_answers_that_cannot_be_are_refused() -> None:
    samples = example_samples()[:2]

    class Wrong(Halves):
        def __call__(self, images, phrases) -> list[Prompts]:
            return super().__call__(images, phrases)[:1]

    with pytest.raises(ValueError, match="<halves> returned 1 answers for 2 images"):
        DetectText(Wrong())(samples)

    class Unasked(Halves):
        def __call__(self, images, phrases) -> list[Prompts]:
            return [Prompts.from_boxes([[0, 0, 1, 1]], [2], [1.0]) for _ in images]

    with pytest.raises(ValueError, match="class ids \\[2\\]; they are places among its 2 phrases"):
        DetectText(Unasked())(samples)


@pytest.fixture(scope="module")
def owl(tmp_path_factory):
    pytest.importorskip("transformers")
    folder = save_random_owl(tmp_path_factory.mktemp("owl"))
    return ZeroShot(folder, confidence=0.01, max_boxes=12, device="cpu")


def test_a_detector_of_transformers(owl) -> None:
    assert describe(owl).startswith("<") and "confidence=0.01, max_boxes=12" in owl.name
    reaches_the_masks(DetectText(owl))
    samples = [sample for sample in example_samples() if sample.image.size > 3]
    check_stage(DetectText(owl), samples=samples)


def test_its_boxes_are_those_of_the_library(owl) -> None:
    sample = example_samples()[0]
    [prompts] = owl([sample.image], [["a red disc"]])
    inputs = owl._processor(text=[["a red disc"]], images=sample.image, return_tensors="pt")
    with torch.no_grad():
        outputs = owl._model(**inputs)
    [result] = owl._processor.post_process_grounded_object_detection(
        outputs, threshold=0.01, target_sizes=[(48, 64)]
    )
    inside = result["boxes"].numpy().clip(0, [64, 48, 64, 48])
    # It makes the picture square; what it finds in the padding alone is no box of the picture.
    there = (inside[:, 2:] > inside[:, :2]).all(axis=1)
    assert 0 < there.sum() < len(there)
    scores, boxes = result["scores"].numpy()[there], inside[there]
    order = np.argsort(-scores, kind="stable")[: len(prompts)]
    np.testing.assert_allclose(prompts.scores, scores[order], atol=1e-6)
    np.testing.assert_allclose(prompts.boxes, boxes[order], atol=1e-4)


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    pytest.importorskip("transformers")
    folder = save_random_dino(tmp_path_factory.mktemp("dino"))
    return ZeroShot(folder, confidence=0.01, max_boxes=12, device="cpu")


def test_a_grounding_dino(dino) -> None:
    reaches_the_masks(DetectText(dino))
    samples = [sample for sample in example_samples() if min(sample.image.shape[:2]) > 3]
    check_stage(DetectText(dino), samples=samples)


def test_boxes_of_a_grounding_dino_are_those_of_the_library(dino) -> None:
    """Asked as its own documentation asks: one text, in lower case, that ends in a full stop."""
    sample = example_samples()[0]
    [prompts] = dino([sample.image], [["A red  Disc."]])
    inputs = dino._processor(text="a red disc.", images=sample.image, return_tensors="pt")
    with torch.no_grad():
        outputs = dino._model(**inputs)
    [result] = dino._processor.post_process_grounded_object_detection(
        outputs, inputs.input_ids, threshold=0.01, target_sizes=[(48, 64)]
    )
    inside = result["boxes"].numpy().clip(0, [64, 48, 64, 48])
    there = (inside[:, 2:] > inside[:, :2]).all(axis=1)
    scores, boxes = result["scores"].numpy()[there], inside[there]
    order = np.argsort(-scores, kind="stable")[:12]
    assert len(prompts) == len(order) > 1 and np.ptp(scores) > 0.01
    np.testing.assert_allclose(prompts.scores, scores[order], atol=1e-6)
    np.testing.assert_allclose(prompts.boxes, boxes[order], atol=1e-4)
    [other] = dino([sample.image], [["sea"]])
    assert not np.array_equal(other.scores, prompts.scores)
    # A full stop inside a phrase does not cut it in two.
    one, two = (dino([sample.image], [[text]])[0] for text in ("st. gall", "st gall"))
    np.testing.assert_array_equal(one.boxes, two.boxes)


def test_phrases_of_one_picture_do_not_change_each_other(owl) -> None:
    image = example_samples()[0].image
    [both] = owl([image], [["sea", "a red disc"]])
    [alone] = owl([image], [["a red disc"]])
    own = both.boxes[both.class_ids == 1]
    np.testing.assert_allclose(own, alone.boxes[: len(own)], atol=1e-5)


def test_a_name_without_a_network_is_told_in_time(owl, no_hub) -> None:
    """`owl` has brought in the library, which takes its own time."""
    since = time.monotonic()
    name = "google/owlv2-base-patch16-ensemble"
    with pytest.raises(OSError, match=f"the detector {name}: the Hugging Face hub cannot"):
        ZeroShot(name)
    assert time.monotonic() - since < 5


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    pytest.importorskip("ultralytics")
    path = save_random_world(tmp_path_factory.mktemp("world") / "small-world.pt")
    return YoloText(path, clip_of_width(512), confidence=0.001, max_boxes=20, device="cpu")


@pytest.fixture(scope="module")
def yoloe(tmp_path_factory):
    pytest.importorskip("ultralytics")
    path = save_random_yoloe(tmp_path_factory.mktemp("yoloe") / "anyname.pt")
    return YoloText(path, clip_of_width(512), confidence=0.001, max_boxes=20, device="cpu")


@pytest.fixture(params=["world", "yoloe"])
def yolo(request):
    return request.getfixturevalue(request.param)


def test_a_yolo_that_takes_words(yolo) -> None:
    assert "by reader-512" in yolo.name
    reaches_the_masks(DetectText(yolo))


def test_its_answer_depends_on_its_phrases_alone(yolo) -> None:
    image = example_samples()[4].image
    threads = torch.get_num_threads()
    two = ["a blue square", "sea"]
    first, other, again, turned = yolo(
        [image] * 4, [["a red disc"], two, ["a red disc"], two[::-1]]
    )
    np.testing.assert_array_equal(first.boxes, again.boxes)
    np.testing.assert_array_equal(first.scores, again.scores)
    assert set(first.class_ids) == {0} and set(other.class_ids) <= {0, 1}
    assert len(other) and not np.array_equal(first.scores, other.scores)
    # Class ids are places among the phrases: those that change places change ids, and nothing else.
    np.testing.assert_allclose(turned.boxes, other.boxes, atol=1e-3)
    np.testing.assert_array_equal(turned.class_ids, 1 - other.class_ids)
    assert torch.get_num_threads() == threads


def of_ultralytics(path, image, clip: Clip) -> tuple[np.ndarray, ...]:
    """Boxes, scores and classes by the library's own `set_classes`."""
    import ultralytics

    model = ultralytics.YOLOE(path)
    with torch.no_grad():
        model.set_classes(PHRASES, model.model.model[-1].get_tpe(clip.texts(PHRASES)[None]))
    bgr = np.ascontiguousarray(image[..., ::-1])
    [result] = model.predict(bgr, conf=0.001, max_det=20, verbose=False)
    boxes = result.boxes.numpy()
    boxes = boxes[(boxes.xyxy[:, :2] <= boxes.xyxy[:, 2:]).all(axis=1)]
    return boxes.xyxy, boxes.conf, boxes.cls


def assert_theirs(asked: YoloText, image) -> None:
    path = asked._yolo._model.ckpt_path
    [prompts] = asked([image], [PHRASES])
    boxes, scores, classes = of_ultralytics(path, image, clip_of_width(512))
    assert len(prompts) > 1 and np.ptp(scores) > 0.01
    np.testing.assert_allclose(prompts.boxes, boxes, atol=1e-3)
    np.testing.assert_allclose(prompts.scores, scores, atol=1e-5)
    np.testing.assert_array_equal(prompts.class_ids, classes)


def test_boxes_of_a_yoloe_are_those_of_the_library(yoloe) -> None:
    """A file that brings masks too."""
    assert_theirs(yoloe, example_samples()[0].image)


@pytest.mark.slow
def test_boxes_of_a_newer_yoloe_are_those_of_the_library(tmp_path) -> None:
    """Its boxes are not suppressed, and some of random weights could be inside out."""
    pytest.importorskip("ultralytics")
    path = save_random_yoloe(tmp_path / "small.pt", "yoloe-26n.yaml")
    asked = YoloText(path, clip_of_width(512), confidence=0.001, max_boxes=20, device="cpu")
    assert_theirs(asked, example_samples()[4].image)


def test_files_that_take_no_phrases_or_others(world, yoloe, tmp_path) -> None:
    small = clip_of_width(16)
    for asked, wanted in ((world, "ViT-B-32 with"), (yoloe, "MobileCLIP-B with .*datacompdr_lt")):
        with pytest.raises(ValueError, match=f"512 numbers, reader-16 makes 16; .* {wanted}"):
            YoloText(asked._yolo._model.ckpt_path, small, device="cpu")
    with pytest.raises(ValueError, match="knows fixed classes"):
        YoloText(save_random_yolo(tmp_path / "plain.pt"), clip_of_width(512), device="cpu")
    with pytest.raises(FileNotFoundError, match="no detector at"):
        YoloText(tmp_path / "none.pt", clip_of_width(512))


@pytest.mark.parametrize("kind", ["world", "yoloe"])
def test_without_a_network_its_own_clip_is_missed_in_time(kind, request, no_hub) -> None:
    path = request.getfixturevalue(kind)._yolo._model.ckpt_path
    expected = {"world": "openai of ViT-B-32", "yoloe": "datacompdr_lt of MobileCLIP-B"}[kind]
    since = time.monotonic()
    with pytest.raises(OSError, match=f"the weights {expected}: the Hugging Face hub cannot"):
        YoloText(path, device="cpu")
    assert time.monotonic() - since < 5


def test_the_readers_are_models_of_open_clip() -> None:
    open_clip = pytest.importorskip("open_clip")
    for name, weights in READERS.values():
        assert weights in open_clip.list_pretrained_tags_by_model(name)
        assert open_clip.get_model_config(name)["embed_dim"] == 512
