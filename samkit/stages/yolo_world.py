"""YOLO-World files of ultralytics, asked by phrases that a CLIP of open_clip reads (`DetectText`).

ultralytics is licensed AGPL-3.0, not as samkit: see `samkit.stages.yolo`.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from samkit.clip.model import Clip
from samkit.stages.yolo import Yolo
from samkit.types import Prompts
from samkit.types.sample import Image


class YoloWorld:
    """A YOLO-World detector: images and phrases to box prompts, for `DetectText(YoloWorld(...))`.

    path: a local .pt file such as yolov8s-worldv2.pt; nothing is downloaded.
    clip: reads the phrases; the released files are for `load_clip("ViT-B-32", "openai")`. Neither
        ultralytics' CLIP package nor its download is needed then.
    confidence, max_boxes, device: as `Yolo` has them.

    Raises ImportError, FileNotFoundError and ValueError as `Yolo` does, ValueError too for a file
    with fixed classes and a CLIP whose embeddings have another length than the file takes.
    """

    def __init__(
        self,
        path: str | Path,
        clip: Clip,
        confidence: float = 0.1,
        max_boxes: int = 300,
        device: str = "auto",
    ) -> None:
        self._clip = clip
        self._yolo = Yolo(path, confidence=confidence, max_boxes=max_boxes, device=device)
        network = self._yolo._model.model
        if not hasattr(network, "txt_feats"):
            raise ValueError(f"{path} knows fixed classes; only a YOLO-World file takes phrases")
        if network.txt_feats.shape[-1] != clip.width:
            raise ValueError(
                f"{path} takes texts of {network.txt_feats.shape[-1]} numbers, {clip.name} makes "
                f"{clip.width}; the released files are for ViT-B-32 with the weights openai"
            )
        self.name = f"{self._yolo.name} by {clip.name}"

    def __call__(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[Prompts]:
        """Box prompts for each (H, W, 3) uint8 RGB image, best first; class ids are its phrases' places."""
        found = []
        for image, some in zip(images, phrases, strict=True):
            threads = torch.get_num_threads()  # which every new set of phrases changes
            self._listen(list(some))
            found.append(self._yolo._detect(image))
            torch.set_num_threads(threads)
        return found

    def _listen(self, phrases: list[str]) -> None:
        """What the file looks for from now on."""
        model = self._yolo._model
        network = model.model
        place = next(network.parameters()).device
        network.txt_feats = self._clip.texts(phrases)[None].to(place)
        network.model[-1].nc = len(phrases)
        network.names = dict(enumerate(phrases))
        model.predictor = None  # it has a copy of the network
        self._yolo.class_ids = {number: number for number in range(len(phrases))}
