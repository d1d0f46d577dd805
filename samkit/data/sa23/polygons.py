"""JSON files that tell objects by polygons: VGG Image Annotator, VISOR, WoodScape."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samkit.data.dataset import Dataset
from samkit.data.files import read_picture
from samkit.data.picture_size import picture_size
from samkit.data.sa23.objects import OBJECT, annotations
from samkit.ops import rle
from samkit.ops.json_text import read_json_file
from samkit.types import Annotations, Sample


def via_dataset(
    name: str, labels: Path, images: Path, class_names: Mapping[int, str] = OBJECT
) -> Dataset:
    """The pictures of a VGG Image Annotator export, in the file's order, ids their file names.

    labels: {KEY: {"filename", "regions": [...]}}, or the same under "_via_img_metadata"; regions
    may be a dict, as version 1 writes. Polygons and rectangles are read; a polygon of two points
    becomes a mask without a pixel. All are of class 1.

    The file tells no sizes: a picture's header is read for it. Raises ValueError for other content.
    """
    content = read_json_file(labels)
    entries = content.get("_via_img_metadata", content) if isinstance(content, dict) else None
    if not entries or not all(isinstance(e, dict) and "filename" in e for e in entries.values()):
        raise ValueError(
            f"{labels} is no VGG Image Annotator export: {{KEY: {{filename, regions}}}}"
        )
    regions = {str(entry["filename"]): entry.get("regions", []) for entry in entries.values()}

    def make(id: str) -> Sample:
        own = regions[id]
        size = picture_size(images / id)
        shapes = list(own.values()) if isinstance(own, dict) else own
        if not isinstance(shapes, list):
            raise ValueError(f"{labels}, {id}: regions are a list, got {str(own)[:80]}")
        masks = [_region(one, size, f"{labels}, {id}") for one in shapes]
        truth = annotations(size, masks, class_names=class_names)
        return Sample(id, lambda: read_picture(images / id, size), truth)

    return Dataset(f"{name}({len(regions)} images)", list(regions), make, class_names)


def woodscape_annotations(path: Path) -> Annotations:
    """One WoodScape file: {NAME: {"image_height", "image_width", "annotation": [...]}}.

    The outer key is the file's own name. An annotation has one polygon, "segmentation", and "tags",
    of which nothing is kept: its masks are objects of class 1. Raises ValueError for other content.
    """
    content = read_json_file(path)
    try:
        inner = content[path.name] if path.name in content else next(iter(content.values()))
        size = (int(inner["image_height"]), int(inner["image_width"]))
        outlines = [one["segmentation"] for one in inner["annotation"]]
        return annotations(size, [polygons_mask([xy], size) for xy in outlines])
    except (KeyError, TypeError, AttributeError, StopIteration, ValueError) as error:
        raise ValueError(f"{path} is no WoodScape annotation: {error!r}") from error


def visor_frames(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Annotations by picture name of one VISOR file. Raises ValueError for other content."""
    content = read_json_file(path)
    try:
        frames = content["video_annotations"]
        return {frame["image"]["name"]: list(frame["annotations"]) for frame in frames}
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is no VISOR annotation: it has no {error}") from error


def polygons_mask(polygons: Sequence[Any], size: tuple[int, int]) -> rle.RLE:
    """The union of polygons [[x, y], ...]. Raises ValueError for what is none."""
    flat = [list(itertools.chain.from_iterable(polygon)) for polygon in polygons]
    return rle.from_coco(flat, *size)


def _region(region: Any, size: tuple[int, int], where: str) -> rle.RLE:
    try:
        shape = region["shape_attributes"]
        if shape["name"] in ("polygon", "polyline"):
            xy = zip(shape["all_points_x"], shape["all_points_y"], strict=True)
            return polygons_mask([list(xy)], size)
        if shape["name"] == "rect":
            x, y, w, h = (shape[key] for key in ("x", "y", "width", "height"))
            return polygons_mask([[(x, y), (x + w, y), (x + w, y + h), (x, y + h)]], size)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{where}: a region cannot be read: {error!r}") from error
    raise ValueError(f"{where}: a region is a {shape['name']}; polygon and rect are read")
