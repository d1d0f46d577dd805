"""A small network that was taught phrases draws what they mean, in the picture and in crops of it."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samkit.ops.regions import cut
from samkit.ops.square_crops import part_seen, region_from_square
from samkit.stages.asked import phrases_of
from samkit.stages.text_looks import LooksForText
from samkit.types import Frame, Masks, Sample


@dataclass(frozen=True, repr=False)
class FindByText(LooksForText):
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

    reads = ("image",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        done = []
        for sample in samples:
            asked = phrases_of(sample, self.phrases)
            phrases = sample.phrases if self.phrases is None else self.phrases
            done.append(sample.replace(masks=self._masks(sample, asked), phrases=phrases))
        return done

    def _masks(self, sample: Sample, phrases: Sequence[str]) -> Masks:
        size = (sample.image.shape[0], sample.image.shape[1])
        run_lengths, classes, guesses, where = [], [], [], []
        if phrases:
            boxes, logits, ious = self.looks(sample, phrases)
            for number, place in itertools.product(range(len(phrases)), range(len(boxes))):
                box = boxes[place]
                if found := cut(region_from_square(logits[number, place], size, box), size):
                    run_lengths.append(found.run_lengths)
                    classes.append(number)
                    guesses.append(float(ious[number, place]))
                    where.append(part_seen(size, box))
        scores = np.array(guesses, dtype=np.float32)
        return Masks(
            Frame.fit(size, self.finder.side),
            run_lengths=tuple(run_lengths),
            class_ids=np.array(classes, dtype=np.int64),
            predicted_iou=scores,
            scores=scores,
            crop_boxes=np.array(where, dtype=np.float32).reshape(-1, 4),
        )
