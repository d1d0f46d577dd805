"""Valid files that fuzzing begins from."""

import io
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

from samkit.evaluation.rows import FORMAT

INSTANCES: dict[str, list[dict[str, Any]]] = {
    "images": [
        {"id": 4, "file_name": "a.png", "height": 6, "width": 8},
        {"id": 12, "file_name": "b.png", "height": 6, "width": 8, "coco_url": "x/val2017/b.png"},
    ],
    "annotations": [
        {
            "id": 9,
            "image_id": 4,
            "category_id": 17,
            "segmentation": [[1, 1, 5, 1, 5, 4, 1, 4], [0.5, 0.5, 2.5, 0.5, 2, 3]],
            "bbox": [1, 1, 4, 3],
            "area": 11.5,
            "iscrowd": 0,
        },
        {
            "id": 5,
            "image_id": 4,
            "category_id": 3,
            "segmentation": {"size": [6, 8], "counts": [0, 6, 36, 6]},
            "bbox": [0, 0, 8, 6],
            "area": 12,
            "iscrowd": 1,
        },
        {
            "id": 6,
            "image_id": 12,
            "category_id": 3,
            "segmentation": {"size": [6, 8], "counts": "06T10"},
            "bbox": [0, 0, 8, 6],
        },
    ],
    "categories": [{"id": 17, "name": "cat"}, {"id": 3, "name": "car"}],
}
BOXES = [
    {"image_id": 4, "category_id": 17, "bbox": [1, 1, 4, 3], "score": 0.9},
    {"image_id": 4, "category_id": 3, "bbox": [0.5, 0, 7.25, 6], "score": 0.125},
    {"image_id": "b", "category_id": 3, "bbox": [0, 0, 8, 6], "score": 1},
]
SA1B = {
    "image": {"image_id": 7, "width": 8, "height": 6, "file_name": "a.png"},
    "annotations": [
        {
            "id": 1,
            "segmentation": {"size": [6, 8], "counts": "06T10"},
            "bbox": [0, 0, 7, 5],
            "area": 12,
            "predicted_iou": 0.91,
            "stability_score": None,
            "crop_box": [0, 0, 8, 6],
            "point_coords": [[2.5, 3]],
        }
    ],
}
YOLO = "0 0.5 0.5 0.25 1\n\n17 0.1 0.1 0.9 0.1 0.9 0.95 0.5 0.2\n"
SECONDS_OF_ROW = {"data": 0.5, "total": 1.0}
ROWS = [
    {"format": FORMAT, "sam": "tiny", "samples": 2, "seed": 0, "resumed": [{"device": "cpu"}]},
    {"index": 0, "id": 4, "row": {"value": 1.5}, "seconds": SECONDS_OF_ROW},
    {"index": 1, "id": "b", "error": "ValueError: no", "seconds": SECONDS_OF_ROW},
]


def picture_files() -> list[bytes]:
    """Small pictures of every format and of the modes that take ways of their own."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 31, 4), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a scene"
    colour, with_alpha = Image.fromarray(noise[..., :3]), Image.fromarray(noise)
    deep = Image.fromarray(noise[..., 0].astype(np.uint16) * 256)
    kinds: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("JPEG", colour, {"exif": exif}),
        ("JPEG", colour.convert("CMYK"), {"progressive": True}),
        ("PNG", with_alpha, {"exif": exif}),
        ("PNG", colour.convert("P"), {"transparency": bytes(range(200))}),
        ("PNG", deep, {}),
        ("WEBP", with_alpha, {"exif": exif}),
        ("WEBP", colour, {"lossless": True}),
        ("TIFF", colour, {"exif": exif}),
        ("TIFF", deep, {"compression": "tiff_lzw"}),
        ("TIFF", colour.convert("1"), {"compression": "group4"}),
        ("BMP", colour, {}),
        ("GIF", colour.convert("P"), {"save_all": True, "append_images": [colour]}),
        ("PPM", colour, {}),
    ]
    files = []
    for kind, picture, options in kinds:
        stream = io.BytesIO()
        picture.save(stream, kind, **options)
        files.append(stream.getvalue())
    return files


def mat_file(variable: str, packed: int) -> bytes:
    """A MATLAB file with the boundaries of two annotators (`groundTruth`) or contours (`ucm2`)."""
    cells = np.empty((1, 2), object)
    for number in range(2):
        cells[0, number] = {"Boundaries": np.eye(6, 8, dtype=np.uint8)}
    value = cells if variable == "groundTruth" else np.linspace(0, 1, 13 * 17).reshape(13, 17)
    stream = io.BytesIO()
    savemat(stream, {variable: value}, do_compression=bool(packed))
    return stream.getvalue()
