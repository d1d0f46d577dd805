"""Open-vocabulary detectors of random weights, built on the spot: they find boxes, without a download."""

from pathlib import Path

import torch

from samkit.clip import Clip
from samkit.clip.load import build_tiny
from tests.clip_models import CONFIG
from tests.yolo_files import save_random_yolo


def save_random_owl(folder: Path) -> Path:
    """An OWLv2 of 32 numbers a token that spells texts letter by letter, with its processor."""
    from transformers import (
        CLIPTokenizer,
        Owlv2Config,
        Owlv2ForObjectDetection,
        Owlv2ImageProcessor,
        Owlv2Processor,
    )

    torch.manual_seed(0)
    letters = [*"abcdefghijklmnopqrstuvwxyz."]
    words = [*letters, *(f"{x}</w>" for x in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[])
    size = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
    size["num_attention_heads"] = 2
    ends = {"bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1, "pad_token_id": 0}
    text = {**size, **ends, "vocab_size": len(words), "max_position_embeddings": 16}
    vision = {**size, "image_size": 64, "patch_size": 16}
    model = Owlv2ForObjectDetection(
        Owlv2Config(text_config=text, vision_config=vision, projection_dim=32)
    )
    for parameter in model.parameters():
        if parameter.ndim > 1:  # else boxes are as wide as the picture or nothing
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(folder)
    pictures = Owlv2ImageProcessor(size={"height": 64, "width": 64})
    Owlv2Processor(pictures, tokenizer).save_pretrained(folder)
    return folder


def save_random_world(path: Path) -> Path:
    """A YOLO-World of the smallest size, its contrastive head raised so that it finds boxes."""
    from ultralytics import YOLOWorld

    torch.manual_seed(0)
    model = YOLOWorld("yolov8n-worldv2.yaml")
    for branch in model.model.model[-1].cv4:
        torch.nn.init.constant_(branch.bias, -1.0)
    model.ckpt = {"train_args": {"imgsz": 160}}
    model.save(path)
    return path


def clip_of_width(width: int) -> Clip:
    """What reads phrases for a YOLO-World file: those take 512 numbers."""
    torch.manual_seed(0)
    config = {**CONFIG, "model": {**CONFIG["model"], "embed_dim": width}}
    model, words = build_tiny(config)
    return Clip(model, words, f"reader-{width}")


__all__ = ["clip_of_width", "save_random_owl", "save_random_world", "save_random_yolo"]
