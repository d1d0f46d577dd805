"""What settings of `Proposals` go together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from samkit.stages.proposals import Proposals

# Every mask, for what ranks them by itself, and for a SAM that scores its own low, as `tiny` does.
KEEP_ALL: dict[str, Any] = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}


def check(stage: "Proposals") -> None:
    """Raises ValueError, with the cure, for settings that contradict each other."""
    if (stage.points_per_side is None) == (stage.point_grids is None):
        raise ValueError(
            "give points_per_side or point_grids, and the other as None; got points_per_side="
            f"{stage.points_per_side} and {'no ' if stage.point_grids is None else ''}point_grids"
        )
    least = {
        "points_per_side": 0,
        "points_per_batch": 1,
        "stability_score_offset": 0,
        "crop_n_layers": 0,
        "crop_n_points_downscale_factor": 1,
        "min_mask_region_area": 0,
    }
    for name, low in least.items():
        value = getattr(stage, name)
        if value is not None and not value >= low:
            raise ValueError(f"{name} is at least {low}, got {value}")
    if stage.drop_small_masks and not stage.min_mask_region_area:
        raise ValueError(
            "drop_small_masks drops masks smaller than min_mask_region_area; give that too, "
            "the paper's is 100"
        )
    if stage.point_grids is not None:
        _check_grids(stage.point_grids, stage.crop_n_layers + 1)


def _check_grids(point_grids: Sequence[Any], needed: int) -> None:
    if len(point_grids) < needed:
        raise ValueError(
            f"point_grids has one grid for the picture and one for each layer of crops, {needed} in "
            f"all; got {len(point_grids)}"
        )
    for number, grid in enumerate(point_grids):
        xy = np.asarray(grid, dtype=np.float64)
        if xy.size and (xy.ndim != 2 or xy.shape[1] != 2):
            raise ValueError(f"grid {number} is (n, 2) xy points, got shape {xy.shape}")
        if not ((xy >= 0) & (xy <= 1)).all():
            raise ValueError(f"points of grid {number} are shares of the sides, from 0 to 1")
