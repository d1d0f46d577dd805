"""Datasets of the 23 whose objects are told by pictures or HDF5: (folder, split) -> Dataset.

Files are read as their owners ship them; what a folder must hold is `Facts.layout`. Each reader
raises FileNotFoundError that says what is missing.
"""

import re
from pathlib import Path, PurePosixPath

from samkit.data.bbbc038 import bbbc038v1
from samkit.data.dataset import Dataset
from samkit.data.sa23 import label_maps
from samkit.data.sa23.ade20k import ade20k_annotations
from samkit.data.sa23.cityscapes import CLASS_NAMES as CITYSCAPES
from samkit.data.sa23.cityscapes import cityscapes_annotations
from samkit.data.sa23.hypersim import hypersim_annotations
from samkit.data.sa23.objects import numbered, truth_by_picture
from samkit.data.sa23.places import files_by_id, inside, parents_of, split_folder
from samkit.ops.optional import require

HAND = {1: "hand"}
# DRAM's classes carry the numbers of Pascal VOC; what has another of its numbers is background.
DRAM = numbered(
    "3 bird, 4 boat, 5 bottle, 8 cat, 9 chair, 10 cow, 12 dog, 13 horse, 15 person, "
    "16 potted plant, 17 sheep"
)
VOC_CLASSES = range(21)
EGOHOS = numbered(
    "1 left hand, 2 right hand, 3 object of the left hand, 4 object of the right hand, "
    "5 object of both hands, 6 second object of the left hand, 7 second object of the right hand, "
    "8 second object of both hands"
)
EGOHOS_PARTS = ("ego4d", "thu")
HYPERSIM_WITHOUT = ("020", "025", "040", "049")


def ppdls(path: Path, split: str) -> Dataset:
    """Leaves: pictures that have a *_label.png; many have none."""
    root = inside(path, "Plant")
    labels = files_by_id(root, "*/*_label.png")
    pairs = {id.replace("_label.", "_rgb."): label for id, label in labels.items()}
    return truth_by_picture("ppdls", root, pairs, label_maps.values_as_objects)


def bbbc038(path: Path, split: str) -> Dataset:
    """Nuclei, as `samkit.data.bbbc038v1`."""
    return bbbc038v1(inside(path, f"stage1_{split}"))


def doors(path: Path, split: str) -> Dataset:
    """One boulder a picture. split: DS1 or DS2, or Regression, the same pictures by rendered set."""
    if split == "Regression":
        root = inside(path, split)
        pictures = files_by_id(root, "*/img/*.png")  # the sets' names contain spaces
        pairs = {i: p.parent.parent / "Rock_all" / p.name for i, p in pictures.items()}
        return truth_by_picture("doors", root, pairs, label_maps.nonzero_as_object)
    root = split_folder(inside(path, "Segmentation"), split) / "DS"
    pictures = files_by_id(root, "img/*.png")
    pairs = {id: root / "mask" / picture.name for id, picture in pictures.items()}
    return truth_by_picture("doors", root, pairs, label_maps.nonzero_as_object)


def ishape(path: Path, split: str) -> Dataset:
    """Antennas, branches, fences, hangers, logs and wires, thin and full of holes."""
    subsets = parents_of(path, f"{split}/instance_map")
    pairs = {}
    for folder in subsets:
        for id in files_by_id(folder, f"{split}/image/*.jpg"):
            label = folder / split / "instance_map" / f"{PurePosixPath(id).stem}.png"
            pairs[f"{folder.name}/{id}"] = label
    return truth_by_picture("ishape", subsets[0].parent, pairs, label_maps.values_as_objects)


def ade20k(path: Path, split: str) -> Dataset:
    """Scenes with objects and their parts. split: training or validation."""
    root = split_folder(inside(path, "images/ADE"), split)
    pictures = files_by_id(root, "**/*.jpg")
    pairs = {id: picture.with_suffix(".json") for id, picture in pictures.items()}
    return truth_by_picture("ade20k", root, pairs, ade20k_annotations)


