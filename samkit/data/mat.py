"""MATLAB files (version 5 to 7.2) as data only: nothing in them is run, none fills the memory.

scipy.io.loadmat would read them too, but its compiled reader trusts what a file tells of itself: of
10,000 damaged files some ended the whole process, and a long run with it.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

# The largest truth of BSDS500 is 2 MB unpacked, an NYUDv2 one 5.
MOST_BYTES = 1 << 28
_HEADER = 128
# How elements hold numbers, by their type, and as what an array of each class shows them.
_STORED = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_SHOWN = {
    6: "f8",
    7: "f4",
    8: "i1",
    9: "u1",
    10: "i2",
    11: "u2",
    12: "i4",
    13: "u4",
    14: "i8",
    15: "u8",
}
Order = Literal["<", ">"]
Part = tuple[int, bytes]
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _TEXT = 1, 2, 4
_DEEPEST = 16


def read_mat(path: str | Path, variable: str) -> NDArray[Any]:
    """One variable of a MATLAB file: real numbers, cells and structs of them, as scipy gives them.

    Cells are arrays of objects, structs arrays of records of objects; texts come out as their bytes.

    Raises FileNotFoundError, and ValueError that names the file where it cannot be read, has no such
    variable, holds what is none of these, or is larger than `MOST_BYTES` unpacked.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file at {path}")
    try:
        found = _variables(path)
    except Exception as error:  # A damaged file fails in any of the places where it is taken apart.
        raise ValueError(f"{path} cannot be read as a MATLAB file: {error}") from error
    if variable not in found:
        raise ValueError(f"{path} has no {variable}, only {', '.join(found) or 'nothing'}")
    return found[variable]


def _variables(path: Path) -> dict[str, NDArray[Any]]:
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"it has {size} bytes, more than {MOST_BYTES} are not read")
    data = path.read_bytes()
    if data[126:128] not in (b"IM", b"MI"):
        raise ValueError("it does not begin as one of version 5 to 7.2 does")
    order: Order = "<" if data[126:128] == b"IM" else ">"
    if struct.unpack_from(f"{order}H", data, 124)[0] == 0x200:
        raise ValueError("it is of version 7.3 (HDF5); save it anew with -v7")
    found, left = {}, MOST_BYTES
    for kind, content in _elements(data[_HEADER:], order):
        if kind == _COMPRESSED:
            unpacked = zlib.decompressobj().decompress(content, left + 1)
            left -= len(unpacked)
            if left < 0:
                raise ValueError(f"it holds more than {MOST_BYTES} bytes unpacked")
            [(kind, content)] = _elements(unpacked, order)
        if kind != _MATRIX:
            raise ValueError(f"an element of type {kind} stands where an array should")
        name, array = _array(content, order)
        found[name] = array
    return found


def _array(content: bytes, order: Order, depth: int = 0) -> tuple[str, NDArray[Any]]:
    """Name and values of an array from its parts: flags, sizes, name, and what its class has."""
    if not content:
        return "", np.zeros((0, 0))  # what MATLAB writes for an empty cell
    parts = list(_elements(content, order))
    if depth > _DEEPEST or [kind for kind, _ in parts[:3]] != [6, 5, 1]:
        raise ValueError("an array does not begin with flags, sizes and name")
    (flags, shape), name = (_numbers(part, order) for part in parts[:2]), parts[2][1]
    kind, is_complex = int(flags[0]) & 0xFF, bool(int(flags[0]) & 0x800)
    sizes = [int(size) for size in shape]
    # A cell without content takes no bytes, so the sizes of the file do not bound how many there are.
    if min(sizes, default=-1) < 0 or math.prod(sizes) > len(content):
        raise ValueError(f"an array of {sizes} stands in {len(content)} bytes")
    return name.decode("latin-1"), _values(kind, is_complex, sizes, parts[3:], order, depth)


def _values(
    kind: int, is_complex: bool, sizes: list[int], parts: list[Part], order: Order, depth: int
) -> NDArray[Any]:
    if kind in (*_SHOWN, _TEXT) and not is_complex:
        [part] = parts
        values = _numbers(part, order) if part[0] in _STORED else np.frombuffer(part[1], "u1")
        shown = values.astype(_SHOWN.get(kind, values.dtype.newbyteorder("=")))
        return shown if kind == _TEXT else shown.reshape(sizes, order="F")
    if kind == _CELL:
        arrays = [_array(array, order, depth + 1)[1] for _, array in parts]
        return _objects(arrays, sizes)
    if kind == _STRUCT:
        (width,), texts = _numbers(parts[0], order), parts[1][1]
        names = [
            texts[i : i + width].split(b"\0")[0].decode("latin-1")
            for i in range(0, len(texts), width)
        ]
        arrays = [_array(array, order, depth + 1)[1] for _, array in parts[2:]]
        records = np.empty(sizes, dtype=[(name, object) for name in names])
        for number, name in enumerate(names):
            records[name] = _objects(arrays[number :: len(names)], sizes)
        return records
    raise ValueError(f"an array of class {kind} is no real numbers, text, cell or struct")


def _objects(arrays: list[NDArray[Any]], sizes: list[int]) -> NDArray[Any]:
    if len(arrays) != math.prod(sizes):
        raise ValueError(f"a cell or struct of {sizes} has {len(arrays)} arrays")
    cells = np.empty(len(arrays), dtype=object)
    for place, array in enumerate(arrays):
        cells[place] = array
    return cells.reshape(sizes, order="F")


def _numbers(part: Part, order: Order) -> NDArray[Any]:
    kind, content = part
    if kind not in _STORED:
        raise ValueError(f"an element of type {kind} stands where numbers should")
    return np.frombuffer(content, np.dtype(_STORED[kind]).newbyteorder(order))


def _elements(data: bytes, order: Order) -> Iterator[Part]:
    """Type and content of each element; those of up to four bytes hold both in their first eight."""
    place = 0
    while place + 8 <= len(data):
        kind, length = struct.unpack_from(f"{order}II", data, place)
        start = place + 8
        small = kind >> 16 != 0
        if small:
            kind, length, start = kind & 0xFFFF, kind >> 16, place + 4
        if start + length > len(data) or (small and length > 4):
            raise ValueError(f"an element of {length} bytes does not fit where it stands")
        yield kind, data[start : start + length]
        # Small ones take eight bytes in all; packed ones are followed at once.
        place = place + 8 if small else start + length + (-length % 8 if kind != _COMPRESSED else 0)
