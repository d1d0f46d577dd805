"""How hard the scenes are: figures that belong beside every number measured on them."""

import numpy as np

from samkit.data.shapes.scene import render_scene


def difficulty(n: int = 200, seed: int = 0, size: int = 256) -> dict[str, float]:
    """Figures of the first n scenes of a seed (issue 2 asks for the bounds given here).

    objects_per_scene: mean number of objects, wholes and parts (at least 6).
    median_relative_area: median of visible pixels over the image's (below 0.02).
    share_occluded_over_20_percent: of all objects, hidden by others by over a fifth (a third).
    share_with_parts: of all wholes, with at least one part (a half).
    share_of_subparts: of all objects, part of a part.

    Raises ValueError for n below 1.

    >>> difficulty(n=20)["objects_per_scene"] >= 6
    True
    """
    if n < 1:
        raise ValueError(f"difficulty needs at least one scene, got n={n}")
    areas: list[float] = []
    occluded: list[float] = []
    have_parts: list[bool] = []
    are_subparts: list[bool] = []
    for index in range(n):
        scene = render_scene(seed, index, size)
        areas += scene.masks.mean(axis=(1, 2)).tolist()
        occluded += scene.occluded.tolist()
        parents = scene.parents
        have_parts += np.isin(np.flatnonzero(parents < 0), parents).tolist()
        are_subparts += ((parents >= 0) & (parents[parents] >= 0)).tolist()
    return {
        "objects_per_scene": len(areas) / n,
        "median_relative_area": float(np.median(areas)),
        "share_occluded_over_20_percent": float(np.mean(np.array(occluded) > 0.2)),
        "share_with_parts": float(np.mean(have_parts)),
        "share_of_subparts": float(np.mean(are_subparts)),
    }
