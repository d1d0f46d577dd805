"""Which of N rows an index picks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Index = int | slice | Sequence[int] | Sequence[bool] | NDArray[Any]


def rows_at(index: Index, count: int) -> NDArray[np.int64]:
    """Row numbers below `count` that an integer, slice, list of indices or boolean array picks.

    >>> rows_at([True, False, True], 3).tolist(), rows_at(-1, 3).tolist(), rows_at([], 3).tolist()
    ([0, 2], [2], [])
    """
    if isinstance(index, list | tuple):
        # numpy would take an empty list for one of floats.
        index = np.asarray(index, dtype=None if index else np.int64)
    return np.atleast_1d(np.arange(count)[index])
