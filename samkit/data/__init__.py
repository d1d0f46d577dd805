"""Readers: each gives a `Dataset` of samples, made when they are asked for.

A reader and its file have the same name. `samkit.data.coco` is the function, for everybody: it is
bound here, after its file was imported.
"""

from samkit.data.coco import coco
from samkit.data.dataset import Dataset
from samkit.data.folder import folder
from samkit.data.lvis import lvis
from samkit.data.shapes import shapes

__all__ = ["Dataset", "coco", "folder", "lvis", "shapes"]
