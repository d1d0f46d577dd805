"""samkit beside the official package: the same weights must give the same answers.

Bounds: image embeddings, logits and predicted IoU within 1e-4 of their largest magnitude, binary
masks equal in over 99.99 % of pixels.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from samkit import load_sam, save_sam
from samkit.sam.config import CONFIGS, SamConfig
from samkit.sam.model import Sam
from samkit.types import Masks, Prompts

pytest.importorskip("segment_anything", reason="parity needs the extra `official`")

from samkit.sam.official import OfficialSam, official_model
from tests.parity.models import ODD, SMALL, pair

SIZES = {"portrait": (160, 90), "landscape": (90, 160), "tiny": (3, 5), "large": (3000, 4000)}
QUICK = ("one point", "box", "mask, box and point")


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth blobs with noise: something to see at every size."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, 7, 7))).float()
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")[0]
    noisy = smooth.permute(1, 2, 0).numpy() + rng.normal(0, 12, (height, width, 3))
    return noisy.clip(0, 255).astype(np.uint8)


def prompts_for(size: tuple[int, int], low_res: int, channels: int) -> dict[str, Prompts]:
    """Every kind of prompt, in the pixels of an image of `size`."""
    rng = np.random.default_rng(1)
    height, width = size

    def xy(n: int) -> NDArray[np.float32]:
        return rng.uniform(0, (width, height), (n, 2)).astype(np.float32)

    box = [0.2 * width, 0.1 * height, 0.7 * width, 0.8 * height]
    mask = torch.from_numpy(rng.normal(0, 4, (low_res, low_res)).astype(np.float32))
    return {
        "one point": Prompts.from_points(xy(1)),
        "many points, mixed labels": Prompts(points=[xy(6)], labels=[[1, 0, 1, 1, 0, 0]]),
        "box": Prompts.from_boxes([box]),
        "box and points": Prompts(points=[xy(3)], labels=[[1, 0, 1]], boxes=[box]),
        "mask and point": Prompts(points=[xy(1)], labels=[[1]], masks=[mask]),
        "mask, box and point": Prompts(points=[xy(1)], labels=[[0]], boxes=[box], masks=[mask]),
        "mask alone": Prompts(masks=[mask]),
        "nothing": Prompts(points=[np.zeros((0, 2))], labels=[[]]),
        "several boxes": Prompts.from_boxes(np.sort(xy(8).reshape(4, 2, 2), axis=1).reshape(4, 4)),
    }


def worst(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The largest difference as a share of the largest magnitude."""
    return float((ours - theirs).abs().max() / theirs.abs().max())


def assert_same(pairs: Sequence[tuple[Masks, Masks]], what: str) -> None:
    """Ours and theirs, for one or several calls with the same prompts.

    The largest predicted IoU is taken over all calls: a single mask's may be as good as zero.
    """
    for ours, theirs in pairs:
        assert ours.logits is not None and theirs.logits is not None
        assert worst(ours.logits, theirs.logits) < 1e-4, f"logits of {what}"
        equal = (ours.binary() == theirs.binary()).mean()
        assert equal > 0.9999, f"only {equal:.6f} of the pixels of {what} are equal"
    mine, wanted = (
        torch.from_numpy(np.concatenate([masks.predicted_iou for masks in side]))
        for side in zip(*pairs, strict=True)
    )
    assert worst(mine, wanted) < 1e-4, f"predicted IoU of {what}"


def compare(
    theirs: OfficialSam, ours: Sam, size: tuple[int, int], only: Sequence[str] | None = None
) -> None:
    """One picture, every kind of prompt (or `only` some), three masks and one."""
    image = picture(*size)
    [expected], [embedding] = theirs.encode([image]), ours.encode([image])
    assert embedding.frame == expected.frame
    tensors = embedding["image_embedding"], expected["image_embedding"]
    assert worst(*tensors) < 1e-4, f"embedding of {size}"
    side, channels = ours.config.low_res_size, ours.config.channels
    kinds = prompts_for(size, side, channels)
    for what in only or kinds:
        prompts = kinds[what]
        pairs = []
        for multimask in (True, False):
            pairs += zip(
                ours.decode([embedding], [prompts], multimask),
                theirs.decode([expected], [prompts], multimask),
                strict=True,
            )
        assert_same(pairs, f"{what}, {size}")


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("config", [SMALL, ODD], ids=["small", "odd"])
def test_random_weights(config: SamConfig, size: tuple[int, int]) -> None:
    theirs, ours = pair(config)
    assert ours.config == config, "the configuration is read off the tensors"
    # Twelve million pixels a mask: three kinds of prompt say enough there.
    compare(OfficialSam(theirs), ours, size, QUICK if size == SIZES["large"] else None)


def test_small_activations_feel_the_epsilons() -> None:
    theirs, ours = pair(SMALL, scale=1e-3)
    compare(OfficialSam(theirs), ours, SIZES["landscape"])


@pytest.mark.slow
def test_vit_b_size() -> None:
    theirs, ours = pair(CONFIGS["vit_b"])
    assert ours.config == CONFIGS["vit_b"]
    assert len(theirs.state_dict()) == 314 and sum(p.numel() for p in ours.parameters()) == 93735472
    compare(OfficialSam(theirs), ours, SIZES["landscape"])


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_official_configurations_have_the_official_tensors(name: str) -> None:
    with torch.device("meta"):
        ours, theirs = Sam(CONFIGS[name]).state_dict(), official_model(CONFIGS[name]).state_dict()
    assert {n: t.shape for n, t in ours.items()} == {n: t.shape for n, t in theirs.items()}


