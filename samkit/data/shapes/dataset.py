"""The scenes as a `Dataset` of samples, rendered when they are asked for."""

import numpy as np

from samkit.data.dataset import Dataset
from samkit.data.shapes.scene import VERSION, Scene, render_scene
from samkit.data.shapes.silhouettes import CLASSES
from samkit.ops import rle
from samkit.ops.boxes import xywh_to_xyxy
from samkit.types import Annotations, Sample

CLASS_NAMES: dict[int, str] = dict(enumerate(CLASSES, start=1))


def shapes(n: int = 100, seed: int = 0, size: int = 256) -> Dataset:
    """Scenes 0 to n - 1 of a seed, (size, size) pixels, with exact truth; ids are the numbers.

    Scene i is the same whatever n is, in every process, for one version of the generator; the
    data set's name carries version, n, seed and size. Each access renders the scene, once for image
    and annotations together. Annotations hold boxes, class_ids, run_lengths of the visible pixels,
    areas, captions, and the parents of parts.

    Raises ValueError for a negative n or seed, or a size below 32.

    >>> [sample] = shapes(n=1)
    >>> sample.annotations.captions[0]
    'a white brick-textured tree'
    """
    if n < 0 or seed < 0 or size < 32:
        raise ValueError(f"shapes wants n >= 0, seed >= 0, size >= 32; got {n}, {seed}, {size}")

    def make(index: int) -> Sample:
        scene = render_scene(seed, index, size)
        return Sample(index, scene.image, annotate(scene))

    name = f"shapes-v{VERSION}(n={n}, seed={seed}, size={size})"
    return Dataset(name, range(n), make, CLASS_NAMES)


def annotate(scene: Scene) -> Annotations:
    """A scene's truth as annotations of its image."""
    run_lengths = tuple(rle.encode(scene.masks))
    boxes = rle.boxes_xywh(run_lengths)
    height, width = scene.image.shape[:2]
    return Annotations(
        (height, width),
        xywh_to_xyxy(boxes).astype(np.float32),
        scene.class_ids,
        run_lengths=run_lengths,
        areas=rle.areas(run_lengths).astype(np.float64),
        is_crowd=np.zeros(len(scene), dtype=bool),
        captions=scene.captions,
        parents=scene.parents,
        class_names=CLASS_NAMES,
    )
