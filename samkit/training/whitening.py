"""First weights of an image encoder that suit photographs, for trainings that can't afford MAE."""

import torch
import torch.nn.functional as F

from samkit.sam.image_encoder import RelativeAttention
from samkit.sam.model import Sam
from samkit.training.step import normalised


@torch.no_grad()
def whiten(sam: Sam, images: torch.Tensor) -> None:
    """Makes the patch embedding the images' principal components, each of variance one; in place.

    images: (N, S, S, 3) uint8, a few hundred. Patches of photographs differ by brightness above all,
    and a random projection shows a network little else for a long time; what tells where in a patch
    an edge runs has a thousandth of that variance. Flat patches, the padding's, are left out; channels
    beyond a patch's numbers stay as they are.

    Raises ValueError where there are fewer patches than a component needs.
    """
    layer = sam.image_encoder.patch_embed["proj"]
    assert isinstance(layer, torch.nn.Conv2d)
    assert layer.bias is not None
    size, count = layer.weight.shape[-1], min(layer.weight.shape[0], layer.weight[0].numel())
    pixels = normalised(images).to(layer.weight)
    patches = F.unfold(pixels, size, stride=size).transpose(1, 2).flatten(0, 1)
    flat = patches.unflatten(1, (3, -1)).std(dim=2).amax(dim=1) < 0.02
    patches = patches[~flat]
    if len(patches) < 4 * count:
        raise ValueError(
            f"{count} components need {4 * count} patches, got {len(patches)} that are not flat; give "
            "more pictures"
        )
    mean = patches.mean(dim=0)
    centred = (patches - mean).double()
    variances, components = torch.linalg.eigh(centred.T @ centred / len(patches))
    weight = (components[:, -count:] / variances[-count:].clamp(min=1e-8).sqrt()).T.to(mean)
    layer.weight[:count] = weight.unflatten(1, layer.weight.shape[1:])
    layer.bias[:count] = -weight @ mean


@torch.no_grad()
def attend_to_alike(sam: Sam) -> None:
    """Attention weights as trained encoders tend to have them (Trockman and Kolter 2023); in place.

    Query times key is near the identity, so a token attends to tokens like itself; value times
    projection is near minus the identity.
    """
    for attention in sam.image_encoder.modules():
        if not isinstance(attention, RelativeAttention):
            continue
        width = attention.proj.weight.shape[0]
        query, key, value = attention.qkv.weight.split(width)
        heads = attention.num_heads
        for one_query, one_key in zip(query.chunk(heads), key.chunk(heads), strict=True):
            left, right = _factors(_near_identity(width, 0.7, 0.7), len(one_query))
            one_query.copy_(left)
            one_key.copy_(right)
        left, right = _factors(_near_identity(width, 0.4, -0.4), width)
        value.copy_(right)
        attention.proj.weight.copy_(left.T)


def _near_identity(width: int, noise: float, identity: float) -> torch.Tensor:
    scale = noise / width**0.5
    matrix: torch.Tensor = scale * torch.randn(width, width) + identity * torch.eye(width)
    return matrix


def _factors(matrix: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(rank, width) each, whose product left.T @ right is the matrix's best of that rank."""
    left, values, right = torch.linalg.svd(matrix)
    root = values[:rank, None].sqrt()
    return left.T[:rank] * root, right[:rank] * root
