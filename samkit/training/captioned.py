"""Made-up scenes whose captions are asked: a text prompt taught by texts, where the paper has pictures."""

from dataclasses import dataclass, field

import numpy as np
import torch

from samkit.data.shapes import render_scene
from samkit.data.shapes.dataset import annotate
from samkit.data.shapes.phrases import learnable
from samkit.training import augment
from samkit.training.augment import Bools, Pixels
from samkit.training.simulate import Simulation, clicking_rounds
from samkit.training.step import Batch
from samkit.types import Sample

MOST_SCENES = 2**31
LEAST_INSIDE = 0.3  # of an object, where a piece of its picture is shown
ATTEMPTS = 100


@dataclass
class Captioned:
    """Batches of scenes with the captions to ask, by the number of the step.

    seed, side: of the scenes. pool: how many there are, each rendered once; 0 draws new ones for ever.
    images, prompts: of a step, and most captions asked of each. zoom: most by which a scene is enlarged.
    least_share: of the square that an object covers; smaller ones are not asked for. simulation: of the
    clicks that follow.
    """

    seed: int
    side: int
    pool: int
    images: int
    prompts: int
    zoom: float
    least_share: float
    simulation: Simulation
    kept: dict[int, Sample] = field(default_factory=dict)

    def __call__(self, step: int) -> tuple[Batch, list[str]]:
        """The batch of a step, and what is asked for each of its masks.

        Raises ValueError where 100 scenes in a row have nothing large enough to ask for.
        """
        rng = np.random.default_rng((self.seed, step))
        images, targets, which, captions = [], [], [], []
        for number in range(self.images):
            image, masks, said = self._telling(rng)
            rows = rng.permutation(len(said))[: self.prompts].tolist()
            images.append(image)
            targets += [masks[row] for row in rows]
            captions += [said[row] for row in rows]
            which += [number] * len(rows)
        batch = Batch(
            torch.from_numpy(np.stack(images)),
            torch.from_numpy(np.stack(targets)),
            torch.tensor(which),
            torch.from_numpy(rng.random((len(which), self.simulation.draws), dtype=np.float32)),
            0.0,
            clicking_rounds(self.simulation, rng),
        )
        return batch, captions

    def _telling(self, rng: np.random.Generator) -> tuple[Pixels, Bools, list[str]]:
        for _ in range(ATTEMPTS):
            scene = self._scene(int(rng.integers(self.pool or MOST_SCENES)))
            image, masks, captions = view(scene, self.zoom, rng)
            rows = np.flatnonzero(masks.mean(axis=(1, 2)) >= self.least_share)
            if len(rows):
                return image, masks[rows], [captions[row] for row in rows]
        raise ValueError(
            f"{ATTEMPTS} scenes in a row had no object over {self.least_share:.2%} of the picture"
        )

    def _scene(self, number: int) -> Sample:
        if number in self.kept:
            return self.kept[number]
        scene = render_scene(self.seed, number, self.side)
        sample = Sample(number, scene.image, annotate(scene))
        if self.pool:
            self.kept[number] = sample
        return sample


def view(
    scene: Sample, zoom: float, rng: np.random.Generator
) -> tuple[Pixels, Bools, tuple[str, ...]]:
    """A made-up scene, or a piece of it enlarged by up to `zoom`, mirrored half the time.

    With it the masks (N, H, W) of those objects that may be asked for, and their captions: those
    that fit no other object of the whole scene, and are no held-out combination.
    """
    truth = scene.annotations
    assert truth is not None and truth.captions is not None, "made-up scenes have captions"
    image, size = scene.image, scene.image.shape[:2]
    rows = learnable(truth.captions)
    masks, captions = truth.binary()[rows], [truth.captions[row] for row in rows]
    factor = float(np.exp(rng.uniform(0, np.log(zoom))))
    if factor > 1 and masks.any():
        whole = masks.sum(axis=(1, 2))
        visible = masks[whole > 0]
        image, masks = augment.crop(image, masks, augment.zoom_box(visible, factor, 1.0, rng))
        inside = np.flatnonzero(masks.sum(axis=(1, 2)) >= np.maximum(1, LEAST_INSIDE * whole))
        image, masks = augment.resize(image, masks[inside], size)
        captions = [captions[row] for row in inside]
    if rng.random() < 0.5:
        image, masks = augment.flip(image, masks)
    return image, masks, tuple(captions)
