"""OpenCV's GrabCut: colour models of inside and outside, and the cheapest cut between (extra: bench)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from samkit.ops.optional import require


def grab_cut(
    image: NDArray[np.uint8],
    inside: NDArray[np.bool_],
    outside: NDArray[np.bool_],
    guess: NDArray[np.bool_],
    iterations: int,
) -> NDArray[np.bool_]:
    """(H, W) bool that keeps what is inside and leaves out what is outside (Rother et al., 2004).

    image: (H, W, 3) uint8 RGB. inside, outside: (H, W) pixels that are known. guess: (H, W) of the
    others, those more likely inside; colour models begin with it. Colours are clustered from the same seed
    at every call. The guess comes back where it is empty or full: there is nothing to tell apart.
    """
    cv2 = require("cv2", extra="bench")
    labels = np.where(guess, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[inside], labels[outside] = cv2.GC_FGD, cv2.GC_BGD
    kept = _is_inside(cv2, labels)
    if kept.all() or not kept.any():
        return kept
    cv2.setRNGSeed(0)
    bgr = np.ascontiguousarray(image[..., ::-1])
    cv2.grabCut(bgr, labels, None, None, None, iterations, cv2.GC_INIT_WITH_MASK)
    return _is_inside(cv2, labels)


def _is_inside(cv2: Any, labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))
