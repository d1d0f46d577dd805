"""A small network that draws masks anew: the square of a picture around one and the mask in, its outline out."""

import itertools
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import nn

from samkit.ops.convolutions import Residual, Told, convolution
from samkit.ops.devices import find_device
from samkit.ops.fingerprint import fingerprint, same_weights
from samkit.ops.shipped import read_half, save_half, shipped_or_given

MEAN, STD = 0.45, 0.27  # of a photograph's values from 0 to 1
WIDTHS = 16, 32, 64, 128, 128
TOLD_WIDTH = 128  # numbers into which a text is turned


class MaskRefiner(nn.Module):
    """Pictures (N, 3, S, S) and masks (N, S, S), both 0 to 1, to logits (N, S, S) and IoUs (N).

    A U-Net (Ronneberger et al., 2015) with residual blocks on its way down. It knows nothing of the SAM
    whose masks it mends: where the mask lies says which object is meant, and what it has learned of
    objects says where that one ends. The IoU is its guess of how well it has drawn.

    Where it was taught phrases it may be told what the object is, by CLIP's embeddings of texts (N, D) of
    length 1: they scale and shift its channels (FiLM, Perez et al., 2018). Then it draws what is meant, and
    an IoU near 0 says that nothing of the kind is there. A row of zeros tells nothing.

    side: S, of the squares it reads. widths: channels at S, S/2, S/4 and so on. blocks: residual blocks at
    each of these sizes. sam_name: whose masks it learned from, told in its file. text_width: D; 0 for
    one that is told no phrases. clip_name: whose embeddings these are.
    """

    def __init__(
        self,
        side: int = 64,
        widths: tuple[int, ...] = WIDTHS,
        blocks: tuple[int, ...] = (0, 1, 1, 2, 2),
        sam_name: str = "",
        text_width: int = 0,
        clip_name: str = "",
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks) or side % 2 ** (len(widths) - 1):
            raise ValueError(
                f"widths {widths} and blocks {blocks} are of equal number, and the side {side} is to be "
                "halved one time less than that"
            )
        self.side, self.widths, self.blocks = side, tuple(widths), tuple(blocks)
        self.sam_name, self.text_width, self.clip_name = sam_name, text_width, clip_name
        self.stem = convolution(4, widths[0])
        steps = list(itertools.pairwise(widths))
        self.down = nn.ModuleList(convolution(here, below, 2) for here, below in steps)
        self.encode = nn.ModuleList(
            nn.Sequential(*(Residual(width) for _ in range(count)))
            for width, count in zip(widths, blocks, strict=True)
        )
        self.lift = nn.ModuleList(nn.Conv2d(below, here, 1) for here, below in steps)
        self.mix = nn.ModuleList(convolution(here, here) for here, _ in steps)
        self.draw = nn.Conv2d(widths[0], 1, 3, padding=1)
        self.iou = nn.Linear(widths[-1], 1)
        self.iou_of_drawn = nn.Linear(widths[min(1, len(steps))], 1, bias=False)
        self.words = nn.Linear(text_width, TOLD_WIDTH, bias=False) if text_width else None
        told = widths if text_width else ()
        self.told_down = nn.ModuleList(Told(TOLD_WIDTH, width) for width in told)
        self.told_up = nn.ModuleList(Told(TOLD_WIDTH, width) for width in told[:-1])

    def __repr__(self) -> str:
        return f"<MaskRefiner {self.name}>"

    @property
    def name(self) -> str:
        """By its weights."""
        return f"mask-refiner-{fingerprint(self.state_dict())}"

    def reads(self, clip_name: str) -> bool:
        """Whether it was taught phrases of this CLIP, by its name; of another's numbers it makes nothing."""
        return bool(self.text_width) and same_weights(self.clip_name, clip_name)

    def check_reads(self, clip_name: str, texts_name: str) -> None:
        """Raises ValueError for a CLIP whose phrases it was not taught (`Clip.name`, `Clip.texts_name`)."""
        if not self.reads(texts_name):
            raise ValueError(
                f"{self.name} was taught phrases of {self.clip_name or 'no CLIP'}, and this is {clip_name}; "
                "leave it out, or teach one with recipes/train_mask_refiner.py --clip"
            )

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return self.draw.weight.device

    def forward(
        self, pictures: torch.Tensor, masks: torch.Tensor, texts: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        told = None
        if self.words is not None and texts is not None:
            told = F.relu(self.words(texts * self.text_width**0.5))
        x = torch.cat([(pictures - MEAN) / STD, masks[:, None] - 0.5], dim=1)
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        seen = []
        for level, encode in enumerate(self.encode):
            x = self.down[level - 1](x) if level else x
            x = encode(x if told is None else self.told_down[level](x, told))
            seen.append(x)
        whole = seen.pop().mean(dim=(2, 3))
        drawn_of = x
        for level in reversed(range(len(seen))):
            lifted = self.lift[level](x)
            larger = F.interpolate(lifted, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = self.mix[level](seen[level] + larger)
            x = x if told is None else self.told_up[level](x, told)
            drawn_of = x if level == 1 else drawn_of
        logits = self.draw(x)
        inside = F.adaptive_avg_pool2d(logits.sigmoid(), drawn_of.shape[2:]).detach()
        drawn = (drawn_of * inside).sum(dim=(2, 3)) / (inside.sum(dim=(2, 3)) + 1)
        return logits[:, 0], (self.iou(whole) + self.iou_of_drawn(drawn))[:, 0].float().sigmoid()

    @torch.inference_mode()
    def drawn(
        self,
        pictures: torch.Tensor,
        masks: torch.Tensor,
        texts: torch.Tensor | None = None,
        mirrored: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What `forward` gives, on the CPU; mirrored: the mean of that and of all seen as in a mirror."""
        logits, ious = self(pictures, masks, texts)
        if mirrored:
            there, guessed = self(pictures.flip(-1), masks.flip(-1), texts)
            logits, ious = (logits + there.flip(-1)) / 2, (ious + guessed) / 2
        return logits.cpu(), ious.cpu()


def save_mask_refiner(refiner: MaskRefiner, path: str | Path) -> None:
    """Writes a .safetensors file in half precision."""
    about = {"side": refiner.side, "widths": refiner.widths, "blocks": refiner.blocks}
    about |= {"sam": refiner.sam_name, "text_width": refiner.text_width, "clip": refiner.clip_name}
    save_half(refiner, path, "mask_refiner", about)


def load_mask_refiner(name_or_path: str | Path = "tiny", device: str = "auto") -> MaskRefiner:
    """A refiner, ready to use: "tiny", which samkit ships, or a file of `save_mask_refiner`.

    Raises FileNotFoundError for no file, ValueError for a file that is none of these.
    """
    recipe = "recipes/train_mask_refiner.py"
    path = shipped_or_given(name_or_path, "tiny_mask_refiner.safetensors", "mask refiner", recipe)
    try:
        about, tensors = read_half(path, "mask_refiner")
        widths, blocks = tuple(about["widths"]), tuple(about["blocks"])
        texts = about["text_width"], about["clip"]
        refiner = MaskRefiner(about["side"], widths, blocks, about["sam"], *texts)
        refiner.load_state_dict(tensors)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is no mask refiner, or a damaged one: {error}") from error
    return refiner.float().eval().requires_grad_(False).to(find_device(device))
