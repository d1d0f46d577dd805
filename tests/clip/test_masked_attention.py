"""Masked attention of CLIP's last layer, beside the sums written out."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from samkit.clip import Clip, stored_clip
from samkit.clip.load import build_tiny
from samkit.clip.masked_attention import encode_inside, patch_grid
from samkit.ops.square_crops import Crop
from samkit.stages import RankByText
from tests.clip_models import CONFIG, small_clip

open_clip = pytest.importorskip("open_clip")
RNG = np.random.default_rng(0)
SQUARES = [RNG.integers(0, 256, (side, side, 3)).astype(np.uint8) for side in (32, 40, 7)]
PATCHES = [RNG.random((4, 4)) > share for share in (0.3, 0.7, 0.9)]


def deep_clip(**vision: object) -> Clip:
    """Two layers and more, so that the last one is not the first."""
    torch.manual_seed(0)
    settings = {**CONFIG["model"]["vision_cfg"], "layers": 3, **vision}
    config = {**CONFIG, "model": {**CONFIG["model"], "vision_cfg": settings}}
    model, words = build_tiny(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return Clip(model, words, "deep")


def written_out(visual, inputs: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """The whole tower by plain sums, picture by picture and head by head, with its own weights."""
    rows = []
    for image, seen in zip(inputs, inside, strict=True):
        patches = image.unfold(1, 8, 8).unfold(2, 8, 8).permute(1, 2, 0, 3, 4).reshape(16, -1)
        x = torch.cat([visual.class_embedding[None], patches @ visual.conv1.weight.flatten(1).T])
        x = visual.ln_pre(x + visual.positional_embedding)
        blocks = visual.transformer.resblocks
        for number, block in enumerate(blocks):
            y, attn = block.ln_1(x), block.attn
            q, k, v = (y @ attn.in_proj_weight.T + attn.in_proj_bias).chunk(3, dim=1)
            heads = []
            for head in range(attn.num_heads):
                part = slice(head * attn.head_dim, (head + 1) * attn.head_dim)
                table = q[:, part] @ k[:, part].T / attn.head_dim**0.5
                if number == len(blocks) - 1:
                    table[0, 1:][~seen.flatten()] = -torch.inf
                heads.append(table.softmax(dim=1) @ v[:, part])
            x = x + torch.cat(heads, dim=1) @ attn.out_proj.weight.T + attn.out_proj.bias
            x = x + block.mlp(block.ln_2(x))
        rows.append(visual.ln_post(x[0]) @ visual.proj)
    return torch.stack(rows)


def test_it_is_the_sum_written_out() -> None:
    clip = deep_clip()
    inputs = torch.stack([clip._to_input(Image.fromarray(image)) for image in SQUARES])
    inside = torch.from_numpy(np.stack(PATCHES))
    with torch.no_grad():
        expected = written_out(clip.model.visual, inputs, inside)
    found = clip.images(SQUARES, PATCHES)
    torch.testing.assert_close(found, F.normalize(expected, dim=1), atol=1e-5, rtol=0)
    assert (found - clip.images(SQUARES)).abs().amax(dim=1).min() > 0.002


@pytest.mark.parametrize("vision", [{}, {"ls_init_value": 0.3}, {"final_ln_after_pool": True}])
def test_all_patches_change_nothing_and_none_leaves_the_token_alone(vision) -> None:
    clip, everywhere = deep_clip(**vision), [np.ones((4, 4), dtype=bool)] * 3
    torch.testing.assert_close(
        clip.images(SQUARES, everywhere), clip.images(SQUARES), atol=1e-5, rtol=0
    )
    nowhere = clip.images(SQUARES, [~whole for whole in everywhere])
    assert nowhere.isfinite().all()


def test_what_is_hidden_has_no_say_in_the_last_layer() -> None:
    """One layer: pixels of patches outside the mask cannot change the embedding at all."""
    clip, inside = small_clip(), np.zeros((4, 4), dtype=bool)
    inside[1, 2] = True
    image, other = SQUARES[0], SQUARES[0].copy()
    other[16:] = 255 - other[16:]
    hidden = clip.images([image, other], [inside, inside])
    torch.testing.assert_close(hidden[0], hidden[1], atol=1e-6, rtol=0)
    plain = clip.images([image, other])
    assert (plain[0] - plain[1]).abs().max() > 0.01


def test_wrong_patches_and_pictures_are_refused() -> None:
    clip = small_clip()
    assert clip.patch_grid == 4
    for patches in (PATCHES[:2], [np.ones((3, 4), bool)] * 3):
        with pytest.raises(ValueError, match=r"patches are one array of \(4, 4\) for each of 3"):
            clip.images(SQUARES, patches)
    with pytest.raises(ValueError, match=r"wants square images, got \(5, 6, 3\)"):
        clip.images([np.zeros((5, 6, 3), np.uint8)], PATCHES[:1])
    assert clip.images([], []).shape == (0, 16)


@pytest.mark.parametrize(
    "vision",
    [
        {"pool_type": "avg"},
        {"attentional_pool": True, "attn_pooler_queries": 4, "attn_pooler_heads": 2},
        {"block_type": "custom"},
    ],
)
def test_models_without_it_say_so_at_once(vision) -> None:
    clip = deep_clip(**vision)
    with pytest.raises(ValueError, match="masked attention is for open_clip's .*; leave it out"):
        clip.images(SQUARES, PATCHES)
    with pytest.raises(ValueError, match="this is another: VisionTransformer"):
        RankByText(clip, crops=(Crop(masked_attention=True),))
    resnet = open_clip.modified_resnet.ModifiedResNet([1, 1, 1, 1], 16, 2, 32, 8)
    with pytest.raises(ValueError, match="this is another: ModifiedResNet"):
        patch_grid(resnet)


def test_a_store_tells_patches_apart(tmp_path) -> None:
    clip = deep_clip()
    store = stored_clip(clip, tmp_path)
    for patches in (PATCHES[:1], PATCHES[1:2], None):
        for _ in range(2):
            torch.testing.assert_close(
                store.images(SQUARES[:1], patches), clip.images(SQUARES[:1], patches)
            )
    assert len(list(tmp_path.iterdir())) == 3


def test_half_precision() -> None:
    clip = deep_clip()
    exact = clip.images(SQUARES, PATCHES)
    clip.model.to(torch.bfloat16)
    torch.testing.assert_close(clip.images(SQUARES, PATCHES), exact, atol=0.06, rtol=0)
    inputs = torch.zeros(1, 3, 32, 32, dtype=torch.bfloat16)
    shown = torch.ones(1, 4, 4, dtype=torch.bool)
    assert encode_inside(clip.model.visual, inputs, shown).dtype == torch.bfloat16
