"""What becomes of freed memory: some is kept at hand, the rest goes back to the system.

glibc gives large arrays back as soon as they are freed, and the next one of that size faults in page
by page, which took a quarter of the time of `tiny`'s decoder. Of small ones it keeps most, in
pieces that later arrays fit badly, and so a process grows for hours although nothing in it does.
"""

import ctypes
import functools
import sys
import time
from collections.abc import Callable

import numpy as np

# A call takes some milliseconds, and as much again until the pages are back in use.
SECONDS_BETWEEN = 1.0
# A little under glibc's DEFAULT_MMAP_THRESHOLD_MAX on 64 bits: its own header comes on top.
LARGEST_THAT_COUNTS = 32 * 2**20 - 2**16


@functools.cache
def keep_some_freed_memory() -> None:
    """Lets this process keep up to 64 MiB of freed arrays for the next ones; once is enough.

    glibc raises its limits to the largest block that it ever saw freed, 32 MiB at most, and keeps
    twice as much. Other allocators see a block come and go.
    """
    np.empty(LARGEST_THAT_COUNTS, dtype=np.uint8)


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
