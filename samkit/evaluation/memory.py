"""Freed memory goes back to the system, so that a long run takes no more of it than a short one.

Every batch allocates and frees arrays of other sizes. glibc keeps most of what is freed, in pieces
that later arrays fit badly, and so a process grows for hours although nothing in it does.
"""

import ctypes
import functools
import sys
import time
from collections.abc import Callable

# A call takes some milliseconds, and as much again until the pages are back in use.
SECONDS_BETWEEN = 1.0


def give_back_freed_memory() -> bool:
    """Gives whole free pages of every heap back; False where the C library has no such call.

    Only glibc (nearly every Linux) needs it: others give memory back by themselves.
    """
    malloc_trim = _malloc_trim()
    if malloc_trim is None:
        return False
    malloc_trim(0)
    return True


def at_intervals(function: Callable[[], object]) -> Callable[[], None]:
    """The function, called again only once `SECONDS_BETWEEN` have passed since it was."""
    last = time.monotonic()

    def call() -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN:
            function()
            last = time.monotonic()

    return call


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    # Of what the process has loaded itself: with another allocator preloaded this frees nothing.
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
