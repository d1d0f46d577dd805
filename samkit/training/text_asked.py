"""What a step of a text prompt's training asks: pictures of objects, or captions."""

from dataclasses import dataclass

import numpy as np
import torch

from samkit.clip.model import Clip
from samkit.clip.projection import TextProjection
from samkit.training.captioned import Captioned
from samkit.training.step import Batch
from samkit.training.text import Pool, encoded, image_embeddings, some_masks


@dataclass
class Asked:
    """Masks to be found, where to look, and the prompts (N, T, C) that ask for them, by the step's number.

    pictures: batches whose masks CLIP sees, `prompts` of them, as the paper has it. told: batches whose
    captions it reads instead, in a share of the steps (captions). masked_attention: of
    `image_embeddings`. rng: what the steps draw from, one after the other.
    """

    projection: TextProjection
    clip: Clip
    pictures: Pool
    told: Captioned
    captions: float
    prompts: int
    masked_attention: bool
    rng: np.random.Generator

    def __call__(self, step: int) -> tuple[Batch, torch.Tensor, torch.Tensor]:
        """The batch, image embeddings (I, C, grid, grid) of its pictures, and the prompts."""
        device = self.pictures.sam.device
        if self.rng.random() < self.captions:
            batch, captions = self.told(step)
            batch = batch.to(device)
            embedded = encoded(self.pictures.sam, batch, self.pictures.encoder_taught)
            return batch, embedded, self.projection.read(self.clip.texts(captions).to(device))
        batch, embedded = self.pictures(step)
        rows = torch.from_numpy(self.rng.permutation(len(batch.targets))[: self.prompts])
        batch = some_masks(batch, rows.to(device))
        seen = image_embeddings(batch, self.clip, self.rng, self.masked_attention)
        return batch, embedded, self.projection(seen.to(device))
