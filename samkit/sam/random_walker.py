"""scikit-image's random walker behind `name`, `encode`, `decode`: a classical baseline."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from samkit.sam.decoding import refuse_outside
from samkit.types import Frame, ImageEmbedding, Masks, Prompts
from samkit.types.sample import check_image


class RandomWalker:
    """Clicks to masks: would a random walker reach a click or the image's border first (Grady 2006)?

    beta: how much colour edges hinder the walker. side: the image is worked on with its longest side
    at this many pixels. radius: foreground around a click, in these pixels. threshold: the mask is
    where the probability of reaching the click first is above it.

    Needs no weights. One mask per prompt with a predicted IoU of 1; its "logits" are probabilities
    less the threshold. The border of the image is background, unless clicked on as foreground. The
    defaults are the best found by `benchmarks/classical_baselines.py` for single clicks.
    """

    def __init__(
        self, beta: float = 1000, side: int = 128, radius: float = 1, threshold: float = 0.3
    ) -> None:
        self.beta, self.side, self.radius, self.threshold = beta, side, radius, threshold
        self.name = f"random-walker-{beta:g}-{side}px-{radius:g}px-{threshold:g}-skimage"

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> list[ImageEmbedding]:
        """The images themselves, made small."""
        embeddings = []
        for image in map(check_image, images):
            frame = Frame.fit(image.shape[:2], self.side)
            size = frame.resized_size[::-1]
            small = np.array(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
            embeddings.append(ImageEmbedding({"image": torch.from_numpy(small)}, frame))
        return embeddings

    def decode(
        self,
        embeddings: Sequence[ImageEmbedding],
        prompts: Sequence[Prompts],
        multimask_output: bool = True,
    ) -> list[Masks]:
        """One mask per prompt of points, whatever `multimask_output` is.

        Raises ValueError for a prompt that is not points alone, or that lies outside its image.
        """
        refuse_outside([embedding.frame for embedding in embeddings], prompts)
        return [self._masks(e, asked) for e, asked in zip(embeddings, prompts, strict=True)]

    def _masks(self, embedding: ImageEmbedding, prompts: Prompts) -> Masks:
        if prompts.has_box.any() or not prompts.num_points.all() or prompts.masks is not None:
            raise ValueError(
                "RandomWalker takes points alone; with Clicks use feedback='none' and no box"
            )
        frame, image = embedding.frame, embedding["image"].numpy()
        logits = torch.full((len(prompts), self.side, self.side), -1.0)
        pairs = zip(prompts.points or (), prompts.labels or (), strict=True)
        for number, (xy, labels) in enumerate(pairs):
            reached = self._walk(image, frame.to_model(xy + 0.5) - 0.5, labels)
            height, width = reached.shape
            logits[number, :height, :width] = torch.from_numpy(reached) - self.threshold
        return Masks(frame, logits=logits, class_ids=prompts.class_ids)

    def _walk(
        self, image: NDArray[np.uint8], xy: NDArray[np.float32], labels: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """(H, W) probability of reaching a foreground click before background."""
        from skimage.segmentation import random_walker

        height, width = image.shape[:2]
        seeds = np.zeros((height, width), dtype=np.int64)
        seeds[[0, -1]] = seeds[:, [0, -1]] = 2
        rows, columns = np.ogrid[:height, :width]
        for (x, y), label in zip(xy, labels, strict=True):
            distance = np.hypot(columns - x, rows - y)
            seeds[distance <= max(self.radius, distance.min())] = 1 if label else 2
        if not (seeds == 0).any() or not (seeds == 2).any() or not (seeds == 1).any():
            return np.asarray(seeds == 1, dtype=np.float32)
        # Colours are divided by their spread; a corner, which is a seed anyway, gives a plain
        # picture some.
        colours = image / 255
        colours[0, 0] += 0 if colours.std() else 1
        with warnings.catch_warnings():
            # It warns of probabilities a rounding error outside of [0, 1].
            warnings.simplefilter("ignore", UserWarning)
            found = random_walker(
                colours, seeds, beta=self.beta, mode="bf", return_full_prob=True, channel_axis=-1
            )
        return np.asarray(found[0], dtype=np.float32)
