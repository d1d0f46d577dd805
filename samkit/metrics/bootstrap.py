"""How sure a mean over objects is: images are drawn again with replacement."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def bootstrap_means(
    sums: ArrayLike, counts: ArrayLike, resamplings: int = 1000, seed: int = 0
) -> NDArray[np.float64]:
    """(resamplings, K) means over objects, each of n images drawn again with replacement.

    sums: (n, K) per image the sums of K figures over its objects. counts: (n,) how many objects
    each image has. Images are drawn, not objects: objects of one image are alike. NaN where no
    image with an object is drawn.
    """
    total = np.asarray(sums, dtype=np.float64)
    number = np.asarray(counts, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means = np.full((resamplings, total.shape[1]), np.nan)
    for row in range(resamplings):
        times = np.bincount(rng.integers(0, len(total), len(total)), minlength=len(total))
        objects = times @ number
        if objects:
            means[row] = times @ total / objects
    return means


def interval(means: NDArray[np.float64], share: float = 0.95) -> NDArray[np.float64]:
    """(2, K) ends of the middle `share` of (resamplings, K) means."""
    edge = 50 * (1 - share)
    return np.asarray(np.nanpercentile(means, [edge, 100 - edge], axis=0))
