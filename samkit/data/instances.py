"""The JSON that COCO and LVIS share: images, annotations, categories; see coco.py and lvis.py."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samkit.data.dataset import Dataset
from samkit.data.files import find_picture, picture_folders, read_picture
from samkit.data.records import check_records
from samkit.ops import rle
from samkit.ops.boxes import xywh_to_xyxy
from samkit.ops.json_text import read_json_file
from samkit.ops.records import Record
from samkit.types import Annotations, Sample


@dataclass(frozen=True, eq=False)
class Instances:
    """A file's records by image: `images` in the order of their ids, `objects` in the file's.

    class_names: words of all category ids. class_frequency: LVIS's letters, empty for COCO.
    """

    path: Path
    images: Mapping[int, Record]
    objects: Mapping[int, Sequence[Record]]
    class_names: Mapping[int, str]
    class_frequency: Mapping[int, str]
    has_masks: bool

    def annotations(self, image_id: int) -> Annotations:
        """The true objects of one image, in the file's order; masks are made here, not before.

        Raises ValueError that names the annotation where a mask cannot be made.
        """
        image, objects = self.images[image_id], self.objects.get(image_id, ())
        size = (int(image["height"]), int(image["width"]))
        masks = tuple(_mask(one, size) for one in objects) if self.has_masks else None
        boxes = [_box(one, masks[i] if masks else None) for i, one in enumerate(objects)]
        areas = [_area(one, masks[i] if masks else None) for i, one in enumerate(objects)]
        return Annotations(
            size,
            xywh_to_xyxy(boxes).astype(np.float32),
            np.array([one["category_id"] for one in objects], dtype=np.int64),
            run_lengths=masks,
            areas=np.array(areas, dtype=np.float64),
            ids=np.array([one["id"] for one in objects], dtype=np.int64),
            is_crowd=np.array([one.get("iscrowd", 0) for one in objects], dtype=bool),
            class_names=self.class_names,
            negative_class_ids=tuple(image.get("neg_category_ids", ())),
            not_exhaustive_class_ids=tuple(image.get("not_exhaustive_category_ids", ())),
            class_frequency=self.class_frequency,
        )


def read_instances(path: Path, boxes_only: bool = False) -> Instances:
    """Reads and checks the file, once.

    boxes_only: take no masks, even where some annotations have one.

    Raises ValueError, naming the file and the cure, for what is not JSON or no instances file, values
    of a wrong kind, ids given twice, and annotations of unknown images or categories.
    """
    content = read_json_file(path)
    check_records(path, content)
    images, annotations = content["images"], content["annotations"]
    categories = content["categories"]
    by_id = {image["id"]: image for image in sorted(images, key=lambda image: image["id"])}
    class_names = {category["id"]: category["name"] for category in categories}
    objects: defaultdict[int, list[Record]] = defaultdict(list)
    for one in annotations:
        for key, known in (("image_id", by_id), ("category_id", class_names)):
            if one[key] not in known:
                raise ValueError(
                    f"{path}: annotation {one['id']} has {key} {one[key]}, which the file's "
                    f"{'images' if key == 'image_id' else 'categories'} do not list; add it there, "
                    "or take the annotation out"
                )
        objects[one["image_id"]].append(one)
    return Instances(
        path,
        by_id,
        dict(objects),
        class_names,
        {c["id"]: c["frequency"] for c in categories if "frequency" in c},
        has_masks=not boxes_only
        and (not annotations or any("segmentation" in one for one in annotations)),
    )


def instances_dataset(
    reader: str,
    instances: Instances,
    images: str | Path | None,
    names: Callable[[Record], Sequence[str]],
) -> Dataset:
    """A Dataset of all images; `names` gives the paths at which an image's picture may lie.

    Raises FileNotFoundError, saying where it looked, if not a single picture is found.
    """
    folders = picture_folders(instances.path, images)

    def make(image_id: int) -> Sample:
        annotations = instances.annotations(image_id)

        def picture() -> Any:
            found = find_picture(folders, names(instances.images[image_id]))
            return read_picture(found, annotations.size)

        return Sample(image_id, picture, annotations)

    _check_pictures(folders, [names(record) for record in instances.images.values()])
    name = f"{reader}({instances.path.name}, {len(instances.images)} images)"
    return Dataset(name, list(instances.images), make, instances.class_names)


def _check_pictures(folders: Sequence[Path], names: Sequence[Sequence[str]]) -> None:
    """One picture that is there will do: a missing one among many is that sample's own error."""
    for candidates in names:
        try:
            find_picture(folders, candidates)
            return
        except FileNotFoundError:
            continue
    if names:
        find_picture(folders, names[0])


def _mask(one: Record, size: tuple[int, int]) -> rle.RLE:
    if "segmentation" not in one:
        raise ValueError(f"annotation {one['id']} has no segmentation, others of its file have")
    try:
        return rle.from_coco(one["segmentation"], *size)
    except ValueError as error:
        raise ValueError(f"annotation {one['id']}: {error}") from error


def _box(one: Record, mask: rle.RLE | None) -> Sequence[float]:
    if one.get("bbox"):
        box: Sequence[float] = one["bbox"]
        return box
    if mask is None:
        raise ValueError(f"annotation {one['id']} has neither a bbox nor a segmentation")
    return [float(side) for side in rle.boxes_xywh([mask])[0]]


def _area(one: Record, mask: rle.RLE | None) -> float:
    if "area" in one:
        return float(one["area"])
    return float(rle.areas([mask])[0] if mask is not None else one["bbox"][2] * one["bbox"][3])