def test_trained_weights() -> None:
    ours = load_sam("tiny", device="cpu")
    for size in ((300, 451), (512, 384)):
        compare(OfficialSam.twin_of(ours), ours, size)


def test_a_ragged_batch_equals_one_by_one() -> None:
    """Five images of different sizes with 1, 7, 0, 64 and 3 prompts beside one official call each."""
    theirs, ours = pair(SMALL)
    reference = OfficialSam(theirs)
    rng = np.random.default_rng(5)
    sizes = [(60, 90), (128, 128), (33, 200), (240, 180), (5, 7)]
    images = [picture(*size, seed) for seed, size in enumerate(sizes)]
    kinds = [prompts_for(size, ours.config.low_res_size, 256) for size in sizes]
    prompts = [
        kinds[0]["one point"],
        Prompts.concat([kinds[1][k] for k in list(kinds[1])[:5]] + [kinds[1]["several boxes"][:2]]),
        Prompts(),
        Prompts.from_points(rng.uniform(0, 180, (64, 2))),
        Prompts.concat([kinds[4]["box"], kinds[4]["mask and point"], kinds[4]["box and points"]]),
    ]
    assert [len(p) for p in prompts] == [1, 7, 0, 64, 3]
    expected = reference.decode(reference.encode(images), prompts)
    for i, (mine, wanted) in enumerate(
        zip(ours.decode(ours.encode(images), prompts), expected, strict=True)
    ):
        assert len(mine) == len(wanted) == 3 * len(prompts[i])
        assert mine.prompt_index.tolist() == wanted.prompt_index.tolist()
        if len(mine):
            assert_same([(mine, wanted)], f"image {i}")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_checkpoints_go_both_ways(tmp_path: Path, suffix: str) -> None:
    theirs, ours = pair(ODD)
    path = tmp_path / f"weights{suffix}"
    save_sam(ours, path)
    reloaded = official_model(ODD)
    if suffix == ".pth":
        reloaded.load_state_dict(torch.load(path, weights_only=True), strict=True)
    else:
        from safetensors.torch import load_file

        reloaded.load_state_dict(load_file(path), strict=True)
    compare(OfficialSam(reloaded), ours, SIZES["portrait"])
    torch.save(theirs.state_dict(), tmp_path / "official.pth")
    compare(
        OfficialSam(theirs), load_sam(tmp_path / "official.pth", device="cpu"), SIZES["portrait"]
    )


# The bounds above can fail: each of these small errors breaks them.


def tanh_gelu(sam: Sam) -> None:
    for block in sam.image_encoder.blocks:
        block.mlp.act = nn.GELU(approximate="tanh")


def wrong_encoder_epsilon(sam: Sam) -> None:
    for block in sam.image_encoder.blocks:
        block.norm1.eps = block.norm2.eps = 1e-5


def wrong_decoder_epsilon(sam: Sam) -> None:
    for name, module in sam.mask_decoder.transformer.named_modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-2 if name.endswith("norm4") else 1e-3


def residual_in_the_first_layer(sam: Sam) -> None:
    sam.mask_decoder.transformer.layers[0].first = False


def scaled_query_in_relative_positions(sam: Sam) -> None:
    for block in sam.image_encoder.blocks:
        for table in (block.attn.rel_pos_h, block.attn.rel_pos_w):
            table.data *= (table.shape[1]) ** -0.5


@pytest.mark.parametrize(
    ("mistake", "scale"),
    [
        (tanh_gelu, 1.0),
        (wrong_encoder_epsilon, 1e-3),
        (wrong_decoder_epsilon, 1.0),
        (residual_in_the_first_layer, 1.0),
        (scaled_query_in_relative_positions, 1.0),
    ],
)
def test_a_mistake_in_the_model_is_seen(mistake: Callable[[Sam], None], scale: float) -> None:
    theirs, ours = pair(SMALL, scale=scale)
    mistake(ours)
    with pytest.raises(AssertionError, match=r"embedding|logits|predicted IoU"):
        compare(OfficialSam(theirs), ours, SIZES["landscape"])


def test_a_padded_point_is_seen() -> None:
    """What other ports do to batch prompts of unequal length: one more "not a point" token."""
    theirs, ours = pair(SMALL)
    embed = ours.prompt_encoder.embed_points

    def padded(xy: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
        xy = torch.cat([xy, torch.zeros(len(xy), 1, 2)], dim=1)
        return embed(xy, torch.cat([kinds, torch.full((len(kinds), 1), -1)], dim=1))

    ours.prompt_encoder.embed_points = padded  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="logits of one point"):
        compare(OfficialSam(theirs), ours, SIZES["landscape"])


def test_a_fallen_global_block_is_read_off_the_tensors() -> None:
    """Windows and global blocks come from the tables' lengths, whatever their order."""
    config = dataclasses.replace(SMALL, global_blocks=(0, 2), window_size=3)
    theirs, ours = pair(config)
    assert ours.config == config
    compare(OfficialSam(theirs), ours, SIZES["portrait"])
