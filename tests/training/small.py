"""A SAM of a few thousand weights and what it needs for a step, for tests of the training."""

import torch

from samkit.sam.config import SamConfig
from samkit.sam.model import Sam
from samkit.training.augment import Augmentation
from samkit.training.data import Feed, Mixture, make_batch
from samkit.training.initialise import from_nothing
from samkit.training.simulate import Simulation
from samkit.training.sources import mixture
from samkit.training.step import Batch

CONFIG = SamConfig(
    16, 2, 2, (1,), 32, image_size=64, window_size=3, channels=32, mask_channels=8,
    decoder_mlp_dim=32, decoder_attention_width=16, iou_head_hidden=16,
)  # fmt: skip
SIMULATION = Simulation(corrections=2, extra_rounds=1)


def small_sam(seed: int = 0) -> Sam:
    """From nothing, ready to be trained."""
    return from_nothing(CONFIG, seed).train()


def small_feed(images: int = 2, simulation: Simulation = SIMULATION) -> Feed:
    """Three masks an image."""
    return Feed(64, images, 3, simulation=simulation, augmentation=Augmentation())


def scenes() -> Mixture:
    """Made-up scenes alone."""
    return mixture(["shapes"], 64)


def small_batch(images: int = 2, simulation: Simulation = SIMULATION, step: int = 0) -> Batch:
    """A batch of scenes."""
    return make_batch(scenes(), small_feed(images, simulation), 0, step)


def gradients(sam: Sam) -> dict[str, torch.Tensor]:
    """Copies by name."""
    return {n: p.grad.clone() for n, p in sam.named_parameters() if p.grad is not None}
