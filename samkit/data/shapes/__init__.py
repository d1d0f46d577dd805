"""A made-up data set with exact truth, rendered on the fly: `shapes(n, seed, size)`."""

from samkit.data.shapes.dataset import shapes
from samkit.data.shapes.difficulty import difficulty
from samkit.data.shapes.export import to_coco
from samkit.data.shapes.scene import VERSION, Scene, render_scene
from samkit.data.shapes.silhouettes import CLASSES

__all__ = ["CLASSES", "VERSION", "Scene", "difficulty", "render_scene", "shapes", "to_coco"]
