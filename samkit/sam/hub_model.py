"""The transformers library's own SAM at any sizes: the twin that `hub_names` makes weights for."""

from typing import Any

from samkit.ops.optional import require
from samkit.sam.config import SamConfig


def hub_model(config: SamConfig) -> Any:
    """A `transformers.SamModel` of these sizes with weights that nobody has trained (extra: bench).

    Raises ImportError, naming the extra, where the library is not installed.

    >>> theirs = hub_model(sam.config)  # doctest: +SKIP
    >>> theirs.load_state_dict(hub_names(sam.state_dict()))  # doctest: +SKIP
    """
    transformers = require("transformers", extra="bench")
    vision = {
        "hidden_size": config.width,
        "output_channels": config.channels,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.num_heads,
        "image_size": config.image_size,
        "patch_size": config.patch_size,
        "window_size": config.window_size,
        "global_attn_indexes": list(config.global_blocks),
        "num_pos_feats": config.channels // 2,
        "mlp_dim": config.mlp_dim,
    }
    prompts = {
        "hidden_size": config.channels,
        "image_size": config.image_size,
        "patch_size": config.patch_size,
        "mask_input_channels": config.mask_channels,
    }
    decoder = {
        "hidden_size": config.channels,
        "mlp_dim": config.decoder_mlp_dim,
        "num_hidden_layers": config.decoder_depth,
        "num_attention_heads": config.decoder_heads,
        "attention_downsample_rate": config.channels // config.decoder_attention_width,
        "num_multimask_outputs": config.num_mask_tokens - 1,
        "iou_head_depth": config.iou_head_depth,
        "iou_head_hidden_dim": config.iou_head_hidden,
    }
    together = transformers.SamConfig(
        vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder
    )
    return transformers.SamModel(together).eval()
