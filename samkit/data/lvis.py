"""LVIS v1 and v0.5: COCO's photographs, over a thousand classes (Gupta et al. 2019)."""

from pathlib import Path
from typing import Any

from samkit.data.dataset import Dataset
from samkit.data.files import find_annotation_file
from samkit.data.instances import instances_dataset, read_instances


def lvis(
    path: str | Path,
    images: str | Path | None = None,
    split: str | None = None,
    limit: int | None = None,
    boxes_only: bool = False,
) -> Dataset:
    """The images of an LVIS file, ordered by id, with all their objects and federated labels.

    path: the JSON, or a dataset's folder with annotations/lvis_*.json.
    images: the folder that holds train2017/ and val2017/ (LVIS's val has pictures of both), or one
        folder with all pictures; found beside the annotations where not given.
    split: the end of the file's name, such as "v1_val"; needed only where a folder has several.
    limit: the first so many images.
    boxes_only: take no masks, even where some annotations have one.

    As `samkit.data.coco`; besides, annotations hold negative_class_ids, not_exhaustive_class_ids
    and class_frequency, which MaskAP(lvis=True) needs. Pictures go by the end of coco_url or by id,
    never by file_name: v1 has none, and v0.5 has the names of 2014. Format: lvisdataset.org/dataset

    Raises FileNotFoundError where no annotations or not a single picture are found, ValueError for
    a file that is no LVIS file or contradicts itself.

    >>> lvis("lvis", split="v1_val", limit=8)  # doctest: +SKIP
    <Dataset lvis(lvis_v1_val.json, 19809 images)[0:8]: 8 samples>
    """
    instances = read_instances(find_annotation_file(path, "lvis", split), boxes_only)
    missing = set(instances.class_names) - set(instances.class_frequency)
    if missing:
        raise ValueError(
            f"{instances.path}: category {min(missing)} has no frequency, so this is not LVIS; "
            "read COCO with samkit.data.coco"
        )
    return instances_dataset("lvis", instances, images, _picture_names).limit(limit)


def _picture_names(image: dict[str, Any]) -> list[str]:
    by_id = f"{image['id']:0>12}.jpg"
    if not image.get("coco_url"):
        return [by_id]
    folder, name = ["", *image["coco_url"].split("/")][-2:]
    return list(dict.fromkeys((f"{folder}/{name}", name, by_id)))
