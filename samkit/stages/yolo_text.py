"""YOLO-World and YOLOE files of ultralytics, asked by phrases that a CLIP of open_clip reads (`DetectText`).

ultralytics is licensed AGPL-3.0, not as samkit: see `samkit.stages.yolo`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from samkit.clip.load import load_clip
from samkit.clip.model import Clip
from samkit.stages.yolo import Yolo
from samkit.types import Prompts
from samkit.types.sample import Image

# What ultralytics calls the text models of its files, and the same models in open_clip.
READERS = {
    "clip:ViT-B/32": ("ViT-B-32", "openai"),
    "mobileclip:blt": ("MobileCLIP-B", "datacompdr_lt"),
    "mobileclip2:b": ("MobileCLIP2-B", "dfndr2b"),
}


class YoloText:
    """A YOLO that takes words: images and phrases to box prompts, for `DetectText(YoloText(...))`.

    path: a local .pt file of YOLO-World or YOLOE, such as yolov8s-worldv2.pt or yoloe-11s-seg.pt;
        nothing is downloaded. Masks of a -seg file are left aside.
    clip: reads the phrases. None loads the one that the released files of this kind were trained
        with, which is downloaded once: OpenAI's ViT-B/32 for YOLO-World, MobileCLIP for YOLOE.
        Neither ultralytics' CLIP package nor its download is needed then.
    confidence, max_boxes, device: as `Yolo` has them.

    Raises ImportError, FileNotFoundError and ValueError as `Yolo` does, ValueError too for a file
    with fixed classes and a CLIP whose embeddings have another length than the file takes, and
    OSError within seconds where the CLIP cannot be downloaded.

    >>> find = DetectText(YoloText("yoloe-11s-seg.pt"), ["a mug"])  # doctest: +SKIP
    """

    def __init__(
        self,
        path: str | Path,
        clip: Clip | None = None,
        confidence: float = 0.1,
        max_boxes: int = 300,
        device: str = "auto",
    ) -> None:
        self._yolo = Yolo(path, confidence=confidence, max_boxes=max_boxes, device=device)
        network = self._yolo._model.model
        width, reader = _texts_taken(network, path)
        self._clip = clip or load_clip(*READERS[reader], device=device)
        if width != self._clip.width:
            raise ValueError(
                f"{path} takes texts of {width} numbers, {self._clip.name} makes {self._clip.width}; "
                f"the released files are for {' with the weights '.join(READERS[reader])}"
            )
        self.name = f"{self._yolo.name} by {self._clip.name}"

    def __call__(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[Prompts]:
        """Box prompts for each (H, W, 3) uint8 RGB image, best first; class ids are its phrases' places."""
        found = []
        for image, some in zip(images, phrases, strict=True):
            threads = torch.get_num_threads()  # which every new set of phrases changes
            self._listen(list(some))
            found.append(self._yolo._detect(image))
            torch.set_num_threads(threads)
        return found

    @torch.no_grad()
    def _listen(self, phrases: list[str]) -> None:
        """What the file looks for from now on."""
        model = self._yolo._model
        network, head = model.model, model.model.model[-1]
        texts = self._clip.texts(phrases)[None].to(next(network.parameters()).device)
        if hasattr(network, "txt_feats"):
            network.txt_feats = texts
        else:
            network.pe = head.get_tpe(texts)
        head.nc = len(phrases)
        network.names = dict(enumerate(phrases))
        model.predictor = None  # it has a copy of the network
        self._yolo.class_ids = {number: number for number in range(len(phrases))}


def _texts_taken(network: Any, path: str | Path) -> tuple[int, str]:
    """How many numbers a text has for this network, and which of READERS its kind is trained with."""
    head = network.model[-1]
    if hasattr(network, "txt_feats"):
        return int(network.txt_feats.shape[-1]), "clip:ViT-B/32"
    # YOLOE files for use without phrases have a built-in vocabulary (lrpc), or one melted in.
    if hasattr(head, "get_tpe") and not (hasattr(head, "lrpc") or head.is_fused):
        reader = getattr(network, "text_model", "mobileclip:blt")
        return int(head.embed), reader if reader in READERS else "mobileclip:blt"
    raise ValueError(f"{path} knows fixed classes; only YOLO-World and YOLOE files take phrases")
