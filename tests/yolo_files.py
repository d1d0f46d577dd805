"""Detector files built on the spot: random weights that find boxes, without a download."""

import os
import tempfile
from pathlib import Path

import numpy as np
import skimage.data
import torch

# ultralytics reads these when it is imported.
os.environ.setdefault("YOLO_OFFLINE", "1")
os.environ.setdefault("YOLO_AUTOINSTALL", "0")
os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp(prefix="ultralytics-settings-"))


def save_random_yolo(path: Path) -> Path:
    """A YOLOv8-n at `path` with the names of COCO's 80 classes, that finds boxes in most pictures.

    Fresh weights give one tiny score everywhere: activations die out in layers whose statistics
    belong to no data. So these are taken from a photograph, and the class head is spread out and raised.
    """
    from ultralytics import YOLO
    from ultralytics.utils import ROOT, YAML

    torch.manual_seed(0)
    model = YOLO("yolov8n.yaml")
    for module in model.model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    photo = np.ascontiguousarray(skimage.data.astronaut()[::2, ::2].transpose(2, 0, 1))
    with torch.no_grad():
        model.model.train()(torch.from_numpy(photo)[None] / 255)
    for branch in model.model.model[-1].cv3:
        torch.nn.init.normal_(branch[-1].weight, std=0.05)
        torch.nn.init.constant_(branch[-1].bias, -4.0)
    model.model.eval().names = YAML.load(ROOT / "cfg/datasets/coco8.yaml")["names"]
    # Pictures are shrunk to this side, four times less than usual, to be quick.
    model.ckpt = {"train_args": {"imgsz": 160}}
    model.save(path)
    return path
