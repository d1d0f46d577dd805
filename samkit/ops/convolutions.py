"""What small convolutional networks are made of."""

import torch
import torch.nn.functional as F
from torch import nn


class Residual(nn.Module):
    """Two convolutions beside the way straight on, to which they add nothing before they are trained."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = convolution(width, width)
        norm = nn.BatchNorm2d(width)
        nn.init.zeros_(norm.weight)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.second(self.first(x)))


class Told(nn.Module):
    """Channels scaled and shifted by what a text says (FiLM, Perez et al., 2018); at first by nothing."""

    def __init__(self, told: int, width: int) -> None:
        super().__init__()
        self.change = nn.Linear(told, 2 * width, bias=False)
        nn.init.zeros_(self.change.weight)

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        scale, shift = self.change(told)[:, :, None, None].chunk(2, dim=1)
        return F.relu(x * (1 + scale) + shift)


def convolution(channels: int, width: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    """A convolution without a bias, normalised and rectified."""
    return nn.Sequential(
        nn.Conv2d(channels, width, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
