"""Rates, decay and the average, against what is worked out by hand."""

import pytest
import torch

from samkit.training.optimizer import (
    Optimization,
    factor,
    layer_of,
    make_optimizer,
    set_rate,
    update_average,
)
from tests.training.small import small_sam


@pytest.mark.parametrize(
    ("how", "step", "progress", "expected"),
    [
        (Optimization(warmup=250), 0, 0.0, 1 / 250),
        (Optimization(warmup=250), 124, 0.1, 0.5),
        (Optimization(warmup=1, hold=0.2, final=0.1), 50, 0.2, 1.0),
        (Optimization(warmup=1, hold=0.2, final=0.1), 50, 0.6, 0.55),
        (Optimization(warmup=1, hold=0.2, final=0.1), 50, 1.0, 0.1),
        (Optimization(warmup=1, schedule="step"), 59_999, 59_999 / 90_000, 1.0),
        (Optimization(warmup=1, schedule="step"), 60_000, 60_000 / 90_000, 0.1),
        (Optimization(warmup=1, schedule="step"), 86_667, 86_667 / 90_000, 0.01),
        (Optimization(warmup=10, schedule="constant"), 4, 0.9, 0.5),
    ],
)
def test_schedule(how: Optimization, step: int, progress: float, expected: float) -> None:
    assert factor(how, step, progress) == pytest.approx(expected)


def test_layers() -> None:
    names = [
        "image_encoder.pos_embed",
        "image_encoder.patch_embed.proj.weight",
        "image_encoder.blocks.0.attn.qkv.weight",
        "image_encoder.blocks.11.mlp.lin1.bias",
        "image_encoder.neck.0.weight",
        "mask_decoder.iou_token.weight",
    ]
    assert [layer_of(name, 12) for name in names] == [0, 0, 1, 12, 13, 13]


def test_every_weight_once_with_its_layers_rate_and_decay() -> None:
    sam = small_sam()
    optimizer = make_optimizer(sam, Optimization(layer_decay=0.5, weight_decay=0.1))
    set_rate(optimizer, 1.0)
    of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    assert len(of) == len(list(sam.parameters()))
    by_name = {name: of[id(p)] for name, p in sam.named_parameters()}
    rates = {name: by_name[name]["lr"] for name in by_name}
    assert rates["image_encoder.pos_embed"] == 0.125
    assert rates["image_encoder.blocks.0.norm1.weight"] == 0.25
    assert rates["image_encoder.blocks.1.attn.qkv.weight"] == 0.5
    assert rates["image_encoder.neck.0.weight"] == rates["mask_decoder.mask_tokens.weight"] == 1
    free = {n for n, p in sam.named_parameters() if by_name[n]["weight_decay"] == 0 and p.ndim > 1}
    assert free == {
        "image_encoder.pos_embed",
        *(f"image_encoder.blocks.{i}.attn.rel_pos_{axis}" for i in range(2) for axis in "hw"),
        *(f"prompt_encoder.point_embeddings.{i}.weight" for i in range(4)),
        "prompt_encoder.not_a_point_embed.weight",
        "prompt_encoder.no_mask_embed.weight",
        "mask_decoder.iou_token.weight",
        "mask_decoder.mask_tokens.weight",
    }
    assert all(by_name[n]["weight_decay"] == 0 for n, p in sam.named_parameters() if p.ndim == 1)


def test_frozen_weights_are_not_optimised() -> None:
    sam = small_sam()
    sam.image_encoder.requires_grad_(False)
    groups = make_optimizer(sam, Optimization()).param_groups
    trained = sum(len(group["params"]) for group in groups)
    assert trained == sum(p.requires_grad for p in sam.parameters()) > 0


def test_average_is_the_mean_at_first_and_moves_slowly_later() -> None:
    sam = small_sam()
    name, parameter = next(iter(sam.named_parameters()))
    average = {name: torch.zeros_like(parameter)}
    with torch.no_grad():
        parameter.fill_(1.0)
    update_average(average, sam, 0.99, step=0)
    assert torch.allclose(average[name], torch.tensor(0.9))
    average[name].zero_()
    update_average(average, sam, 0.99, step=10_000)
    assert torch.allclose(average[name], torch.tensor(0.01))
