"""What of a SAM is taught along with a text prompt, and comes in its file."""

from typing import Literal

import torch

from samkit.clip.projection import DECODER, ENCODER, TextProjection
from samkit.sam.low_rank import low_rank_change
from samkit.sam.model import Sam

Taught = Literal["projection", "decoder", "all"]


def choose(sam: Sam, what: Taught) -> list[torch.nn.Parameter]:
    """What of the SAM is taught beside the projection; the rest is frozen."""
    sam.requires_grad_(False)
    parts: list[torch.nn.Module] = [] if what == "projection" else [sam.mask_decoder]
    parts += [sam.image_encoder] if what == "all" else []
    return [parameter for part in parts for parameter in part.requires_grad_(True).parameters()]


def take_along(
    projection: TextProjection, original: Sam, taught: Sam, what: Taught, rank: int
) -> None:
    """The decoder and the encoder's change go into the projection, whose file holds them.

    rank: of the thin matrices as which the change is kept; 0 keeps all of it.
    """
    if what != "projection":
        tensors = taught.mask_decoder.state_dict()
        projection.decoder = {DECODER + name: t.detach().cpu() for name, t in tensors.items()}
    if what == "all":
        change = low_rank_change(original.image_encoder, taught.image_encoder, rank)
        projection.encoder = {ENCODER + name: tensor for name, tensor in change.items()}
