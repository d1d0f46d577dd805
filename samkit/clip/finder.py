"""A small network that draws what a phrase means: a picture read once, and then as many phrases as one likes."""

import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import nn

from samkit.ops.convolutions import Residual, Told, convolution
from samkit.ops.devices import find_device
from samkit.ops.fingerprint import fingerprint, same_weights
from samkit.ops.shipped import read_half, save_half, shipped_or_given

MEAN, STD = 0.45, 0.27  # of a photograph's values from 0 to 1
WIDTHS, BLOCKS = (32, 64, 128, 160, 192), (0, 1, 2, 2, 2)
TOLD, FEATURES, AROUND = 192, 64, 32
COARSE = 2  # place among the widths at which a phrase looks around: an eighth of the picture's side
ASKED_AT_ONCE = 128  # phrases, times the pictures in which they are asked
REMEMBERED = 8  # looks: one stage after another wants the same
QUIET = 0.3  # keeps sums over features small at first


class Seen(NamedTuple):
    """What was read of B pictures: features of their pixels, (B, F, S / 2, S / 2), and, coarser, of what is around."""

    pixels: torch.Tensor
    around: torch.Tensor


class Drawn(NamedTuple):
    """Of N phrases: logits (N, S / 2, S / 2), those of a first look at the same size, and IoUs (N)."""

    logits: torch.Tensor
    first: torch.Tensor
    ious: torch.Tensor


