"""One process at a time: a lock file that the system lets go of when its holder ends, however it ends."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_SECONDS = 0.2

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file at `path`, waiting, and saying so, while another process holds it.

    The file itself stays: removing it would let two processes hold two files of one name. Raises
    OSError where the file cannot be made or its file system knows no locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        told = False
        while not _try_lock(descriptor):
            if not told:
                print(f"samkit: another process holds {path}; waiting for it", file=sys.stderr)
                told = True
            time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)  # which lets go of the lock
