"""The ultralytics adapter, beside ultralytics itself, on files built here."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from samkit.pipeline import describe
from samkit.stages.detect import Detect
from samkit.stages.yolo import Yolo, match_classes
from samkit.testing import check_stage
from samkit.types import Sample
from tests.yolo_files import save_random_yolo

ultralytics = pytest.importorskip("ultralytics")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_random_yolo(tmp_path_factory.mktemp("yolo") / "random.pt")


@pytest.fixture(scope="module")
def detector(path):
    return Yolo(path, confidence=0.001)


@pytest.fixture(scope="module")
def bus():
    with Image.open(ultralytics.ASSETS / "bus.jpg") as picture:
        return np.array(picture.resize((324, 432)))


@pytest.fixture(scope="module")
def names(detector):
    return dict(detector._model.names)


def test_boxes_are_those_of_ultralytics_on_the_rgb_picture(path, detector, bus):
    [prompts] = detector([bus])
    model, threads = ultralytics.YOLO(path), torch.get_num_threads()
    settings = {
        "conf": 0.001,
        "max_det": 300,
        "device": detector._settings["device"],
        "verbose": False,
    }
    model.predict(Image.fromarray(bus), save=False, **settings)
    torch.set_num_threads(threads)  # which the first prediction changes, and with it the last bits
    theirs = model.predict(Image.fromarray(bus), save=False, **settings)[0].boxes.cpu().numpy()
    assert len(prompts) == 300
    np.testing.assert_allclose(prompts.boxes, theirs.xyxy, atol=1e-3)
    np.testing.assert_allclose(prompts.scores, theirs.conf, atol=1e-6)
    np.testing.assert_array_equal(prompts.class_ids, theirs.cls)
    assert (np.diff(prompts.scores) <= 0).all()
    assert prompts.boxes.min() >= 0
    assert (prompts.boxes.max(axis=0) <= [324, 432, 324, 432]).all()


def test_the_network_sees_red_in_the_first_channel(detector):
    seen = []
    hook = torch.nn.modules.module.register_module_forward_pre_hook(
        lambda module, args: seen.append(args[0]) if isinstance(module, torch.nn.Conv2d) else None
    )
    red = np.zeros((64, 64, 3), dtype=np.uint8)
    red[..., 0] = 255
    try:
        detector([red])
    finally:
        hook.remove()
    assert seen[0].shape[1] == 3
    assert seen[0].mean(dim=(0, 2, 3)).tolist() == [1, 0, 0]


def test_boxes_carry_the_ids_that_the_dataset_gives_to_the_names(path, detector, bus, names):
    class_names = {7 * number + 3: name.title() for number, name in reversed(names.items())}
    [plain], [matched] = detector([bus]), Yolo(path, class_names, confidence=0.001)([bus])
    assert len(set(plain.class_ids)) > 3
    np.testing.assert_array_equal(matched.class_ids, 7 * plain.class_ids + 3)


def test_confidence_and_number_of_boxes_are_asked_for(path, detector, bus):
    [many], [few] = detector([bus]), Yolo(path, confidence=0.001, max_boxes=5)([bus])
    np.testing.assert_array_equal(few.boxes, many.boxes[:5])
    limit = float(np.median(many.scores))
    [sure] = Yolo(path, confidence=limit)([bus])
    assert 0 < len(sure) < 300
    np.testing.assert_array_equal(sure.boxes, many.boxes[many.scores > limit])


def test_boxes_of_dropped_classes_make_room_for_others(path, detector, bus, names):
    [everything] = detector([bus])
    best = everything.class_ids[0]
    others = everything[everything.class_ids != best]
    [rest] = Yolo(path, rename={names[best]: None}, confidence=0.001, max_boxes=50)([bus])
    np.testing.assert_array_equal(rest.boxes, others.boxes[:50])


def test_laws(path):
    # A fresh one: its very first answer obeys them too.
    check_stage(Detect(Yolo(path, confidence=0.001)))


def test_a_batch_of_mixed_sizes_is_seen_as_each_alone(detector, bus):
    samples = [Sample(1, bus), Sample(2, bus[:200]), Sample(3, bus[:, :77])]
    together = Detect(detector)(samples)
    for sample, answer in zip(samples, together, strict=True):
        [alone] = Detect(detector)([sample])
        np.testing.assert_array_equal(alone.prompts.boxes, answer.prompts.boxes)


def test_the_name_tells_content_and_settings(path, tmp_path, names):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    default = describe(Detect(Yolo(path)))
    assert default == f"Detect(<random-{digest}(confidence=0.25, max_boxes=300)>)"
    other = tmp_path / "random.pt"
    other.write_bytes(path.read_bytes())
    assert repr(Detect(Yolo(other))) == default
    assert "confidence=0.001" in Yolo(path, confidence=0.001).name
    assert names[3] in Yolo(path, rename={names[3]: None}).name


def test_threads_stay_as_they_were(path, bus):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        Yolo(path)([bus])
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("class_names", "rename", "expected"),
    [
        (None, {}, {0: 0, 1: 1, 2: 2}),
        (None, {"sofa": None}, {0: 0, 2: 2}),
        ({1: "person", 90: "SOFA", 44: "cell_phone", 2: "bicycle"}, {}, {0: 1, 1: 90, 2: 44}),
        ({1: "person", 63: "couch", 77: "cell phone"}, {"sofa": "couch"}, {0: 1, 1: 63, 2: 77}),
        ({77: "Cell Phone"}, {"sofa": None, "person": None}, {2: 77}),
    ],
)
def test_classes_are_matched_by_name(class_names, rename, expected):
    names = {0: "person", 1: "sofa", 2: "cell phone"}
    assert match_classes(names, class_names, rename) == expected


@pytest.mark.parametrize(
    ("class_names", "rename", "message"),
    [
        (
            {1: "person"},
            {},
            r"2 of the detector's 3 classes.*'sofa', 'tv'.*rename=\{'sofa': None\}",
        ),
        ({}, {"sofa": "couch"}, "3 of the detector's 3 classes.*'person', 'couch', 'tv'"),
        ({1: "person", 2: "Person"}, {}, "class_names has 'Person' twice"),
        (None, {"couch": None}, "rename speaks of classes that the detector lacks: 'couch'"),
    ],
)
def test_classes_that_fit_nothing_are_refused(class_names, rename, message):
    with pytest.raises(ValueError, match=message):
        match_classes({0: "person", 1: "sofa", 2: "tv"}, class_names, rename)


def test_unmatched_names_are_refused_before_any_picture(path):
    with pytest.raises(ValueError, match=r"79 of the detector's 80 classes.* and 59 more"):
        Yolo(path, {1: "person"})


def test_a_missing_file_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    # The name of an official file, which ultralytics itself would go and fetch.
    with pytest.raises(FileNotFoundError, match=r"no detector at .*yolov8n\.pt.*downloads nothing"):
        Yolo(tmp_path / "yolov8n.pt")


def test_a_missing_package_names_the_extra(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    with pytest.raises(ImportError, match=r'pip install "samkit\[yolo\]"'):
        Yolo(path)


def test_a_file_that_is_no_detector_is_named(tmp_path):
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"cannot load .*broken\.pt"):
        Yolo(broken)
    classifier = tmp_path / "classifier.pt"
    ultralytics.YOLO("yolov8n-cls.yaml").save(classifier)
    with pytest.raises(ValueError, match="task 'classify'"):
        Yolo(classifier)


def test_using_it_leaves_the_process_as_it_was():
    """In a process of its own, as ultralytics decides most of it when it is imported."""
    result = subprocess.run(
        [sys.executable, "-c", FRESH_PROCESS], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


FRESH_PROCESS = """
import os, tempfile, numpy, torch
for name in ("YOLO_OFFLINE", "YOLO_AUTOINSTALL", "ULTRALYTICS_SAFE_LOAD", "OMP_NUM_THREADS"):
    os.environ.pop(name, None)
