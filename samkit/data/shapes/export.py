"""The made-up scenes as files that every COCO tool reads: PNG pictures and an instances JSON."""

import json
from pathlib import Path
from typing import Any

from PIL import Image

from samkit.data.dataset import Dataset
from samkit.ops import rle


def to_coco(dataset: Dataset, folder: str | Path, boxes_only: bool = False) -> Path:
    """Write a data set as folder/images/*.png and folder/annotations/instances_shapes.json.

    dataset: samples with masks and integer ids, as from `shapes`. Annotation ids count from 1,
    since COCO's evaluation takes 0 for "unmatched". Beside COCO's own fields an annotation has
    `caption` and `parent_id`, the id of the annotation that it is a part of, or None. boxes_only: they
    are written without their masks and areas, as what `boxes_to_masks.py` is for.

    Returns the path of the JSON. Raises ValueError for samples without masks.

    >>> from samkit.data.shapes import shapes
    >>> to_coco(shapes(n=2), "shapes_coco")  # doctest: +SKIP
    PosixPath('shapes_coco/annotations/instances_shapes.json')
    """
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "annotations").mkdir(exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for sample in dataset:
        truth = sample.annotations
        if truth is None or truth.run_lengths is None:
            raise ValueError(f"sample {sample.id} of {dataset.name} has no masks to write")
        file_name = f"{sample.id:06d}.png"
        Image.fromarray(sample.image).save(folder / "images" / file_name)
        height, width = truth.size
        images.append({"id": sample.id, "file_name": file_name, "height": height, "width": width})
        first = len(annotations) + 1
        boxes, areas = rle.boxes_xywh(truth.run_lengths), rle.areas(truth.run_lengths)
        for i, mask in enumerate(truth.run_lengths):
            parent = -1 if truth.parents is None else int(truth.parents[i])
            shown = {} if boxes_only else {"segmentation": mask, "area": int(areas[i])}
            annotations.append(
                {
                    "id": first + i,
                    "image_id": sample.id,
                    "category_id": int(truth.class_ids[i]),
                    **shown,
                    "bbox": boxes[i].tolist(),
                    "iscrowd": 0,
                    "caption": None if truth.captions is None else truth.captions[i],
                    "parent_id": None if parent < 0 else first + parent,
                }
            )
    categories = [{"id": id, "name": name} for id, name in dataset.class_names.items()]
    path = folder / "annotations" / "instances_shapes.json"
    content = {
        "info": {"description": dataset.name},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
