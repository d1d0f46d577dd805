"""YOLO's label files: a text beside each picture, one object a line, numbers as shares of its sides.

class x_center y_center width height          a box
class x1 y1 x2 y2 x3 y3 ...                   a polygon
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from samkit.data.dataset import Dataset
from samkit.data.folder import folder
from samkit.ops import rle
from samkit.ops.polygons import joined, to_polygons
from samkit.types import Annotations, Sample

# A class and its numbers: four of a box, six and more of a polygon.
Label = tuple[int, list[float]]


def yolo_labels(
    images: str | Path,
    labels: str | Path | None = None,
    class_names: Mapping[int, str] | None = None,
    limit: int | None = None,
) -> Dataset:
    """The pictures of a folder with what YOLO's label files say of them.

    images: the folder of pictures, and of folders of them. labels: that of the texts, of the same shape
        (a/cat.jpg: a/cat.txt); where not given the last folder named "images" in the path becomes
        "labels", as YOLO has it. A picture without a text has no objects.
    class_names: words of the classes, which data.yaml has under `names`. limit: the first so many.

    Sample ids are paths relative to `images`. Boxes are the lines' own; a polygon's is the one around
    it. `run_lengths` is None as long as a line of the picture's is a box. Annotation ids are the lines'
    numbers, from 0.

    Raises FileNotFoundError where there is no such folder or no picture. A sample that is asked for
    raises ValueError that names the file and line of what is no label, or lies outside its picture.

    >>> yolo_labels("dataset/images/train")  # doctest: +SKIP
    <Dataset yolo_labels(train, 800 images): 800 samples>
    """
    pictures = folder(images)
    root = Path(images)
    texts = labels_folder(root) if labels is None else Path(labels)
    if not texts.is_dir():
        raise FileNotFoundError(f"no folder of label files at {texts}; give it by labels=FOLDER")
    names = dict(class_names or {})

    def make(id: str) -> Sample:
        # Labels are shares of the picture's sides, so that it has to be read for its size.
        sample = pictures[pictures.ids.index(id)].loaded()
        lines = read_labels((texts / id).with_suffix(".txt"))
        height, width = sample.image.shape[:2]
        return sample.replace(annotations=_annotations(lines, (height, width), names))

    name = f"yolo_labels({root.name}, {len(pictures)} images)"
    return Dataset(name, pictures.ids, make, names).limit(limit)


def labels_folder(images: Path) -> Path:
    """YOLO's place of the label files of a folder of pictures. Raises ValueError where it has none."""
    parts = images.resolve().parts
    if "images" not in parts:
        raise ValueError(
            f"no folder of the path {images} is named images; give labels=FOLDER yourself"
        )
    last = len(parts) - 1 - parts[::-1].index("images")
    return Path(*parts[:last], "labels", *parts[last + 1 :])


def read_labels(path: Path) -> list[Label]:
    """The labels of a text, none where there is no such file.

    Raises ValueError that names the file and line of what is no label.
    """
    labels: list[Label] = []
    for number, line in enumerate(_lines(path), start=1):
        words = line.split()
        if not words:
            continue
        try:
            class_id, numbers = int(words[0]), [float(word) for word in words[1:]]
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        is_label = len(numbers) == 4 or (len(numbers) >= 6 and len(numbers) % 2 == 0)
        # A hair outside is what rounding makes of the edge.
        inside = all(-0.01 <= value <= 1.01 for value in numbers)
        if not is_label or not inside or not 0 <= class_id < 2**31:
            raise ValueError(
                f"{path}, line {number}: expected a class and the shares (0 to 1) of a box, x_center "
                f"y_center width height, or of a polygon's corners, x1 y1 x2 y2 ..., got {line[:80]!r}"
            )
        labels.append((class_id, numbers))
    return labels


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text: {error}") from error


def labels_with_masks(path: Path, run_lengths: Sequence[rle.RLE]) -> str:
    """The text of a label file with every box's line made that of its mask's polygon.

    run_lengths: a mask for each of the file's lines, in their order. Lines that are polygons stay as they
    are, and so does a box whose mask is empty.
    """
    lines = [line for line in _lines(path) if line.strip()]
    for number, (line, mask) in enumerate(zip(lines, run_lengths, strict=True)):
        words = line.split()
        if len(words) == 5 and rle.areas([mask])[0]:
            lines[number] = mask_label(int(words[0]), mask)
    return "".join(f"{line}\n" for line in lines)


def mask_label(class_id: int, run_lengths: rle.RLE, tolerance: float = 0.0) -> str:
    """A mask as a label's line: one polygon, holes and further parts joined to it by slits.

    tolerance: pixels by which corners may be left out; with 0 `yolo_labels` reads the very mask back.
    Raises ValueError for an empty mask, which has no polygon.
    """
    rings = [ring for part in to_polygons(run_lengths, tolerance) for ring in part]
    if not rings:
        raise ValueError("an empty mask is no label")
    height, width = run_lengths["size"]
    shares = np.array(joined(rings)).reshape(-1, 2) / (width, height)
    return " ".join([str(class_id), *(f"{value:.7g}" for value in shares.ravel())])


def _annotations(
    labels: list[Label], size: tuple[int, int], names: Mapping[int, str]
) -> Annotations:
    height, width = size
    boxes = np.zeros((len(labels), 4))
    masks: list[rle.RLE] = []
    for box, (_, numbers) in zip(boxes, labels, strict=True):
        xy = np.array(numbers).reshape(-1, 2) * (width, height)
        if len(numbers) == 4:
            box[:] = np.concatenate([xy[0] - xy[1] / 2, xy[0] + xy[1] / 2])
        else:
            box[:] = np.concatenate([xy.min(axis=0), xy.max(axis=0)])
            masks.append(rle.from_coco([xy.ravel().tolist()], height, width))
    return Annotations(
        size,
        boxes.astype(np.float32),
        np.array([class_id for class_id, _ in labels], dtype=np.int64),
        run_lengths=tuple(masks) if len(masks) == len(labels) else None,
        ids=np.arange(len(labels), dtype=np.int64),
        is_crowd=np.zeros(len(labels), dtype=bool),
        class_names=names,
    )