def hypersim(path: Path, split: str) -> Dataset:
    """Rendered rooms, without the four volumes that the paper leaves out; wants h5py."""
    require("h5py", extra="data")  # told here once, not by every sample
    volumes = {
        scene: scene.name.split("_")[1]
        for scene in parents_of(path, "images")
        if re.fullmatch(r"ai_\d{3}_\d{3}", scene.name)
    }
    if not volumes:
        raise FileNotFoundError(f"no scene ai_VVV_NNN in {path}")
    root = next(iter(volumes)).parent
    pairs = {}
    for scene, volume in volumes.items():
        if volume not in HYPERSIM_WITHOUT:
            for picture in sorted(scene.glob("images/*_final_preview/frame.*.tonemap.jpg")):
                camera = picture.parent.name.replace("_final_preview", "_geometry_hdf5")
                label = picture.name.replace(".tonemap.jpg", ".semantic_instance.hdf5")
                id = picture.relative_to(root).as_posix()
                pairs[id] = scene / "images" / camera / label
    return truth_by_picture("hypersim", root, pairs, hypersim_annotations)


def egohos(path: Path, split: str) -> Dataset:
    """Hands and what they hold; of the videos only Ego4D's and THU-READ's, by their names."""
    folder = inside(path, f"{split}/label").parent
    pictures = files_by_id(folder, "image/*.jpg")
    chosen = {i: p for i, p in pictures.items() if p.name.lower().startswith(EGOHOS_PARTS)}
    if not chosen:
        raise FileNotFoundError(
            f"none of {len(pictures)} pictures in {folder / 'image'} begins with "
            f"{' or '.join(EGOHOS_PARTS)}: the parts that the paper uses"
        )
    pairs = {id: folder / "label" / f"{picture.stem}.png" for id, picture in chosen.items()}
    return truth_by_picture("egohos", folder, pairs, label_maps.values_as_classes(EGOHOS), EGOHOS)


def ibd(path: Path, split: str) -> Dataset:
    """Roofs from above."""
    root = inside(path, f"{split}_labels").parent
    pictures = files_by_id(root, f"{split}/*.png")
    pairs = {id: root / f"{split}_labels" / picture.name for id, picture in pictures.items()}
    return truth_by_picture("ibd", root, pairs, label_maps.values_as_objects)


def cityscapes(path: Path, split: str) -> Dataset:
    """German streets. split: train or val."""
    root = inside(path, "leftImg8bit").parent
    split_folder(root / "gtFine", split)
    pictures = files_by_id(split_folder(root / "leftImg8bit", split), "*/*_leftImg8bit.png")
    pairs = {
        f"leftImg8bit/{split}/{id}": root
        / "gtFine"
        / split
        / id.replace("_leftImg8bit", "_gtFine_instanceIds")
        for id in pictures
    }
    return truth_by_picture("cityscapes", root, pairs, cityscapes_annotations, CITYSCAPES)


def dram(path: Path, split: str) -> Dataset:
    """Paintings; one mask a class."""
    root = inside(path, split, "labels").parent
    pictures = files_by_id(split_folder(root, split), "**/*.jpg")
    labels = root / ("labels" if (root / "labels").is_dir() else split)
    pairs = {f"{split}/{id}": (labels / id).with_suffix(".png") for id in pictures}
    read = label_maps.values_as_classes(DRAM, background=VOC_CLASSES, ignored=(255,))
    return truth_by_picture("dram", root, pairs, read, DRAM)


def gtea(path: Path, split: str) -> Dataset:
    """Hands in front of a head camera."""
    root = inside(path, "GTEA_GAZE_PLUS/Masks", "Masks").parent
    pictures = files_by_id(root / "Images", "**/*.jpg")
    pairs = {f"Images/{id}": (root / "Masks" / id).with_suffix(".png") for id in pictures}
    return truth_by_picture("gtea", root, pairs, label_maps.components_as_objects(HAND), HAND)
