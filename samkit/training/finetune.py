"""Fine-tuning: which weights learn, all, the decoder's alone, or small matrices beside the encoder's."""

from typing import Any, Literal

from samkit.ops.optional import require
from samkit.sam.model import Sam

Which = Literal["all", "decoder", "low-rank"]


def choose_trained(sam: Sam, which: Which = "all", rank: int = 8) -> Sam:
    """Freezes the rest, in place.

    all: everything. decoder: mask decoder and prompt encoder; the image encoder is not even
        back-propagated through. low-rank: the decoder, and beside the encoder's attention matrices
        two thin ones of `rank` (LoRA, Hu et al. 2022; by the library peft), which `merged` adds in.

    Raises ValueError for another word, ImportError where low-rank finds no peft.
    """
    if which not in ("all", "decoder", "low-rank"):
        raise ValueError(f"what is trained is all, decoder or low-rank, got {which!r}")
    sam.requires_grad_(which == "all")
    sam.prompt_encoder.requires_grad_(True)
    sam.mask_decoder.requires_grad_(True)
    if which == "low-rank":
        peft = require("peft", extra="train")
        how = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=["qkv", "proj"])
        peft.inject_adapter_in_model(how, sam.image_encoder.blocks)
        sam.mask_decoder.requires_grad_(True)
    return sam


def merged(sam: Sam) -> Sam:
    """The SAM with any low-rank matrices added to what they stand beside, in place: official names."""
    for parent in list(sam.modules()):
        for name, child in list(parent.named_children()):
            if hasattr(child, "get_base_layer"):
                layer: Any = child  # peft's, which need not be installed here
                layer.merge()
                setattr(parent, name, layer.get_base_layer())
    return sam
