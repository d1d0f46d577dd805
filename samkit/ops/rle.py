"""COCO run lengths: {"size": [height, width], "counts": str}, the compressed form all tools expect."""

import operator
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import numpy as np
from faster_coco_eval import mask as coco_mask
from numpy.typing import NDArray

from samkit.ops.images import pixel_limit
from samkit.ops.segmentations import LARGEST_MASK, check_counts, check_polygons, check_size


class RLE(TypedDict):
    """One mask as COCO run lengths, column by column."""

    size: list[int]
    counts: str


def encode(masks: NDArray[np.bool_]) -> list[RLE]:
    """(N, H, W) bool masks to N run lengths."""
    if masks.ndim != 3:
        raise ValueError(f"masks have shape (N, H, W), got {masks.shape}")
    if not len(masks):
        return []
    # The coder wants columns to be contiguous: a transposed view is copied only once.
    columns = np.asfortranarray(masks.transpose(1, 2, 0), dtype=np.uint8)
    return [_as_text(run_lengths) for run_lengths in coco_mask.encode(columns)]


def decode(run_lengths: Sequence[RLE], size: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """N run lengths to (N, H, W) bool masks; `size` (H, W) is needed only where N may be 0.

    Raises ValueError for masks of several sizes, and for one of more pixels than a picture may have
    (`samkit.ops.images.pixel_limit`): a few bytes of run lengths can tell of gigabytes.
    """
    if not run_lengths:
        return np.zeros((0, *(size or (0, 0))), dtype=bool)
    given = _readable(run_lengths)
    return np.ascontiguousarray(_coder(coco_mask.decode, given).transpose(2, 0, 1)) > 0


def decode_part(run_length: RLE, rows: slice, columns: slice) -> NDArray[np.bool_]:
    """The pixels (h, w) of one mask that lie there: of a large picture a third of the time of all.

    >>> decode_part(encode(np.eye(4, dtype=bool)[None])[0], slice(1, 3), slice(0, 3)).astype(int)
    array([[0, 1, 0],
           [0, 0, 1]])
    """
    part = _coder(coco_mask.decode, _readable([run_length]))[rows, columns, 0]
    return np.ascontiguousarray(part) > 0


def areas(run_lengths: Sequence[RLE]) -> NDArray[np.int64]:
    """Areas (N,) in pixels."""
    if not run_lengths:
        return np.zeros(0, dtype=np.int64)
    return np.asarray(_coder(coco_mask.area, _as_bytes(run_lengths)), dtype=np.int64)


def boxes_xywh(run_lengths: Sequence[RLE]) -> NDArray[np.float64]:
    """COCO boxes (N, 4): x, y, width = last - first + 1, height likewise; zeros where empty."""
    if not run_lengths:
        return np.zeros((0, 4))
    boxes = _coder(coco_mask.toBbox, _as_bytes(run_lengths))
    return np.asarray(boxes, dtype=np.float64).reshape(-1, 4)


def iou(
    run_lengths: Sequence[RLE], others: Sequence[RLE], is_crowd: Sequence[bool] | None = None
) -> NDArray[np.float64]:
    """Intersection over union (N, M) of N with M masks of the same size; 0 where both are empty.

    is_crowd: M flags; over a crowd region the intersection counts over the first mask's own area,
        as in COCO's evaluation.

    Raises ValueError for run lengths that do not fill their mask exactly: the coder would never end.
    """
    if not run_lengths or not others:
        return np.zeros((len(run_lengths), len(others)))
    crowd = [False] * len(others) if is_crowd is None else is_crowd
    flags = [int(flag) for flag in crowd]
    return np.asarray(_coder(coco_mask.iou, _filling(run_lengths), _filling(others), flags))


def union(run_lengths: Sequence[RLE]) -> RLE:
    """One mask of all pixels that any of some masks of the same size has.

    Raises ValueError for no masks: their size would not be known; and for run lengths that do not fill
    their mask exactly.
    """
    if not run_lengths:
        raise ValueError("no masks to unite; an empty mask of a size is encode(np.zeros(...))[0]")
    return _as_text(_coder(coco_mask.merge, _filling(run_lengths)))


def from_spans(starts: NDArray[np.int64], ends: NDArray[np.int64], height: int, width: int) -> RLE:
    """Spans of pixels, numbered column by column, as run lengths.

    starts, ends: (n,) first pixel of each span and the one behind its last, in order; a span may end
        where the next one starts.
    """
    apart = ends[:-1] != starts[1:]
    kept_starts = np.concatenate([starts[:1], starts[1:][apart]])
    kept_ends = np.concatenate([ends[:-1][apart], ends[-1:]])
    spans = np.stack([kept_starts, kept_ends], axis=1).ravel()
    counts = np.diff(np.concatenate([[0], spans, [height * width]]))
    if len(counts) > 1 and counts[-1] == 0:  # A mask that ends inside has no last run outside.
        counts = counts[:-1]
    filled = {"size": [height, width], "counts": counts.tolist()}
    return _as_text(coco_mask.frPyObjects(filled, height, width))


def empty(height: int, width: int) -> RLE:
    """A mask without a pixel."""
    nothing = {"size": [height, width], "counts": [height * width]}
    return _as_text(coco_mask.frPyObjects(nothing, height, width))


def from_coco(segmentation: Any, height: int, width: int) -> RLE:
    """COCO's `segmentation` - polygons, uncompressed or compressed run lengths - as run lengths.

    polygons: list of [x, y, x, y, ...] in pixels; several are one object's parts (their union).
    A polygon of fewer than three corners encloses nothing, and no polygon at all is an empty mask.

    Raises ValueError for anything else: another size than the image's, run lengths that do not fill
    it exactly, corners that are not finite or absurdly far away.
    """
    check_size([height, width], height, width)
    if isinstance(segmentation, list):
        # The coder takes four numbers for a box and stumbles over an empty list.
        corners = check_polygons(segmentation)
        if not corners:
            return empty(height, width)
        return _as_text(coco_mask.merge(coco_mask.frPyObjects(corners, height, width)))
    if not isinstance(segmentation, dict) or not {"size", "counts"} <= segmentation.keys():
        raise ValueError("a segmentation is a list of polygons, or run lengths as size and counts")
    check_size(segmentation["size"], height, width)
    counts = check_counts(segmentation["counts"], height * width)
    if isinstance(counts, list):
        filled = {"size": [height, width], "counts": counts}
        return _as_text(coco_mask.frPyObjects(filled, height, width))
    return {"size": [height, width], "counts": counts}


def _as_text(run_lengths: Any) -> RLE:
    counts = run_lengths["counts"]
    text = counts.decode("ascii") if isinstance(counts, bytes) else counts
    return {"size": [int(side) for side in run_lengths["size"]], "counts": text}


def _as_bytes(run_lengths: Sequence[RLE]) -> list[dict[str, Any]]:
    """As the coder takes them. Raises ValueError for what are no run lengths at all."""
    given = []
    for number, one in enumerate(run_lengths):
        try:
            (height, width), counts = one["size"], one["counts"].encode("ascii")
            if not 0 <= operator.index(height) * operator.index(width) <= LARGEST_MASK:
                raise ValueError("a size that no mask has")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            told = f"{str(one)[:80]} ({error})"
            raise ValueError(
                f'mask {number}: expected {{"size": [height, width], "counts": text}}, got {told}'
            ) from error
        given.append({"size": one["size"], "counts": counts})
    return given


def _readable(run_lengths: Sequence[RLE]) -> list[dict[str, Any]]:
    """As the coder takes them to make pixels, of one size that a picture may have."""
    given = _as_bytes(run_lengths)
    sizes = sorted({(one["size"][0], one["size"][1]) for one in given})
    if len(sizes) > 1:
        raise ValueError(f"masks that are decoded together have one size, got {sizes[:5]}")
    height, width = sizes[0]
    if height * width > pixel_limit():
        raise ValueError(
            f"a mask of {height} x {width} has more than {pixel_limit()} pixels; "
            "the environment variable SAMKIT_MAX_PIXELS raises that"
        )
    return given


def _filling(run_lengths: Sequence[RLE]) -> list[dict[str, Any]]:
    """As the coder takes them, each known to fill its mask exactly."""
    given = _as_bytes(run_lengths)
    for number, one in enumerate(run_lengths):
        try:
            check_counts(one["counts"], one["size"][0] * one["size"][1])
        except ValueError as error:
            raise ValueError(f"mask {number}: {error}") from error
    return given


def _coder(function: Callable[..., Any], *given: Any) -> Any:
    """What COCO's coder answers; it checks the counts, but raises RuntimeError for some."""
    try:
        return function(*given)
    except RuntimeError as error:
        raise ValueError(f"the coder cannot read these run lengths: {error}") from error