class TextFinder(nn.Module):
    """Pictures (B, 3, S, S), 0 to 1, and phrases' embeddings (N, D) to masks of what they mean.

    A U-Net (Ronneberger et al., 2015) reads a picture once, whatever it is asked. A phrase is a vector that
    is multiplied with every pixel's features (as in LSeg, B. Li et al., 2022), and beside that looks around at an
    eighth of the side, its channels scaled and shifted by what it says (FiLM, Perez et al., 2018). What it has found
    then changes the vector, and the pixels are asked once more (as mask transformers refine their queries).
    The IoU is its guess of how well it has drawn, near 0 where there is nothing of the kind.

    side: S, of the squares it was taught with; any multiple of 32 is read. text_width: D. clip_name: of the CLIP
    whose embeddings these are (`Clip.texts_name`). widths: channels at S/2, S/4 and so on. blocks: residual
    blocks at each of these sizes.
    """

    def __init__(
        self,
        text_width: int,
        clip_name: str = "",
        side: int = 256,
        widths: Sequence[int] = WIDTHS,
        blocks: Sequence[int] = BLOCKS,
    ) -> None:
        super().__init__()
        halved = max(len(widths), COARSE + 2)
        if len(widths) != len(blocks) or len(widths) <= COARSE or side % 2**halved:
            raise ValueError(
                f"widths {tuple(widths)} and blocks {tuple(blocks)} are of equal number, {COARSE + 1} or "
                f"more, and the side {side} is to be halved {halved} times"
            )
        self.text_width, self.clip_name, self.side = text_width, clip_name, side
        self.widths, self.blocks = tuple(widths), tuple(blocks)
        steps = list(itertools.pairwise(widths))
        self.stem = convolution(3, widths[0], 2, 5)
        self.down = nn.ModuleList(convolution(here, below, 2) for here, below in steps)
        self.encode = nn.ModuleList(
            nn.Sequential(*(Residual(width) for _ in range(count)))
            for width, count in zip(widths, blocks, strict=True)
        )
        self.lift = nn.ModuleList(nn.Conv2d(below, here, 1) for here, below in steps)
        self.mix = nn.ModuleList(convolution(here, here) for here, _ in steps)
        self.pixels = nn.Conv2d(widths[0], FEATURES, 1)
        self.around = nn.Conv2d(widths[COARSE], AROUND, 1)
        self.words = nn.Sequential(nn.Linear(text_width, TOLD), nn.ReLU())
        self.told_around = Told(TOLD, AROUND)
        self.further = convolution(AROUND, 2 * AROUND, 2)
        self.told_further = Told(TOLD, 2 * AROUND)
        self.encode_further = Residual(2 * AROUND)
        self.lift_further = nn.Conv2d(2 * AROUND, AROUND, 1)
        self.mix_around = convolution(AROUND, AROUND)
        self.draw_around = nn.Conv2d(AROUND, 1, 1)
        self.query = nn.Linear(TOLD, FEATURES + 1)
        found = TOLD + FEATURES + AROUND
        self.query_again = nn.Sequential(
            nn.Linear(found, TOLD), nn.ReLU(), nn.Linear(TOLD, FEATURES + 1)
        )
        self.guess = nn.Sequential(nn.Linear(found + 2, 64), nn.ReLU(), nn.Linear(64, 1))
        self._looks: deque[_Look] = deque(maxlen=REMEMBERED)

    def __repr__(self) -> str:
        return f"<TextFinder {self.name}>"

    @property
    def name(self) -> str:
        """By its weights."""
        return f"text-finder-{fingerprint(self.state_dict())}"

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return self.query.weight.device

    def reads(self, texts_name: str) -> bool:
        """Whether it was taught phrases of this CLIP (`Clip.texts_name`)."""
        return same_weights(self.clip_name, texts_name)

    def check_reads(self, clip_name: str, texts_name: str) -> None:
        """Raises ValueError for a CLIP whose phrases it was not taught (`Clip.name`, `Clip.texts_name`)."""
        if not self.reads(texts_name):
            raise ValueError(
                f"{self.name} was taught phrases of {self.clip_name or 'no CLIP'}, and this is {clip_name}; "
                "teach one with recipes/train_text_finder.py --clip"
            )

    def read(self, pictures: torch.Tensor) -> Seen:
        """What phrases are compared with. pictures: (B, 3, S, S), 0 to 1, S a multiple of 32."""
        x = ((pictures - MEAN) / STD).contiguous(memory_format=torch.channels_last)
        x = self.stem(x)
        seen = []
        for level, encode in enumerate(self.encode):
            x = encode(self.down[level - 1](x) if level else x)
            seen.append(x)
        around = x = seen.pop()
        for level in reversed(range(len(seen))):
            x = self.mix[level](seen[level] + _twice(self.lift[level](x)))
            around = x if level == COARSE else around
        return Seen(self.pixels(x), self.around(around))

    def forward(self, seen: Seen, texts: torch.Tensor, of: torch.Tensor) -> Drawn:
        """texts: (N, D). of: (N,) int64 which picture each is asked about, in ascending order."""
        told = self.words(texts * self.text_width**0.5)
        x = self.told_around(seen.around[of], told)
        further = self.encode_further(self.told_further(self.further(x), told))
        x = self.mix_around(x + _twice(self.lift_further(further)))
        size = seen.pixels.shape[2:]
        nearby = F.interpolate(self.draw_around(x), size, mode="bilinear", align_corners=False)
        nearby = nearby[:, 0]
        groups = torch.bincount(of, minlength=len(seen.pixels)).tolist()
        first = _asked(self.query(told), seen.pixels, groups) + nearby
        found = torch.cat([told, _found(first, seen.pixels, groups, x).to(told.dtype)], dim=1)
        logits = _asked(self.query_again(found), seen.pixels, groups) + nearby
        inside = logits.detach().float().sigmoid()
        area = inside.sum(dim=(1, 2))
        sure = inside.square().sum(dim=(1, 2)) / (area + 1)
        known = torch.stack([sure, torch.log1p(area) / 8], dim=1)
        parts = told, _found(logits, seen.pixels, groups, x), known
        guess = self.guess(torch.cat([part.to(told.dtype) for part in parts], dim=1))
        return Drawn(logits, first, guess[:, 0].float().sigmoid())

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **settings: Any) -> Any:
        """As `nn.Module` has it; looks with other weights are forgotten."""
        self._looks.clear()
        return super().load_state_dict(state_dict, *args, **settings)

    @torch.inference_mode()
    def look(
        self, pictures: torch.Tensor, texts: torch.Tensor, mirrored: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Every phrase (N, D) in every picture (B, 3, S, S): logits (N, B, S / 2, S / 2) and IoUs (N, B), on the CPU.

        mirrored: the mean of that and of what is seen in a mirror. The last few looks are remembered, unless the
        weights are still being learned.
        """
        if self.training or any(weight.requires_grad for weight in self.parameters()):
            return self._look(pictures, texts, mirrored)
        for look in self._looks:
            if look.shows(pictures, texts, mirrored):
                return look.seen
        seen = self._look(pictures, texts, mirrored)
        self._looks.append(_Look(pictures.clone(), texts.clone(), mirrored, seen))
        return seen

    def _look(
        self, pictures: torch.Tensor, texts: torch.Tensor, mirrored: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        seen = self.read(pictures)
        there = self.read(pictures.flip(-1)) if mirrored else None
        logits, ious = [], []
        for some in texts.split(max(1, ASKED_AT_ONCE // len(pictures))):
            of = torch.arange(len(pictures), device=self.device).repeat_interleave(len(some))
            words = some.repeat(len(pictures), 1)
            drawn, _, guessed = self(seen, words, of)
            if there:
                again, _, guess = self(there, words, of)
                drawn, guessed = (drawn + again.flip(-1)) / 2, (guessed + guess) / 2
            logits.append(drawn.unflatten(0, (-1, len(some))).transpose(0, 1).float().cpu())
            ious.append(guessed.unflatten(0, (-1, len(some))).T.cpu())
        return torch.cat(logits), torch.cat(ious)


class _Look(NamedTuple):
    """What a finder was shown and asked, and what it saw."""

    pictures: torch.Tensor
    texts: torch.Tensor
    mirrored: bool
    seen: tuple[torch.Tensor, torch.Tensor]

    def shows(self, pictures: torch.Tensor, texts: torch.Tensor, mirrored: bool) -> bool:
        """Whether it was of just these."""
        there = mirrored == self.mirrored and pictures.device == self.pictures.device
        return there and torch.equal(texts, self.texts) and torch.equal(pictures, self.pictures)


def _twice(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def _asked(queries: torch.Tensor, pixels: torch.Tensor, groups: Sequence[int]) -> torch.Tensor:
    """Logits (N, h, w): vectors and biases (N, F + 1), so many of each picture, times its pixels' features."""
    height, width = pixels.shape[2:]
    parts = zip(queries.to(pixels.dtype).split(list(groups)), pixels.flatten(2), strict=True)
    logits = [QUIET * own[:, :-1] @ features + own[:, -1:] for own, features in parts]
    return torch.cat(logits).view(-1, height, width)


def _found(
    logits: torch.Tensor, pixels: torch.Tensor, groups: Sequence[int], around: torch.Tensor
) -> torch.Tensor:
    """What is inside of masks: means (N, F + C) of pixels' features, and of the coarser ones (N, C, h, w)."""
    share = logits.float().sigmoid()
    share = (share / (share.sum(dim=(1, 2), keepdim=True) + 1)).to(pixels.dtype)
    fine = sums_inside(share, pixels, groups)
    cells = share.shape[-1] // around.shape[-1]
    coarse = F.avg_pool2d(share[:, None], cells) * cells**2
    return torch.cat([fine, (around * coarse).sum(dim=(2, 3))], dim=1)


def sums_inside(
    shares: torch.Tensor, features: torch.Tensor, groups: Sequence[int]
) -> torch.Tensor:
    """(N, F) sums of pictures' features (B, F, h, w), weighted by masks (N, h, w), so many of each picture."""
    parts = zip(shares.flatten(1).split(list(groups)), features.flatten(2), strict=True)
    return torch.cat([own @ pixels.T for own, pixels in parts])


def save_text_finder(finder: TextFinder, path: str | Path) -> None:
    """Writes a .safetensors file in half precision."""
    about = {"text_width": finder.text_width, "clip": finder.clip_name, "side": finder.side}
    about |= {"widths": finder.widths, "blocks": finder.blocks}
    save_half(finder, path, "text_finder", about)


def load_text_finder(name_or_path: str | Path = "tiny", device: str = "auto") -> TextFinder:
    """A finder, ready to use: "tiny", which samkit ships, or a file of `save_text_finder`.

    Raises FileNotFoundError for no file, ValueError for a file that is none of these.
    """
    recipe = "recipes/train_text_finder.py"
    path = shipped_or_given(name_or_path, "tiny_text_finder.safetensors", "text finder", recipe)
    try:
        about, tensors = read_half(path, "text_finder")
        sizes = about["side"], about["widths"], about["blocks"]
        finder = TextFinder(about["text_width"], about["clip"], *sizes)
        finder.load_state_dict(tensors)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is no text finder, or a damaged one: {error}") from error
    return finder.float().eval().requires_grad_(False).to(find_device(device))
