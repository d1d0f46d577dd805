"""Ultralytics detectors (YOLO, RT-DETR, YOLO-World) for `Detect`.

ultralytics is licensed AGPL-3.0, not as samkit: `pip install "samkit[yolo]"` is your own choice to
use it, and what you then build on it must follow its licence. None of its code is copied here.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image as PilImage

from samkit.ops.optional import require
from samkit.types import Prompts
from samkit.types.sample import Image

# What ultralytics does at import or while running unless told not to: look for a network, send
# analytics and fetch files when there is one, install packages, run code pickled into weights.
# Set any of them yourself to have it otherwise. They are read when ultralytics is imported: who
# imports it before samkit does decides for himself.
CALM = {
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "0",
    "YOLO_VERBOSE": "0",
    "ULTRALYTICS_SAFE_LOAD": "1",
}


class Yolo:
    """A detector file of ultralytics: images to box prompts, for `Detect(Yolo(...))`.

    path: a local .pt file of the tasks detect, segment or pose; nothing is downloaded.
    class_names: the dataset's ids and their words, such as `Dataset.class_names`. Boxes then carry
        the dataset's ids, found by name (case and underscores aside). Without them boxes carry the
        file's own numbers 0, 1, 2..., which are not COCO's ids 1-90.
    rename: the file's class names and what the dataset calls them; None drops a class's boxes.
    classes: what a YOLO-World file is to look for. It needs ultralytics' CLIP text encoder.
    confidence: boxes must score above this. Average precision wants 0.001.
    max_boxes: how many of the best boxes of an image are returned. Average precision wants 300.
    device: "auto" takes the GPU if there is one.

    Every box comes with its best class only, and pictures are worked on one by one: ultralytics pads
    a batch of mixed sizes in another way than each alone, and its time limit would leave a slow
    batch's last pictures without boxes.

    name: the file, its content and all settings that change an answer.
    Raises ImportError without ultralytics, FileNotFoundError, and ValueError for a file that it
    cannot load, of another task, or with classes that `class_names` lacks.

    >>> detect = Detect(Yolo("yolov8n.pt", coco.class_names, confidence=0.001))  # doctest: +SKIP
    """

    def __init__(
        self,
        path: str | Path,
        class_names: Mapping[int, str] | None = None,
        *,
        rename: Mapping[str, str | None] | None = None,
        classes: Sequence[str] | None = None,
        confidence: float = 0.25,
        max_boxes: int = 300,
        device: str = "auto",
    ) -> None:
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"no detector at {path}; samkit downloads nothing, so fetch the file first, such as "
                "from github.com/ultralytics/assets/releases"
            )
        self._model = _load(path, classes)
        words: dict[int, str] = dict(self._model.names)
        self.class_ids = match_classes(words, class_names, rename or {})
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self._settings: dict[str, Any] = {
            "conf": confidence,
            "max_det": max_boxes,
            "device": device,
            "verbose": False,
            "save": False,
        }
        if len(self.class_ids) < len(words):
            self._settings["classes"] = list(self.class_ids)
        given = {"rename": dict(rename or {}), "classes": list(classes or [])}
        settings = {
            "confidence": confidence,
            "max_boxes": max_boxes,
            **{name: value for name, value in given.items() if value},
        }
        content = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        text = ", ".join(f"{name}={value}" for name, value in settings.items())
        self.name = f"{path.stem}-{content}({text})"
        # The first prediction sets up the model, and torch's number of threads to ultralytics' liking:
        # that would slow the SAM after it and give the first picture another number of them.
        threads = torch.get_num_threads()
        self._detect(np.zeros((32, 32, 3), dtype=np.uint8))
        torch.set_num_threads(threads)

    def __call__(self, images: Sequence[Image]) -> list[Prompts]:
        """Box prompts for each (H, W, 3) uint8 RGB image, best first, with class ids and confidences."""
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> Prompts:
        # A PIL picture says itself that it is RGB; an array would be taken for BGR.
        picture = PilImage.fromarray(image)
        [result] = self._model.predict(picture, **self._settings)
        boxes = result.boxes.cpu().numpy()
        # YOLO26 and its like can turn a box inside out, which is none.
        boxes = boxes[(boxes.xyxy[:, :2] <= boxes.xyxy[:, 2:]).all(axis=1)]
        ids = [self.class_ids[int(number)] for number in boxes.cls]
        return Prompts.from_boxes(boxes.xyxy, class_ids=ids, scores=boxes.conf)


def match_classes(
    names: Mapping[int, str],
    class_names: Mapping[int, str] | None,
    rename: Mapping[str, str | None],
) -> dict[int, int]:
    """A detector's class numbers to a dataset's ids, by name; dropped classes are left out.

    names: the detector's numbers and words. class_names: the dataset's ids and words; None keeps the
    detector's numbers. rename: a detector's word to the dataset's, or to None to drop the class.
    Raises ValueError that lists the names which fit nothing.

    >>> match_classes({0: "person", 1: "sofa"}, {1: "person", 63: "couch"}, {"sofa": "couch"})
    {0: 1, 1: 63}
    """
    if unknown := sorted(set(rename) - set(names.values())):
        raise ValueError(f"rename speaks of classes that the detector lacks: {_listed(unknown)}")
    called = {number: rename.get(name, name) for number, name in names.items()}
    kept = {number: name for number, name in called.items() if name is not None}
    if class_names is None:
        return {number: number for number in kept}
    ids: dict[str, int] = {}
    for class_id, name in class_names.items():
        if ids.setdefault(_plain(name), class_id) != class_id:
            raise ValueError(f"class_names has {name!r} twice; boxes could not be told apart")
    if missing := [name for name in kept.values() if _plain(name) not in ids]:
        raise ValueError(
            f"{len(missing)} of the detector's {len(names)} classes are not in class_names: "
            f"{_listed(missing)}. Say what the dataset calls them, or drop their boxes: "
            f"rename={{{missing[0]!r}: {next(iter(class_names.values()), 'its name')!r}}} or "
            f"rename={{{missing[0]!r}: None}}"
        )
    return {number: ids[_plain(name)] for number, name in kept.items()}


def _load(path: Path, classes: Sequence[str] | None) -> Any:
    """The ultralytics model, its classes set. Raises ValueError that names the file and the cure."""
    ultralytics = _ultralytics()
    try:
        model = ultralytics.YOLO(str(path))
    except Exception as error:  # ultralytics raises anything from TypeError to pickle's own errors
        raise ValueError(
            f"ultralytics cannot load {path}: {error}\nIf it refuses a type inside a file that you "
            "trust, set ULTRALYTICS_SAFE_LOAD=0: code in the file can then run"
        ) from error
    if model.task not in ("detect", "segment", "pose"):
        raise ValueError(f"{path} is for the task {model.task!r}, which gives no upright boxes")
    if classes is not None:
        if not hasattr(model, "set_classes"):
            raise ValueError(f"{path} knows fixed classes; only a YOLO-World file takes `classes`")
        try:
            model.set_classes(list(classes))
        except Exception as error:
            raise ValueError(
                f"{path} cannot learn new classes here: {error}\nIt needs ultralytics' CLIP package and "
                "weights. Do it once where there is a network: model = ultralytics.YOLO(path); "
                "model.set_classes([...]); model.save(new_path); the new file needs neither"
            ) from error
    return model


def _ultralytics() -> ModuleType:
    for name, value in CALM.items():
        os.environ.setdefault(name, value)
    threads_of_children = os.environ.get("OMP_NUM_THREADS")
    pictures_open = PilImage.open
    with np.printoptions():  # importing it changes how numbers print, for everybody
        module = require("ultralytics", extra="yolo")
    # It also puts its own function there, which wants one more package for what is no picture.
    PilImage.open = pictures_open
    if threads_of_children is None:
        os.environ.pop("OMP_NUM_THREADS", None)
    return module


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", " ")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:20]))
    return shown if len(names) <= 20 else f"{shown} and {len(names) - 20} more"
