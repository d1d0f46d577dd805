"""Open-vocabulary detectors of random weights, built on the spot: they find boxes, without a download."""

from pathlib import Path

import numpy as np
import skimage.data
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


def save_random_dino(folder: Path) -> Path:
    """A Grounding DINO of 32 numbers a token that spells texts letter by letter, with its processor."""
    from transformers import (
        BertConfig,
        BertTokenizer,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )

    torch.manual_seed(0)
    # The model knows start, end, full stop and question mark by these places of BERT's vocabulary.
    vocab = [f"[unused{i}]" for i in range(1030)]
    vocab[0], vocab[100], vocab[103] = "[PAD]", "[UNK]", "[MASK]"
    vocab[101], vocab[102], vocab[1012], vocab[1029] = "[CLS]", "[SEP]", ".", "?"
    for place, letter in enumerate("abcdefghijklmnopqrstuvwxyz"):
        vocab[200 + place], vocab[300 + place] = letter, f"##{letter}"
    tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate(vocab)})
    size = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
    text = BertConfig(**size, num_attention_heads=2, vocab_size=len(vocab))
    backbone = SwinConfig(
        image_size=64, embed_dim=16, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 2], window_size=2,
        out_indices=[2, 3, 4],
    )  # fmt: skip
    layers = {"encoder_layers": 1, "decoder_layers": 2}
    layers |= {f"{part}_ffn_dim": 32 for part in ("encoder", "decoder")}
    layers |= {f"{part}_attention_heads": 2 for part in ("encoder", "decoder")}
    model = GroundingDinoForObjectDetection(
        GroundingDinoConfig(
            backbone_config=backbone, text_config=text, d_model=32, num_queries=20, **layers
        )
    )
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:  # else every query finds the same
            torch.nn.init.normal_(parameter, std=0.1 if "bbox" in name else 0.2)
    model.save_pretrained(folder)
    pictures = GroundingDinoImageProcessor(size={"shortest_edge": 96, "longest_edge": 160})
    GroundingDinoProcessor(pictures, tokenizer).save_pretrained(folder)
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


def save_random_yoloe(path: Path, name: str = "yoloe-11n-seg.yaml") -> Path:
    """A YOLOE of the smallest size that finds boxes, and other ones for other texts.

    Statistics are taken from a photograph, as for `save_random_yolo`.
    """
    from ultralytics import YOLOE

    torch.manual_seed(0)
    model = YOLOE(name)
    for module in model.model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    photo = np.ascontiguousarray(skimage.data.astronaut()[::2, ::2].transpose(2, 0, 1))
    with torch.no_grad():
        model.model.train()(torch.from_numpy(photo)[None] / 255)
    head = model.model.eval().model[-1]
    for branch in [*head.cv4, *getattr(head, "one2one_cv4", [])]:
        torch.nn.init.constant_(branch.bias, -1.0)
        torch.nn.init.constant_(branch.logit_scale, -3.0)  # else scores are 0 or 1
    model.ckpt = {"train_args": {"imgsz": 160}}
    model.save(path)
    return path


def clip_of_width(width: int) -> Clip:
    """What reads phrases for a YOLO-World file: those take 512 numbers."""
    torch.manual_seed(0)
    config = {**CONFIG, "model": {**CONFIG["model"], "embed_dim": width}}
    model, words = build_tiny(config)
    return Clip(model, words, f"reader-{width}")


__all__ = [
    "clip_of_width",
    "save_random_dino",
    "save_random_owl",
    "save_random_world",
    "save_random_yolo",
    "save_random_yoloe",
]
