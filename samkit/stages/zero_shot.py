"""OWLv2, OWL-ViT, Grounding DINO and their like, as the transformers library has them (`DetectText`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PilImage

from samkit.ops.boxes import box_areas
from samkit.ops.devices import find_device
from samkit.ops.fingerprint import fingerprint
from samkit.ops.huggingface import from_hub
from samkit.ops.optional import require
from samkit.types import Prompts
from samkit.types.sample import Image


class ZeroShot:
    """A zero-shot detector: images and phrases to box prompts, for `DetectText(ZeroShot(...))`.

    name_or_folder: a name on the Hugging Face hub such as "google/owlv2-base-patch16-ensemble" or
        "IDEA-Research/grounding-dino-tiny", downloaded once; or a local folder of `save_pretrained`.
    confidence: boxes must score above this. max_boxes: how many of the best of each image are kept.
    device: as `load_sam` has it.

    Every phrase is asked by itself, so that phrases of one picture don't change each other's boxes,
    and pictures are worked on one by one. Boxes are cut at the picture's edges.

    Raises ImportError without transformers, OSError within seconds where a name cannot be fetched,
    ValueError for a model that is no zero-shot detector.

    >>> find = ZeroShot("google/owlv2-base-patch16-ensemble", confidence=0.2)  # doctest: +SKIP
    """

    def __init__(
        self,
        name_or_folder: str | Path,
        confidence: float = 0.1,
        max_boxes: int = 300,
        device: str = "auto",
    ) -> None:
        transformers = require("transformers", extra="bench")
        place, name = find_device(device), str(name_or_folder)

        def load() -> tuple[Any, Any]:
            return (
                transformers.AutoProcessor.from_pretrained(name),
                transformers.AutoModelForZeroShotObjectDetection.from_pretrained(name),
            )

        what = f"the detector {name}"
        self._processor, model = load() if Path(name).is_dir() else from_hub(load, what)
        if not hasattr(self._processor, "post_process_grounded_object_detection"):
            raise ValueError(f"{name} has a processor that tells no boxes for phrases")
        self._model = model.to(place).eval()
        self.confidence, self.max_boxes = confidence, max_boxes
        settings = f"confidence={confidence}, max_boxes={max_boxes}"
        self.name = f"{Path(name).name}-{fingerprint(model.state_dict())}({settings})"

    def __call__(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[Prompts]:
        """Box prompts for each (H, W, 3) uint8 RGB image, best first; class ids are its phrases' places."""
        return [self._detect(*asked) for asked in zip(images, phrases, strict=True)]

    def _detect(self, image: Image, phrases: Sequence[str]) -> Prompts:
        height, width = image.shape[:2]
        found = [
            self._find(PilImage.fromarray(image), phrase, (height, width)) for phrase in phrases
        ]
        boxes = np.concatenate([xyxy for xyxy, _ in found]).clip(0, [width, height, width, height])
        scores = np.concatenate([values for _, values in found])
        classes = np.repeat(np.arange(len(phrases)), [len(values) for _, values in found])
        order = np.argsort(-scores, kind="stable")
        order = order[box_areas(boxes[order]) > 0][: self.max_boxes]
        return Prompts.from_boxes(boxes[order], class_ids=classes[order], scores=scores[order])

    @torch.no_grad()
    def _find(
        self, image: PilImage.Image, phrase: str, size: tuple[int, int]
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        # To Grounding DINO a full stop ends a phrase, and its processor sets that itself.
        text = " ".join(phrase.lower().replace(".", " ").split())
        inputs = self._processor(text=[[text]], images=image, return_tensors="pt")
        outputs = self._model(**inputs.to(self._model.device))
        [result] = self._processor.post_process_grounded_object_detection(
            outputs, threshold=self.confidence, target_sizes=[size]
        )
        return (
            result["boxes"].float().cpu().numpy().reshape(-1, 4),
            result["scores"].float().cpu().numpy(),
        )
