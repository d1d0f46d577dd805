"""A network of more channels that answers as the one it began as (Chen et al., 2016, Net2Net)."""

import torch

from samkit.sam.mask_refiner import MaskRefiner


@torch.no_grad()
def widened(refiner: MaskRefiner, widths: tuple[int, ...]) -> MaskRefiner:
    """A refiner of these widths, as many as it has and none smaller, that draws the same at first.

    New channels begin as in a new network, and the old ones do not listen to them yet.
    Raises ValueError for other widths.
    """
    if len(widths) != len(refiner.widths) or any(
        new < old for new, old in zip(widths, refiner.widths, strict=True)
    ):
        raise ValueError(
            f"{refiner.name} has widths {refiner.widths}; {widths} are not as many or more"
        )
    own = refiner.sam_name, refiner.text_width, refiner.clip_name
    wide = MaskRefiner(refiner.side, widths, refiner.blocks, *own)
    state, before = wide.state_dict(), refiner.state_dict()
    for name, new in state.items():
        if not new.ndim:  # of batches that a norm has seen
            continue
        old, parts = before[name], 2 if ".change." in name else 1  # scales, and then shifts
        for there, here in zip(new.tensor_split(parts), old.tensor_split(parts), strict=True):
            if there.ndim > 1:
                there[: len(here), here.shape[1] :] = 0
            there[tuple(slice(side) for side in here.shape)] = here
    wide.load_state_dict(state)
    return wide
