"""A small network that was taught phrases draws what they mean, in the picture and in crops of it."""

import itertools
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np
import torch

from samkit.clip.finder import TextFinder
from samkit.clip.model import Clip
from samkit.ops.grids import crop_boxes
from samkit.ops.regions import cut
from samkit.ops.square_crops import part_seen, region_from_square, square_crop
from samkit.pipeline import Stage
from samkit.stages.asked import ask_for, phrases_of
from samkit.types import Frame, Masks, Sample


@dataclass(frozen=True, repr=False)
class FindByText(Stage):
    """Masks of phrases with no SAM at all: a `TextFinder` reads the picture once and draws each phrase.

    Referring image segmentation by a network so small that it must be taught the domain:
    `recipes/train_text_finder.py` does. The shipped one has learned made-up scenes. What it finds can stand
    beside a text prompt's:

    >>> from samkit import load_sam
    >>> from samkit.clip import load_clip
    >>> from samkit.clip.finder import load_text_finder
    >>> from samkit.stages import Embed, Segment, TextPrompt, Together, text_sam
    >>> reader, clip = text_sam(load_sam("tiny")), load_clip("tiny")
    >>> ask = Embed(reader) | TextPrompt(clip) | Segment(reader)
    >>> find = Together([ask, FindByText(load_text_finder(), clip)])

    finder: what `load_text_finder` gives. clip: the one whose phrases it was taught. phrases: asked of every
        picture; None takes each sample's own `phrases`. Class ids are places among them.
    crop_n_layers, crop_overlap_ratio: of the crops, as `SegmentCrops` has them; 0 looks at the whole
        picture alone.
    mirrored: everything is looked at as in a mirror too, and the mean is taken.

    Each phrase has a mask of each crop where anything was drawn, whose score is the finder's guess of its
    IoU with the whole object, near 0 where that is not there; `NonMaxSuppression` and `Top` behind it
    leave the best. Masks are held as run lengths, with the part of the picture that was looked at
    (`crop_boxes`): a square around the crop. Raises ValueError for a
    finder that was not taught this CLIP's phrases, and negative layers.
    """

    finder: TextFinder
    clip: Clip
    phrases: Sequence[str] | None = None
    _: KW_ONLY
    crop_n_layers: int = 1
    crop_overlap_ratio: float = 512 / 1500
    mirrored: bool = False

    def __post_init__(self) -> None:
        ask_for(self, self.phrases, ("image",), "masks")
        self.finder.check_reads(self.clip.name, self.clip.texts_name)
        if self.crop_n_layers < 0:
            raise ValueError(f"crop_n_layers is 0 or more, got {self.crop_n_layers}")

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        done = []
        for sample in samples:
            asked = phrases_of(sample, self.phrases)
            phrases = sample.phrases if self.phrases is None else self.phrases
            done.append(sample.replace(masks=self._masks(sample, asked), phrases=phrases))
        return done

    def _masks(self, sample: Sample, phrases: Sequence[str]) -> Masks:
        size = (sample.image.shape[0], sample.image.shape[1])
        boxes = [box for box, _ in crop_boxes(size, self.crop_n_layers, self.crop_overlap_ratio)]
        side, device = self.finder.side, self.finder.device
        run_lengths, classes, guesses, where = [], [], [], []
        if phrases:
            squares = np.stack([square_crop(sample.image, box, side) for box in boxes])
            shown = torch.from_numpy(squares).to(device).permute(0, 3, 1, 2) / 255
            texts = self.clip.texts(phrases).to(device)
            logits, ious = self.finder.look(shown, texts, self.mirrored)
            for number, box in itertools.product(range(len(phrases)), range(len(boxes))):
                region = region_from_square(logits[number, box], size, boxes[box])
                if found := cut(region, size):
                    run_lengths.append(found.run_lengths)
                    classes.append(number)
                    guesses.append(float(ious[number, box]))
                    where.append(part_seen(size, boxes[box]))
        scores = np.array(guesses, dtype=np.float32)
        return Masks(
            Frame.fit(size, side),
            run_lengths=tuple(run_lengths),
            class_ids=np.array(classes, dtype=np.int64),
            predicted_iou=scores,
            scores=scores,
            crop_boxes=np.array(where, dtype=np.float32).reshape(-1, 4),
        )
