"""The simulated annotator: a first point or noisy box, then points where the prediction errs.

Nothing here draws at random: every choice is made by numbers that are given (a batch brings its own),
so that a step is the same on one process or several, and after a resume.
"""

from dataclasses import dataclass

import numpy as np
import torch

from samkit.sam.prompt_encoder import (
    BACKGROUND,
    BOX_BOTTOM_RIGHT,
    BOX_TOP_LEFT,
    FOREGROUND,
    NOT_A_POINT,
)

BOX_NOISE, BOX_NOISE_LIMIT = 0.1, 20.0  # of the box's side, and in pixels (paper, app. A)
FIRST_DRAWS = 6  # numbers that a prompt's first round takes: point or box, which pixel, four noises


@dataclass(frozen=True)
class Simulation:
    """How a mask is asked for in one step. Defaults are the paper's eleven rounds (app. A).

    box_share: of first prompts that are a noisy box; the others are a point.
    corrections: clicks after the first prompt, each where the last prediction errs.
    extra_rounds: rounds without a new click, where the model improves on its own logits: 2 are one
        at a random place among the corrections and one at the end, 1 is that at the end, or 0.
    refine_share: of corrections that are made without a click too. With few rounds this is how a
        small model learns what the extra rounds teach.
    """

    box_share: float = 0.5
    corrections: int = 8
    extra_rounds: int = 2
    refine_share: float = 0.0

    def __post_init__(self) -> None:
        if self.corrections < 0 or self.extra_rounds not in (0, 1, 2):
            raise ValueError(
                "a simulation has corrections >= 0 and 0, 1 or 2 extra_rounds, got "
                f"{self.corrections} and {self.extra_rounds}"
            )

    @property
    def rounds(self) -> int:
        """Decoder calls for one mask."""
        return 1 + self.corrections + self.extra_rounds

    @property
    def draws(self) -> int:
        """How many random numbers one prompt takes."""
        return FIRST_DRAWS + self.corrections + self.extra_rounds


def clicking_rounds(simulation: Simulation, rng: np.random.Generator) -> tuple[bool, ...]:
    """For every round after the first, whether it brings a new click; drawn once for a step."""
    clicks = [bool(rng.random() >= simulation.refine_share) for _ in range(simulation.corrections)]
    if simulation.extra_rounds == 2:
        clicks.insert(int(rng.integers(simulation.corrections + 1)), False)
    return (*clicks, *[False] * min(1, simulation.extra_rounds))


def random_pixels(regions: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """One pixel from each region: (B, H, W) bool and (B,) in [0, 1) to (B, 2) xy; any if empty.

    Pixels count row by row; `uniform` is the place among a region's own pixels.
    """
    flat = regions.flatten(1)
    flat = flat | ~flat.any(dim=1, keepdim=True)
    counts = flat.cumsum(dim=1, dtype=torch.int32)
    total = counts[:, -1:]
    nth = (uniform.to(flat.device)[:, None] * total).floor().clamp(max=total - 1).int() + 1
    index = torch.searchsorted(counts, nth)[:, 0]
    return torch.stack([index % regions.shape[2], index // regions.shape[2]], dim=1)


def first_prompts(
    masks: torch.Tensor, box_share: float, draws: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A point in the mask or a noisy box for each of B masks (B, H, W), in their own pixels.

    draws: (B, FIRST_DRAWS) in [0, 1). Returns xy (B, 2, 2) and kinds (B, 2): a point with its
    padding, or two corners. Both are two tokens, so that prompts of both sorts share every decoder
    call.
    """
    device = masks.device
    point = random_pixels(masks, draws[:, 1]).float()
    points = torch.stack([point, torch.zeros_like(point)], dim=1)
    noise = torch.special.ndtri(draws[:, 2:FIRST_DRAWS].double().clamp(1e-9, 1 - 1e-9)).float()
    boxes = noisy_boxes(masks, noise.view(-1, 2, 2).to(device))
    is_box = (draws[:, 0] < box_share).to(device)
    xy = torch.where(is_box[:, None, None], boxes, points)
    corner = torch.tensor([BOX_TOP_LEFT, BOX_BOTTOM_RIGHT], device=device)
    click = torch.tensor([FOREGROUND, NOT_A_POINT], device=device)
    return xy, torch.where(is_box[:, None], corner, click)


def noisy_boxes(masks: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """(B, 2, 2) corners of B masks (B, H, W), each coordinate off by 10 % of the side, 20 px at most.

    noise: (B, 2, 2), standard normal.
    """
    corners = []
    for axis in (1, 2):  # columns, then rows
        hit = masks.any(dim=axis)
        first = hit.int().argmax(dim=1)
        last = hit.shape[1] - 1 - hit.flip(1).int().argmax(dim=1)
        corners.append(torch.stack([first, last], dim=1).float())
    boxes = torch.stack(corners, dim=2)
    sides = (boxes[:, 1] - boxes[:, 0])[:, None]
    moved = boxes + (noise * BOX_NOISE * sides).clamp(-BOX_NOISE_LIMIT, BOX_NOISE_LIMIT)
    limit = torch.tensor(masks.shape[:0:-1], device=masks.device) - 1.0
    return moved.clamp(min=torch.zeros_like(limit), max=limit).sort(dim=1).values


def next_points(
    logits: torch.Tensor, masks: torch.Tensor, uniform: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A click where each prediction errs, foreground where it missed: xy (B, 1, 2), kinds (B, 1).

    logits, masks (B, H, W), uniform (B,) in [0, 1). A faultless prediction gets a click inside or
    outside as it may fall.
    """
    xy = random_pixels((logits > 0) != masks, uniform)
    inside = masks[torch.arange(len(masks), device=masks.device), xy[:, 1], xy[:, 0]]
    return xy[:, None].float(), torch.where(inside, FOREGROUND, BACKGROUND)[:, None]
