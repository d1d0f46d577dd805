"""CLIP's output token made to look at an object alone, in the last layer (paper, app. D.5)."""

from typing import Any

import torch


def patch_grid(visual: Any) -> int:
    """How many patches a side of the input has, of an image tower whose last layer can be restricted.

    That is a VisionTransformer of open_clip with its usual blocks, square, that gives the embedding of
    its class token: all ViT models of OpenAI and most of open_clip. Raises ValueError for others.
    """
    from open_clip.transformer import ResidualAttentionBlock, VisionTransformer

    if (
        not isinstance(visual, VisionTransformer)
        or visual.pool_type != "tok"
        or visual.attn_pool is not None
        or not isinstance(visual.transformer.resblocks[-1], ResidualAttentionBlock)
        or not visual.transformer.resblocks[-1].attn.batch_first
        or visual.grid_size[0] != visual.grid_size[1]
    ):
        raise ValueError(
            "masked attention is for open_clip's VisionTransformer with its usual blocks, whose class "
            f"token is the embedding, and this is another: {type(visual).__name__}; leave it out"
        )
    return int(visual.grid_size[0])


def encode_inside(visual: Any, inputs: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """(N, D) features, the class token seeing only some patches in the last layer.

    visual: an image tower that `patch_grid` accepts. inputs: (N, 3, H, W). inside: (N, G, G) bool, the
    patches that are seen. The token sees itself too, so all patches together change nothing; the
    paper says only that attention is restricted to positions inside the mask.
    """
    patches = visual.conv1(inputs).flatten(2).mT
    first = visual.class_embedding.to(inputs.dtype).expand(len(inputs), 1, -1)
    tokens = torch.cat([first, patches], dim=1) + visual.positional_embedding.to(inputs.dtype)
    tokens = visual.ln_pre(tokens)
    *before, last = visual.transformer.resblocks
    for block in before:
        tokens = block(tokens)
    hidden = torch.nn.functional.pad(~inside.flatten(1), (1, 0), value=False)
    seen, token = last.ln_1(tokens), tokens[:, :1]
    # Nothing but the class token is used behind this layer, so it alone is worked out.
    told, _ = last.attn(seen[:, :1], seen, seen, key_padding_mask=hidden, need_weights=False)
    token = token + last.ls_1(told)
    token = token + last.ls_2(last.mlp(last.ln_2(token)))
    features: torch.Tensor = visual.ln_post(token[:, 0])
    return features if visual.proj is None else features @ visual.proj
