"""MATLAB files as data only: nothing in them is run, and none fills the memory or ends the process."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The largest truth of BSDS500 is 2 MB unpacked, an NYUDv2 one 5.
MOST_BYTES = 1 << 28
_HEADER = 128
# Types of elements: numbers and texts, one array in another, a packed one.
_PLAIN = frozenset((1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 17, 18))
_MATRIX, _COMPRESSED = 14, 15
# Classes of arrays that hold arrays, and those that hold numbers or texts.
_CELL, _STRUCT, _NUMBERS = 1, 2, frozenset((4, *range(6, 16)))


def read_mat(path: str | Path, variable: str) -> NDArray[Any]:
    """One variable of a MATLAB file (version 5 to 7.2) of numbers, texts, cells and structs.

    scipy reads it. It trusts the types that a file tells of its elements, and a false one ends the
    whole process; so they are looked over first.

    Raises FileNotFoundError, and ValueError that names the file where it cannot be read, has no such
    variable, holds functions or objects, or is larger than `MOST_BYTES` unpacked.
    """
    from scipy.io import loadmat

    if not Path(path).is_file():
        raise FileNotFoundError(f"no file at {path}")
    try:
        _look_over(Path(path))
        content = loadmat(str(path))
    except NotImplementedError as error:
        raise ValueError(
            f"{path} is a MATLAB file of version 7.3 (HDF5); save it anew with -v7"
        ) from error
    except Exception as error:  # A damaged file fails in any of the reader's many places.
        raise ValueError(f"{path} cannot be read as a MATLAB file: {error}") from error
    if variable not in content:
        names = [name for name in content if not name.startswith("__")]
        raise ValueError(f"{path} has no {variable}, only {', '.join(names) or 'nothing'}")
    return np.asarray(content[variable])


def _look_over(path: Path) -> None:
    """Raises ValueError where a MATLAB 5 file is not what it tells to be; others are scipy's to judge."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"it has {size} bytes, more than {MOST_BYTES} are not read")
    data = path.read_bytes()
    if data[126:128] not in (b"IM", b"MI") or data[124:126] not in (b"\0\1", b"\1\0"):
        return
    order, left = ("<" if data[126:128] == b"IM" else ">"), MOST_BYTES
    for kind, content in _elements(data[_HEADER:], order):
        if kind == _COMPRESSED:
            unpacked = zlib.decompressobj().decompress(content, left + 1)
            left -= len(unpacked)
            if left < 0:
                raise ValueError(f"it holds more than {MOST_BYTES} bytes unpacked")
            [(kind, content)] = _elements(unpacked, order)
        if kind != _MATRIX:
            raise ValueError(f"an element of type {kind} stands where an array should")
        _look_over_array(content, order)


def _look_over_array(content: bytes, order: str, depth: int = 0) -> None:
    if not content:
        return  # what MATLAB writes for an empty cell
    parts = list(_elements(content, order))
    if depth > 16 or len(parts) < 3 or [kind for kind, _ in parts[:3]] != [6, 5, 1]:
        raise ValueError("an array does not begin with flags, sizes and name")
    array_class = struct.unpack_from(f"{order}I", parts[0][1])[0] & 0xFF
    count = int(np.prod(np.frombuffer(parts[1][1], f"{order}i4").astype(object)))
    if array_class in _NUMBERS:
        wrong = [kind for kind, _ in parts[3:] if kind not in _PLAIN]
        if wrong or not 4 <= len(parts) <= 5:
            raise ValueError(f"an array of numbers has {len(parts) - 3} parts, of types {wrong}")
        return
    if array_class not in (_CELL, _STRUCT):
        raise ValueError(f"an array of class {array_class} is no numbers, text, cell or struct")
    arrays = parts[3:]
    if array_class == _STRUCT:
        if [kind for kind, _ in parts[3:5]] != [5, 1]:
            raise ValueError("a struct has no names of fields")
        [width] = struct.unpack(f"{order}i", parts[3][1])
        if width <= 0 or len(parts[4][1]) % width:
            raise ValueError(f"a struct's names of fields are {width} long")
        count, arrays = count * (len(parts[4][1]) // width), parts[5:]
    if len(arrays) != count or any(kind != _MATRIX for kind, _ in arrays):
        raise ValueError(f"a cell or struct of {count} arrays has {len(arrays)}")
    for _, array in arrays:
        _look_over_array(array, order, depth + 1)


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and content of each element; those of up to four bytes hold both in their first eight."""
    place = 0
    while place + 8 <= len(data):
        kind, length = struct.unpack_from(f"{order}II", data, place)
        start = place + 8
        if kind >> 16:
            kind, length, start = kind & 0xFFFF, kind >> 16, place + 4
            if length > 4:
                raise ValueError(f"a small element has {length} bytes")
        if start + length > len(data):
            raise ValueError(f"an element of {length} bytes ends after the file")
        yield kind, data[start : start + length]
        padded = 0 if kind == _COMPRESSED or start == place + 4 else -length % 8
        place = place + 8 if start == place + 4 else start + length + padded
