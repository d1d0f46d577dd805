"""Text to boxes: a detector that takes words, as a stage that writes box prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from samkit.clip.model import Clip
from samkit.pipeline import Stage, describe
from samkit.stages.asked import ask_for, phrases_of
from samkit.stages.yolo_text import YoloText
from samkit.stages.zero_shot import ZeroShot
from samkit.types import Prompts, Sample
from samkit.types.sample import Image


class TextDetector(Protocol):
    """A function of images and of the phrases asked about each, with a `name` that identifies it."""

    def __call__(
        self, images: Sequence[Image], phrases: Sequence[Sequence[str]]
    ) -> list[Prompts]: ...


@dataclass(frozen=True, repr=False)
class DetectText(Stage):
    """Boxes for phrases, by a detector with an open vocabulary: `ZeroShot`, `YoloText`, or your own.

    detector: a function of images, (H, W, 3) uint8 RGB, and of each image's phrases, that returns one
        `Prompts` for each image, class ids being places among its phrases.
    phrases: asked of every picture; None takes each sample's own `phrases`.

    A sample without phrases gets no prompts, and its picture is not looked at. Raises ValueError for
    an answer of the wrong length, or with class ids that no phrase has.
    """

    detector: TextDetector
    phrases: Sequence[str] | None = None

    phase = "detect"

    def __post_init__(self) -> None:
        ask_for(self, self.phrases, ("image",), "prompts")

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        asked = [phrases_of(sample, self.phrases) for sample in samples]
        looked_at = [number for number, some in enumerate(asked) if some]
        images = [samples[number].image for number in looked_at]
        found = self.detector(images, [asked[number] for number in looked_at]) if images else []
        if len(found) != len(looked_at):
            raise ValueError(
                f"{describe(self.detector)} returned {len(found)} answers for {len(looked_at)} images"
            )
        answers = dict(zip(looked_at, found, strict=True))
        done = []
        for number, (sample, some) in enumerate(zip(samples, asked, strict=True)):
            prompts = answers.get(number, Prompts())
            ids = np.zeros(0) if prompts.class_ids is None else prompts.class_ids
            if len(ids) < len(prompts) or not ((ids >= 0) & (ids < len(some))).all():
                raise ValueError(
                    f"{describe(self.detector)} answered {sample.id!r} with class ids {ids.tolist()}; "
                    f"they are places among its {len(some)} phrases"
                )
            phrases = sample.phrases if self.phrases is None else self.phrases
            done.append(sample.replace(prompts=prompts, phrases=phrases))
        return done


def open_text_detector(name: str, clip: Clip | None = None, device: str = "auto") -> TextDetector:
    """YOLO-World or YOLOE from a .pt, whose texts this CLIP reads; anything else is transformers'.

    clip: None takes the one that the file was trained with, as `YoloText` does.
    """
    if Path(name).suffix == ".pt":
        return YoloText(name, clip, device=device)
    return ZeroShot(name, device=device)
