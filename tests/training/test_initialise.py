"""Where a training starts."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from samkit.training.initialise import from_nothing, resized, with_mae
from samkit.types import Prompts
from tests.training.small import CONFIG, small_sam


def test_from_nothing_depends_on_the_seed_alone() -> None:
    torch.manual_seed(5)
    first = from_nothing(CONFIG, 3).state_dict()
    torch.manual_seed(6)
    before = torch.get_rng_state()
    second = from_nothing(CONFIG, 3).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[name], second[name]) for name in first)
    third = from_nothing(CONFIG, 4).state_dict()
    assert not torch.equal(first["image_encoder.pos_embed"], third["image_encoder.pos_embed"])


def test_a_prompt_attends_to_its_own_place_from_the_start() -> None:
    """Over random seeds, the cell whose key is nearest to a place's own query is that place."""
    hits = []
    for seed in range(5):
        sam = from_nothing(CONFIG, seed)
        places = sam.prompt_encoder.dense_positions()[0].flatten(1).T
        attention = sam.mask_decoder.transformer.layers[0].cross_attn_token_to_image
        scores = attention.q_proj(places) @ attention.k_proj(places).T
        hits.append((scores.argmax(1) == torch.arange(len(places))).float().mean().item())
    assert np.mean(hits) > 0.8


def test_mae_weights_of_timm_compute_the_same(tmp_path: Path) -> None:
    """A real timm ViT and our encoder agree on patches, norms, attention and MLP."""
    timm = pytest.importorskip("timm")
    vit = timm.models.VisionTransformer(
        img_size=96, patch_size=16, embed_dim=16, depth=2, num_heads=2, mlp_ratio=2, num_classes=0
    ).eval()
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    save_file(dict(vit.state_dict()), tmp_path / "mae.safetensors")
    encoder = with_mae(small_sam(), tmp_path / "mae.safetensors").eval().image_encoder
    pixels = torch.randn(1, 3, 64, 64)
    patches = encoder.patch_embed["proj"](pixels)
    assert torch.allclose(patches, vit.patch_embed.proj(pixels), atol=1e-5)
    tokens = torch.randn(1, 4, 4, 16)
    for ours, theirs in zip(encoder.blocks, vit.blocks, strict=True):
        ours.attn.window = 0  # timm's attend to all tokens
        if ours.attn.rel_pos_h.shape[0] != 7:
            ours.attn.rel_pos_h = torch.nn.Parameter(torch.zeros(7, 8))
            ours.attn.rel_pos_w = torch.nn.Parameter(torch.zeros(7, 8))
        expected = theirs(tokens.flatten(1, 2)).view(1, 4, 4, 16)
        assert torch.allclose(ours(tokens), expected, atol=1e-4)
    # 6 x 6 positions without the class token's, brought to 4 x 4: the mean stays about the same.
    assert encoder.pos_embed.shape == (1, 4, 4, 16)
    assert torch.allclose(encoder.pos_embed.mean(), vit.pos_embed[:, 1:].mean(), atol=0.05)


def test_mae_weights_of_the_hub_compute_the_same() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTMAEConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=64,
        patch_size=16,
        decoder_hidden_size=16,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
        mask_ratio=0.0,
    )
    vit = transformers.ViTMAEForPreTraining(config).eval()
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    sam = with_mae(small_sam(), vit.state_dict()).eval()
    assert torch.equal(
        sam.image_encoder.pos_embed.flatten(1, 2), vit.vit.embeddings.position_embeddings[:, 1:]
    )
    tokens = torch.randn(1, 16, 16)
    block = sam.image_encoder.blocks[1]  # the one with global attention
    block.attn.rel_pos_h.data.zero_()
    block.attn.rel_pos_w.data.zero_()
    layer = (vit.vit.encoder.layer if hasattr(vit.vit, "encoder") else vit.vit.layers)[1]
    expected = layer(tokens)
    expected = expected[0] if isinstance(expected, tuple) else expected
    assert torch.allclose(block(tokens.view(1, 4, 4, 16)).flatten(1, 2), expected, atol=1e-4)


def test_other_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no MAE weights.*patch_embed\.proj\.weight is missing"):
        with_mae(small_sam(), {"blocks.0.norm1.weight": torch.zeros(16)})
    wrong = {name: torch.zeros(3) for name in small_sam().image_encoder.state_dict()}
    with pytest.raises(ValueError, match=r"has shape \(3,\), expected"):
        with_mae(small_sam(), wrong)


def test_another_input_size_keeps_what_was_learned() -> None:
    """The same picture at twice the size: answers stay alike, and the way back is exact."""
    sam = small_sam().eval()
    with torch.no_grad():
        for block in sam.image_encoder.blocks:
            block.attn.rel_pos_h.normal_(std=0.1)
    larger = resized(sam, 128)
    assert larger.config == dataclasses.replace(sam.config, image_size=128)
    assert larger.image_encoder.pos_embed.shape == (1, 8, 8, 16)
    assert larger.image_encoder.blocks[1].attn.rel_pos_h.shape == (15, 8)
    assert torch.equal(
        larger.image_encoder.blocks[0].attn.rel_pos_h, sam.image_encoder.blocks[0].attn.rel_pos_h
    )
    image = np.zeros((90, 128, 3), np.uint8)
    [masks] = larger.decode(larger.encode([image]), [Prompts.from_points([[20, 20]])])
    assert masks.logits is not None and masks.logits.shape == (3, 32, 32)
    same = resized(sam, 64).state_dict()
    assert all(torch.equal(same[name], tensor) for name, tensor in sam.state_dict().items())
    with pytest.raises(ValueError, match="multiple of the patch size 16"):
        resized(sam, 100)


def test_relative_positions_are_stretched_evenly() -> None:
    """A table that grows linearly with the distance still does, and its ends are the same."""
    sam = small_sam()
    table = sam.image_encoder.blocks[1].attn.rel_pos_h
    with torch.no_grad():
        table.copy_(torch.linspace(-1, 1, 7)[:, None].expand(7, 8))
    longer = resized(sam, 128).image_encoder.blocks[1].attn.rel_pos_h
    assert torch.allclose(longer[:, 0], torch.linspace(-1, 1, 15), atol=1e-6)
