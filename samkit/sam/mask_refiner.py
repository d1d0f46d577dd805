"""A small network that draws masks anew: the square of a picture around one and the mask in, its outline out."""

import itertools
import json
from importlib import resources
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from samkit.ops.devices import find_device
from samkit.ops.fingerprint import fingerprint

MEAN, STD = 0.45, 0.27  # of a photograph's values from 0 to 1


class MaskRefiner(nn.Module):
    """Pictures (N, 3, S, S) and masks (N, S, S), both 0 to 1, to logits (N, S, S) and IoUs (N).

    A U-Net (Ronneberger et al., 2015) with residual blocks on its way down. It is told nothing of the SAM
    whose masks it mends, nor what the object is: where the mask lies says which is meant, and what it has
    learned of objects says where that one ends. The IoU is its guess of how well it has drawn.

    side: S, of the squares it reads. widths: channels at S, S/2, S/4 and so on. blocks: residual blocks at
    each of these sizes. sam_name: whose masks it learned from, told in its file.
    """

    def __init__(
        self,
        side: int = 64,
        widths: tuple[int, ...] = (16, 32, 64, 128),
        blocks: tuple[int, ...] = (0, 1, 1, 2),
        sam_name: str = "",
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks) or side % 2 ** (len(widths) - 1):
            raise ValueError(
                f"widths {widths} and blocks {blocks} are of equal number, and the side {side} is to be "
                "halved one time less than that"
            )
        self.side, self.widths, self.blocks = side, tuple(widths), tuple(blocks)
        self.sam_name = sam_name
        self.stem = _convolution(4, widths[0])
        steps = list(itertools.pairwise(widths))
        self.down = nn.ModuleList(_convolution(here, below, 2) for here, below in steps)
        self.encode = nn.ModuleList(
            nn.Sequential(*(_Residual(width) for _ in range(count)))
            for width, count in zip(widths, blocks, strict=True)
        )
        self.lift = nn.ModuleList(nn.Conv2d(below, here, 1) for here, below in steps)
        self.mix = nn.ModuleList(_convolution(here, here) for here, _ in steps)
        self.draw = nn.Conv2d(widths[0], 1, 3, padding=1)
        self.iou = nn.Linear(widths[-1], 1)

    def __repr__(self) -> str:
        return f"<MaskRefiner {self.name}>"

    @property
    def name(self) -> str:
        """By its weights."""
        return f"mask-refiner-{fingerprint(self.state_dict())}"

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return self.draw.weight.device

    def forward(
        self, pictures: torch.Tensor, masks: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.cat([(pictures - MEAN) / STD, masks[:, None] - 0.5], dim=1)
        seen = [self.encode[0](self.stem(x.contiguous(memory_format=torch.channels_last)))]
        for down, encode in zip(self.down, list(self.encode)[1:], strict=True):
            seen.append(encode(down(seen[-1])))
        x = seen.pop()
        iou = self.iou(x.mean(dim=(2, 3)))[:, 0].sigmoid()
        for lift, mix in zip(reversed(self.lift), reversed(self.mix), strict=True):
            larger = F.interpolate(lift(x), scale_factor=2.0, mode="bilinear", align_corners=False)
            x = mix(seen.pop() + larger)
        return self.draw(x)[:, 0], iou


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.second(self.first(x)))


def _convolution(channels: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )


def save_mask_refiner(refiner: MaskRefiner, path: str | Path) -> None:
    """Writes a .safetensors file in half precision."""
    tensors = {n: t.detach().cpu() for n, t in refiner.state_dict().items()}
    half = {n: (t.half() if t.is_floating_point() else t).contiguous() for n, t in tensors.items()}
    about = {"side": refiner.side, "widths": refiner.widths, "blocks": refiner.blocks}
    about["sam"] = refiner.sam_name
    save_file(half, path, metadata={"mask_refiner": json.dumps(about)})


def load_mask_refiner(name_or_path: str | Path = "tiny", device: str = "auto") -> MaskRefiner:
    """A refiner, ready to use: "tiny", which samkit ships, or a file of `save_mask_refiner`.

    Raises FileNotFoundError for no file, ValueError for a file that is none of these.
    """
    path = Path(name_or_path)
    if name_or_path == "tiny":
        path = Path(str(resources.files("samkit") / "weights" / "tiny_mask_refiner.safetensors"))
    if not path.is_file():
        raise FileNotFoundError(
            f"no mask refiner at {path}; give tiny, or a file that recipes/train_mask_refiner.py wrote"
        )
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["mask_refiner"])
            tensors = {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
        widths, blocks = tuple(about["widths"]), tuple(about["blocks"])
        refiner = MaskRefiner(about["side"], widths, blocks, about["sam"])
        refiner.load_state_dict(tensors)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is no mask refiner, or a damaged one: {error}") from error
    return refiner.float().eval().requires_grad_(False).to(find_device(device))
