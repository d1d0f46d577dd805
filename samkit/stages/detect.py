"""Any detector as a stage that writes box prompts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samkit.pipeline import Stage, describe
from samkit.types import Prompts, Sample
from samkit.types.sample import Image

if TYPE_CHECKING:
    import supervision

    Detector = Callable[[list[Image]], Sequence[Prompts | supervision.Detections]]


@dataclass(frozen=True, repr=False)
class Detect(Stage):
    """Prompts from a detector.

    detector: a function of a list of images, (H, W, 3) uint8 RGB each, that returns a list of as many
        `Prompts`, or supervision `Detections`, whose boxes, classes and confidences are taken. Its
        module and name, or its `.name`, identify it in result files.

    Raises ValueError for an answer of the wrong length, TypeError for one of the wrong kind.

    >>> import numpy as np
    >>> def whole_image(images):
    ...     return [Prompts.from_boxes([[0, 0, i.shape[1], i.shape[0]]]) for i in images]
    >>> [found] = Detect(whole_image)([Sample(id=1, image=np.zeros((4, 6, 3), np.uint8))])
    >>> found.prompts.boxes.tolist()
    [[0.0, 0.0, 6.0, 4.0]]
    """

    detector: "Detector"

    reads = ("image",)
    writes = ("prompts",)
    phase = "detect"

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        if not samples:
            return []
        found = self.detector([sample.image for sample in samples])
        if not isinstance(found, list | tuple):
            raise TypeError(
                f"{describe(self.detector)} returned a {type(found).__name__}; a detector gets a list "
                "of images and returns a list, one Prompts for each image"
            )
        if len(found) != len(samples):
            raise ValueError(
                f"{describe(self.detector)} returned {len(found)} answers for {len(samples)} images; "
                "it must return one for each, an empty Prompts() where it finds nothing"
            )
        return [
            sample.replace(prompts=self._as_prompts(answer))
            for sample, answer in zip(samples, found, strict=True)
        ]

    def _as_prompts(self, answer: Any) -> Prompts:
        if isinstance(answer, Prompts):
            return answer
        import supervision

        if isinstance(answer, supervision.Detections):
            return Prompts.from_detections(answer)
        raise TypeError(
            f"{describe(self.detector)} answered an image with a {type(answer).__name__}; return "
            "Prompts.from_boxes(xyxy, class_ids, scores), or supervision Detections"
        )
