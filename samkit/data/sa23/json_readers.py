"""Datasets of the 23 whose objects are listed in JSON: (the dataset's folder, the split) -> Dataset.

Files are read as their owners ship them; what a folder must hold is `Facts.layout`. Each reader
raises FileNotFoundError that says what is missing.
"""

from pathlib import Path
from typing import Any

from samkit.data.dataset import Dataset
from samkit.data.instances import instances_dataset, read_instances
from samkit.data.lvis import lvis
from samkit.data.sa23.objects import joined, truth_by_picture
from samkit.data.sa23.places import files_by_id, inside, split_folder
from samkit.data.sa23.polygons import via_dataset, woodscape_annotations
from samkit.data.sa23.youtube_vis import youtube_vis_dataset


def timberseg(path: Path, split: str) -> Dataset:
    """Logs. The other annotation file has turned boxes, which COCO does not know."""
    labels = inside(path, "prescaled/coco_annotation.json", "coco_annotation.json")
    return coco_dataset("timberseg", labels, labels.parent)


def ndd20(path: Path, split: str) -> Dataset:
    """Dolphins above and below water."""
    parts = {}
    for part in ("ABOVE", "BELOW"):
        labels = inside(path, f"{part}_LABELS.json")
        parts[part] = via_dataset("ndd20", labels, labels.parent / part, {1: "dolphin"})
    return joined("ndd20", parts)


def lvis_split(path: Path, split: str) -> Dataset:
    """LVIS, as `samkit.data.lvis`. split: the file's name between lvis_ and .json."""
    folder = inside(path, "annotations")
    files = {file.stem.removeprefix("lvis_"): file for file in sorted(folder.glob("lvis_*.json"))}
    if split not in files:
        there = ", ".join(files) or "none"
        raise FileNotFoundError(f"no split {split} (lvis_{split}.json) in {folder}; there: {there}")
    return lvis(files[split])


def streets(path: Path, split: str) -> Dataset:
    """Vehicles on the pictures of traffic cameras."""
    labels = inside(path, "vehicleannotations/annotations/vehicle-annotations.json")
    return via_dataset("streets", labels, labels.parent.parent / "images", {1: "vehicle"})


def zerowaste(path: Path, split: str) -> Dataset:
    """Waste on a conveyor belt. split: train, val or test."""
    folder = split_folder(inside(path, "splits_final_deblurred"), split)
    return coco_dataset("zerowaste", folder / "labels.json", folder / "data")


def ovis(path: Path, split: str) -> Dataset:
    """Videos of crowded animals and people; masks are public for train only."""
    labels = inside(path, f"annotations_{split}.json")
    return youtube_vis_dataset("ovis", labels, split_folder(labels.parent, split))


def ndispark(path: Path, split: str) -> Dataset:
    """Parked cars by day and night. split: train."""
    labels = inside(path, f"{split}/{split}_coco_annotations.json")
    return coco_dataset("ndispark", labels, labels.parent / "imgs")


def plittersdorf(path: Path, split: str) -> Dataset:
    """Deer, boars and others before a camera trap, all three splits."""
    root = inside(path, "train.json").parent
    parts = ("train", "val", "test")
    return joined(
        "plittersdorf",
        {
            part: coco_dataset("plittersdorf", root / f"{part}.json", root / "images")
            for part in parts
        },
    )


def woodscape(path: Path, split: str) -> Dataset:
    """Roads seen by fisheye cameras; pictures without an annotation are the owners' test set."""
    root = inside(path, "instance_annotations").parent
    labels = files_by_id(root, "instance_annotations/*.json")
    pairs = {f"rgb_images/{label.stem}.png": label for label in labels.values()}
    return truth_by_picture("woodscape", root, pairs, woodscape_annotations)


def pidray(path: Path, split: str) -> Dataset:
    """Luggage under X-rays. split: easy, hard, hidden or train."""
    name = split if split == "train" else f"test_{split}"
    labels = inside(path, f"annotations/xray_{name}.json")
    return coco_dataset("pidray", labels, split_folder(labels.parent.parent, split))


def trashcan(path: Path, split: str) -> Dataset:
    """Trash, animals and a vehicle on the sea floor. split: train or val."""
    root = inside(path, "instance_version")
    labels = root / f"instances_{split}_trashcan.json"
    return coco_dataset("trashcan", labels, split_folder(root, split))


def coco_dataset(name: str, labels: Path, images: Path) -> Dataset:
    """A COCO instances file whose pictures lie in one folder, as PNG or JPEG whatever it says."""
    if not labels.is_file():
        raise FileNotFoundError(f"no file {labels}")
    return instances_dataset(name, read_instances(labels), images, _picture_names)


def _picture_names(image: dict[str, Any]) -> list[str]:
    if "file_name" not in image:
        raise ValueError(f"image {image['id']} has no file_name")
    given = Path(image["file_name"])
    names = [str(given), given.name, *(f"{given.stem}{end}" for end in (".png", ".jpg"))]
    return list(dict.fromkeys(names))
