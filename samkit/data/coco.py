"""COCO instances: polygons, run lengths, crowds (Lin et al. 2014; cocodataset.org/#format-data)."""

from pathlib import Path
from typing import Any

from samkit.data.dataset import Dataset
from samkit.data.files import find_annotation_file
from samkit.data.instances import instances_dataset, read_instances


def coco(
    path: str | Path,
    images: str | Path | None = None,
    split: str | None = None,
    limit: int | None = None,
    boxes_only: bool = False,
) -> Dataset:
    """The images of a COCO instances file, ordered by id, with all their objects.

    path: the JSON, or a dataset's folder with annotations/instances_*.json.
    images: the folder of pictures; found beside the annotations where not given.
    split: which file of a folder, such as "val2017"; needed only where there are several.
    limit: the first so many images.
    boxes_only: take no masks, even where some annotations have one.

    Sample ids are COCO's image ids. Annotations hold boxes, class_ids, run_lengths, areas, ids and
    is_crowd in the file's order; areas are the file's own (the mask's where it has none). Masks are
    made when a sample is asked for, and its picture is read when its `image` is.

    Raises FileNotFoundError where no annotations or not a single picture are found, ValueError for
    a file that is no instances file or contradicts itself.

    >>> coco("coco", split="val2017", limit=8)  # doctest: +SKIP
    <Dataset coco(instances_val2017.json, 5000 images)[0:8]: 8 samples>
    """
    instances = read_instances(find_annotation_file(path, "instances", split), boxes_only)
    return instances_dataset("coco", instances, images, _picture_names).limit(limit)


def _picture_names(image: dict[str, Any]) -> list[str]:
    if "file_name" not in image:
        raise ValueError(
            f"image {image['id']} has no file_name; if this is LVIS, read it with samkit.data.lvis"
        )
    return list(dict.fromkeys((image["file_name"], Path(image["file_name"]).name)))
