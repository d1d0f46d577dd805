"""A CLIP of random weights, small enough to be built in a moment."""

import torch

from samkit.clip import Clip
from samkit.clip.load import build_tiny

CONFIG = {
    "model": {
        "embed_dim": 16,
        "vision_cfg": {
            "image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8,
        },
        "text_cfg": {"context_length": 12, "width": 16, "heads": 2, "layers": 1},
    },
    "preprocess": {
        "size": 32, "mode": "RGB", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.25],
        "interpolation": "bicubic", "resize_mode": "shortest", "fill_color": 0,
    },
    "words": ["a", "red", "blue", "disc", "square"],
}  # fmt: skip


def small_clip(seed: int = 0) -> Clip:
    torch.manual_seed(seed)
    model, words = build_tiny(CONFIG)
    return Clip(model, words, f"small-{seed}")