import PIL.Image
pictures_open = PIL.Image.open
from samkit.stages.yolo import Yolo

class Trap:
    def __reduce__(self):
        return os._exit, (7,)

with tempfile.TemporaryDirectory() as folder:
    torch.save({"model": Trap()}, folder + "/trap.pt")
    try:
        Yolo(folder + "/trap.pt")
    except ValueError as error:
        assert "ULTRALYTICS_SAFE_LOAD=0" in str(error), error
    else:
        raise AssertionError("a file with code in it was loaded")

import ultralytics.utils
assert not ultralytics.utils.ONLINE, "it looked for a network"
assert not ultralytics.utils.AUTOINSTALL, "it would install packages"
assert str(numpy.array([1.5])) == "[1.5]", "it changed how numbers print"
assert PIL.Image.open is pictures_open, "it reads everybody's pictures"
assert "OMP_NUM_THREADS" not in os.environ, "it took the threads of child processes"
"""


def test_fixed_classes_cannot_be_set(path):
    with pytest.raises(ValueError, match="only a YOLO-World file takes `classes`"):
        Yolo(path, classes=["mug"])


@pytest.mark.slow
def test_yolo_world_looks_for_given_classes(tmp_path, monkeypatch, bus):
    ultralytics.YOLO("yolov8s-world.yaml").save(tmp_path / "world.pt")
    monkeypatch.setitem(sys.modules, "clip", None)
    with pytest.raises(ValueError, match=r"(?s)cannot learn new classes here.*set_classes"):
        Yolo(tmp_path / "world.pt", classes=["mug", "cat"])
    # In place of the text encoder, whose weights cannot be had here.
    monkeypatch.setattr(
        "ultralytics.nn.tasks.WorldModel.get_text_pe",
        lambda self, text, **settings: torch.nn.functional.normalize(torch.ones(1, len(text), 512)),
    )
    detector = Yolo(
        tmp_path / "world.pt", {5: "cat", 9: "mug"}, classes=["mug", "cat"], confidence=1e-6
    )
    assert detector.class_ids == {0: 9, 1: 5}
    [prompts] = detector([bus])
    assert len(prompts)
    assert set(prompts.class_ids) <= {5, 9}
    assert "classes=['mug', 'cat']" in detector.name


@pytest.mark.slow
def test_rt_detr(tmp_path, bus):
    ultralytics.RTDETR("rtdetr-l.yaml").save(tmp_path / "rtdetr.pt")
    detector = Yolo(tmp_path / "rtdetr.pt", confidence=0.001)
    [prompts] = detector([bus])
    theirs = detector._model.predict(Image.fromarray(bus), **detector._settings)[0].boxes
    theirs = theirs.cpu().numpy()
    assert len(prompts) > 10
    np.testing.assert_allclose(prompts.boxes, theirs.xyxy, atol=1e-3)
    np.testing.assert_allclose(prompts.scores, theirs.conf, atol=1e-6)
