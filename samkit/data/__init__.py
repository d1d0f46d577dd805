"""Readers: each gives a `Dataset` of samples, made when they are asked for.

A reader and its file have the same name. `samkit.data.coco` is the function, for everybody: it is
bound here, after its file was imported.
"""

from samkit.data.bbbc038 import bbbc038v1
from samkit.data.bsds500 import bsds500
from samkit.data.coco import coco
from samkit.data.cwfid import cwfid
from samkit.data.dataset import Dataset
from samkit.data.folder import folder
from samkit.data.huggingface import huggingface
from samkit.data.interactive import berkeley_interactive, coco_mval, davis_interactive, grabcut
from samkit.data.lvis import lvis
from samkit.data.packed import packed
from samkit.data.refcoco import refcoco
from samkit.data.sa1b import sa1b
from samkit.data.sa1b_file import read_sa1b, sa1b_content
from samkit.data.sa23 import sa23, sample_images, suite
from samkit.data.shapes import shapes
from samkit.data.yolo_labels import mask_label, yolo_labels

__all__ = [
    "Dataset",
    "bbbc038v1",
    "berkeley_interactive",
    "bsds500",
    "coco",
    "coco_mval",
    "cwfid",
    "davis_interactive",
    "folder",
    "grabcut",
    "huggingface",
    "lvis",
    "mask_label",
    "packed",
    "read_sa1b",
    "refcoco",
    "sa1b",
    "sa1b_content",
    "sa23",
    "sample_images",
    "shapes",
    "suite",
    "yolo_labels",
]
