"""A small image tower that is shown which pixels are meant: outline, pattern and colours, each by itself."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from samkit.ops.convolutions import Residual, convolution

LEAST, LEAST_OF_ALL = 0.02, 0.1  # contrast below which a surface is plain, on one axis and on all
FAR, FARTHER = (
    3.0,
    4.0,
)  # times the contrast inside: what is as unlike as can be, on one axis and on all


class MaskTower(nn.Module):
    """Pictures with their masks (N, 4, S, S) to embeddings (N, width).

    The fourth channel is the mask, 0 to 1, as in Alpha-CLIP (Z. Sun et al., 2023). One stream sees the mask, and
    how unlike its inside the pixels are, by which it can tell whether something ends where the mask does; one
    the surface's pattern, its contrast made alike whatever the colours; one the colours. What the last two
    say is pooled inside the mask. A network that is shown all at once learns colours, by which most objects
    can be told apart, and is slow to learn anything else.

    width: of the embeddings. side: S. outline: channels at S/2, S/4 and so on. blocks: residual blocks at
    each of these. pattern: channels at S, S/2 and S/4. colours: channels of that stream. hidden: numbers
    from which the embedding is made, by one more layer of twice as many, and attributes are read in training.
    """

    sees_masks = True

    def __init__(
        self,
        width: int,
        side: int = 64,
        outline: tuple[int, ...] = (16, 32, 64, 144),
        blocks: tuple[int, ...] = (1, 2, 3, 1),
        pattern: tuple[int, int, int] = (16, 32, 64),
        colours: int = 32,
        hidden: int = 256,
    ) -> None:
        super().__init__()
        self.image_size, self.hidden_width = side, hidden
        layers: list[nn.Module] = []
        for (above, here), count in zip(itertools.pairwise((3, *outline)), blocks, strict=True):
            layers += [convolution(above, here, 2), *(Residual(here) for _ in range(count))]
        self.outline = nn.Sequential(*layers)
        full, half, quarter = pattern
        self.fine = nn.Sequential(convolution(2, full), convolution(full, half, 2), Residual(half))
        self.coarse = nn.Sequential(convolution(half, quarter, 2), Residual(quarter))
        self.colours = nn.Sequential(
            convolution(3, colours, size=1), convolution(colours, colours, size=1)
        )
        told = 2 * (outline[-1] + half + quarter + colours) + 7
        self.hidden = nn.Sequential(
            nn.Linear(told, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()
        )
        self.embed = nn.Sequential(
            nn.Linear(hidden, 2 * hidden), nn.ReLU(), nn.Linear(2 * hidden, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        embeddings: torch.Tensor = self.embed(self.seen(x))
        return embeddings

    def seen(self, x: torch.Tensor) -> torch.Tensor:
        """(N, hidden) what is seen, before it becomes an embedding."""
        x = x.contiguous(memory_format=torch.channels_last)
        picture, mask = x[:, :3], x[:, 3:]
        contrast, unlike, spread = evened(picture, mask)
        shape = self.outline(torch.cat([mask * 2 - 1, unlike], dim=1))
        fine = self.fine(torch.cat([contrast, mask], dim=1))
        inside = [fine, self.coarse(fine), self.colours(F.avg_pool2d(picture, 2))]
        pooled = torch.cat([pooled_inside(one, mask) for one in inside], dim=1)
        whole = torch.cat([shape.mean(dim=(2, 3)), shape.amax(dim=(2, 3))], dim=1)
        seen: torch.Tensor = self.hidden(torch.cat([whole, pooled, spread], dim=1))
        return seen


@torch.no_grad()
def evened(
    picture: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A picture (N, 3, S, S) measured by the colours inside a mask (N, 1, S, S).

    The pattern (N, 1, S, S): where pixels lie along the axis on which the colours inside differ most, at one
    contrast, 0 outside. How unlike the inside all pixels are (N, 2, S, S): along that axis, -1 to 1, and as a
    whole, 0 to 1. And (N, 7): mean colour, and how far colours lie from it on the first axis and on all three.
    """
    picture, mask, dtype = picture.float(), mask.float(), picture.dtype
    count = mask.sum(dim=(2, 3), keepdim=True) + 1e-3
    mean = (picture * mask).sum(dim=(2, 3), keepdim=True) / count
    away = picture - mean
    together = (away * mask).flatten(2) @ away.flatten(2).mT / count[:, :, 0]
    # Three by three numbers each, which no accelerator does sooner, and not every one can.
    values, axes = torch.linalg.eigh(together.cpu() + 1e-6 * torch.eye(3))
    values, axis = values.clamp(min=0).to(picture), axes[:, :, 2].to(picture)
    axis = axis * torch.sign(axis.sum(dim=1, keepdim=True) + 1e-6)
    first, whole = values[:, 2].sqrt(), values.sum(dim=1).sqrt()
    along = torch.einsum("bchw,bc->bhw", away, axis)[:, None] / (first[:, None, None, None] + LEAST)
    far = away.norm(dim=1, keepdim=True) / (whole[:, None, None, None] + LEAST_OF_ALL)
    unlike = torch.cat([along.clamp(-FAR, FAR) / FAR, far.clamp(max=FARTHER) / FARTHER], dim=1)
    spread = torch.cat([mean[:, :, 0, 0], first[:, None], values.sqrt()], dim=1)
    return (along * mask).to(dtype), unlike.to(dtype), spread.to(dtype)


def pooled_inside(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(N, 2 C) of (N, C, H, W): the mean inside the mask, and the most."""
    inside = F.adaptive_avg_pool2d(mask, (x.shape[2], x.shape[3]))
    mean = (x * inside).sum(dim=(2, 3)) / (inside.sum(dim=(2, 3)) + 0.5)
    return torch.cat([mean, (x * (inside > 0.3)).amax(dim=(2, 3))], dim=1)
