"""First weights: patches come out white, and attention begins where the paper it follows says."""

import dataclasses

import numpy as np
import pytest
import torch
from skimage import data

from samkit.sam.model import Sam
from samkit.training.step import normalised
from samkit.training.whitening import attend_to_alike, whiten
from tests.parity.models import SMALL


def photographs(size: int) -> torch.Tensor:
    pictures = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]
    parts = [p[y : y + size, x : x + size] for p in pictures for y in (0, 90) for x in (0, 90, 180)]
    return torch.from_numpy(np.stack(parts))


def test_photographs_come_out_of_the_patch_embedding_white() -> None:
    sam = Sam(SMALL)
    images = photographs(SMALL.image_size)
    layer = sam.image_encoder.patch_embed["proj"]

    def channels() -> torch.Tensor:
        return layer(normalised(images)).transpose(0, 1).flatten(1).detach()

    before = torch.linalg.eigvalsh(channels().cov())
    assert before[-1] > 20 * before.median()  # one direction, the brightness, is most of it
    whiten(sam, images)
    after = channels()
    torch.testing.assert_close(after.cov(), torch.eye(len(after)), atol=0.2, rtol=0)
    torch.testing.assert_close(after.mean(dim=1), torch.zeros(len(after)), atol=0.2, rtol=0)


def test_too_few_patches_are_refused_with_the_number_needed() -> None:
    sam = Sam(SMALL)
    black = torch.zeros(9, SMALL.image_size, SMALL.image_size, 3, dtype=torch.uint8)
    with pytest.raises(
        ValueError, match=f"need {4 * SMALL.width} patches, got 0 that are not flat"
    ):
        whiten(sam, black)


def test_channels_beyond_the_numbers_of_a_patch_stay_as_they_are() -> None:
    wide = dataclasses.replace(SMALL, width=16, patch_size=2, image_size=32)
    sam = Sam(wide)
    layer = sam.image_encoder.patch_embed["proj"]
    before = layer.weight.detach().clone()
    whiten(sam, photographs(32))
    changed = (layer.weight.detach() != before).flatten(1).all(dim=1)
    assert changed.tolist() == [True] * 12 + [False] * 4


def test_queries_meet_keys_of_tokens_like_themselves() -> None:
    torch.manual_seed(0)
    sam = Sam(SMALL)
    attend_to_alike(sam)
    width = SMALL.width
    for block in sam.image_encoder.blocks:
        query, key, value = block.attn.qkv.weight.detach().split(width)
        heads = SMALL.num_heads
        meet = sum(q.T @ k for q, k in zip(query.chunk(heads), key.chunk(heads), strict=True))
        other = meet - meet.diag().diag()
        assert meet.diag().mean() > 4 * other.abs().mean()
        through = block.attn.proj.weight.detach() @ value
        assert through.diag().mean() < -4 * (through - through.diag().diag()).abs().mean()
