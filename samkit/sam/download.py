"""Files from the net: whole, checked, and only then in their place.

Beside a file NAME stand NAME.part (what came of it so far), NAME.refused (what came but is not it),
NAME.verified (that its sha256 was checked, and of which bytes) and NAME.lock.
"""

import errno
import os
import shutil
import time
import warnings
from pathlib import Path

from tqdm.auto import tqdm

from samkit.sam.cache import cache_folder
from samkit.sam.https import Answer, BrokenOff, ask
from samkit.sam.locks import locked
from samkit.sam.remote import Remote, beside, is_remembered, mismatch, remember

# Seconds to wait before asking again. A try that gets further than all before it costs none of them.
WAITS = (1.0, 2.0, 4.0)
UNPINNED_BYTES = 64 << 20  # the most that is taken of a file whose size nobody stated


def fetch(remote: Remote, folder: Path | None = None) -> Path:
    """The file in `folder` (default: `cache_folder()`), downloaded if it is not there yet.

    A broken download goes on where it was, now or in a later call. Several processes may ask for one
    file: one downloads, the others wait. A file that is there is checked once and then remembered.

    Raises ValueError for a file that is not what it must be (kept aside) and for what is not https,
    OSError where the server, the connection or the disk gives out, saying what was kept.
    """
    folder = cache_folder() if folder is None else folder
    path = folder / remote.name
    if is_remembered(remote, path):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with locked(beside(path, "lock")):
        if path.is_file() and not is_remembered(remote, path):
            if problem := mismatch(remote, path):
                os.replace(path, beside(path, "refused"))
                warnings.warn(
                    f"{path} is not the file it should be ({problem}); it is kept as "
                    f"{beside(path, 'refused')} and downloaded again",
                    stacklevel=2,
                )
            else:
                remember(remote, path)
        if not path.is_file():
            _download(remote, path)
            remember(remote, path)
    return path


def _download(remote: Remote, path: Path) -> None:
    part = beside(path, "part")
    if remote.size is None or _size(part) > remote.size:
        part.unlink(missing_ok=True)  # without a hash nothing tells a file patched of two
    for resumable in (True, False):
        if remote.size is not None:
            _require_space(part, remote.size - _size(part))
        pieced = _fill(remote, path)
        if not (problem := mismatch(remote, part)):
            os.replace(part, path)
            return
        if pieced and resumable:
            part.unlink()  # the file may have changed between two pieces; once more, anew
            continue
        os.replace(part, beside(path, "refused"))
        raise _refusal(remote, path, problem)


def _fill(remote: Remote, path: Path) -> bool:
    """Brings the part to its full length; whether it came in more than one piece."""
    part = beside(path, "part")
    begun, furthest, failures = _size(part), _size(part), 0
    pieced = begun > 0
    with tqdm(total=remote.size, initial=begun, unit="B", unit_scale=True, desc=remote.name) as bar:
        while remote.size is None or _size(part) < remote.size:
            try:
                _receive(remote, path, bar)
                break
            except BrokenOff as broken:
                reached = _size(part)
                failures = 0 if reached > furthest else failures + 1
                furthest = max(furthest, reached)
                if failures > len(WAITS) or not WAITS:
                    raise _given_up(remote, path, broken) from broken
                time.sleep(WAITS[max(0, failures - 1)])
                pieced = True
    return pieced


def _receive(remote: Remote, path: Path, bar: tqdm) -> None:
    """One request for what is missing, written behind what is there."""
    part = beside(path, "part")
    start = 0 if remote.size is None else _size(part)
    with ask(remote.address, start) as answer:
        other_size = None not in (remote.size, answer.total) and answer.total != remote.size
        if answer.is_page or other_size:
            raise _keep_aside(remote, path, answer)
        bar.n = answer.start
        limit = UNPINNED_BYTES if remote.size is None else remote.size
        try:
            with part.open("ab" if answer.start else "wb") as out:
                for piece in answer.pieces():
                    out.write(piece)
                    bar.update(len(piece))
                    if bar.n > limit:
                        break  # what is too long fails the check of its size
                # So that no power cut leaves a half file under the right name.
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            missing = None if remote.size is None else remote.size - _size(part)
            raise _no_space(part, missing) from error
    if remote.size is None and _size(part) > limit:
        part.unlink()
        raise ValueError(f"{remote.address} has more than the {limit:,} bytes that are taken of it")


def _given_up(remote: Remote, path: Path, broken: BrokenOff) -> OSError:
    kept = _size(beside(path, "part")) if remote.size else 0
    return OSError(
        f"no download of {remote.address}: {broken}. "
        + (f"{kept:,} bytes are kept, call again to go on. " if kept else "")
        + f"Or fetch it elsewhere and put it into {path.parent}"
    )


def _keep_aside(remote: Remote, path: Path, answer: Answer) -> ValueError:
    """Keeps the beginning of another file than asked for; what came earlier of the right one stays."""
    beside(path, "refused").write_bytes(next(answer.pieces(), b""))
    if answer.is_page:
        return _refusal(remote, path, "it is a web page, perhaps a login or notice of your network")
    return _refusal(remote, path, f"it has {answer.total:,} bytes instead of {remote.size:,}")


def _refusal(remote: Remote, path: Path, problem: str) -> ValueError:
    return ValueError(
        f"what {remote.address} gave is not {remote.name}: {problem}. It is not used; "
        f"it is kept as {beside(path, 'refused')} to be looked at"
    )


def _require_space(part: Path, missing: int) -> None:
    if shutil.disk_usage(part.parent).free < missing:
        raise _no_space(part, missing)


def _no_space(part: Path, missing: int | None) -> OSError:
    need = "" if missing is None else f": {missing:,} bytes are still to come"
    return OSError(
        f"no space left for {part}{need}. Free some and call again to go on, "
        "or set SAMKIT_HOME to a folder on another disk"
    )


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
