"""One step: whatever is done for speed, its gradients are those of the plain sum of losses."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from samkit.sam.preprocess import preprocess
from samkit.training.data import make_batch
from samkit.training.dense import DenseHead
from samkit.training.losses import sam_loss
from samkit.training.simulate import Simulation, first_prompts
from samkit.training.step import Batch, Loss, backward, normalised
from tests.training.small import gradients, scenes, small_batch, small_feed, small_sam


def one_image(batch: Batch, image: int) -> Batch:
    """What a batch says of one of its images."""
    own = batch.which == image
    return replace(
        batch,
        images=batch.images[image : image + 1],
        targets=batch.targets[own],
        which=torch.zeros(int(own.sum()), dtype=torch.int64),
        draws=batch.draws[own],
    )


def test_a_batch_is_the_mean_of_its_images() -> None:
    """The same prompts, clicks and all: the batch's gradient is the mean of its images' own."""
    sam, batch = small_sam(), small_batch(images=3)
    together = backward(sam, batch, Loss())
    expected = gradients(sam)
    sam.zero_grad()
    alone = [backward(sam, one_image(batch, i), Loss(), share=1 / 3) for i in range(3)]
    assert together.loss == pytest.approx(np.mean([one.loss for one in alone]), rel=1e-5)
    assert together.ious == pytest.approx(np.mean([one.ious for one in alone], axis=0), rel=1e-4)
    largest = max(gradient.abs().max() for gradient in expected.values())
    for name, gradient in gradients(sam).items():
        assert torch.allclose(gradient, expected[name], rtol=1e-3, atol=1e-5 * largest), name


def test_gradients_are_those_of_one_plain_backward() -> None:
    """A first round written out, without the embeddings' detour."""
    sam, batch = small_sam(), small_batch(simulation=Simulation(corrections=0, extra_rounds=0))
    backward(sam, batch, Loss())
    expected = gradients(sam)
    sam.zero_grad()
    embeddings = sam.image_encoder(normalised(batch.images))[batch.which]
    xy, kinds = first_prompts(batch.targets, batch.box_share, batch.draws)
    logits, iou = sam.mask_decoder(
        embeddings + sam.prompt_encoder.embed_no_mask(),
        sam.prompt_encoder.dense_positions(),
        sam.prompt_encoder.embed_points(xy, kinds),
        slice(1, None),
    )
    sam_loss(logits, iou, F.avg_pool2d(batch.targets[:, None].float(), 2)[:, 0]).backward()
    assert gradients(sam).keys() == expected.keys()
    for name, gradient in gradients(sam).items():
        assert torch.allclose(gradient, expected[name], rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("part", ["image_encoder", "prompt_encoder", "mask_decoder"])
def test_gradients_by_finite_differences(part: str) -> None:
    """In float64, along a random direction in the weights of each part."""
    sam = small_sam().double()
    batch = small_batch(simulation=Simulation(corrections=0, extra_rounds=0))
    backward(sam, batch, Loss())
    generator = torch.Generator().manual_seed(0)
    weights = [p for n, p in sam.named_parameters() if n.startswith(part) and p.grad is not None]
    way = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in weights]
    slope = sum(float((p.grad * d).sum()) for p, d in zip(weights, way, strict=True))
    values = []
    for shift in (1e-8, -2e-8):  # so small that no pixel crosses a threshold: IoU has steps
        with torch.no_grad():
            torch._foreach_add_(weights, way, alpha=shift)
        values.append(backward(sam, batch, Loss()).loss)
    assert (values[0] - values[1]) / 2e-8 == pytest.approx(slope, rel=1e-3)


def test_a_frozen_encoder_gets_no_gradient() -> None:
    sam = small_sam()
    sam.image_encoder.requires_grad_(False)
    backward(sam, small_batch(), Loss())
    assert not any(name.startswith("image_encoder") for name in gradients(sam))
    assert "mask_decoder.iou_token.weight" in gradients(sam)


def test_cells_teach_the_encoder_and_their_head_but_not_the_decoder() -> None:
    feed = dataclasses.replace(small_feed(), dense=True)
    batch = make_batch(scenes(), feed, 0, 0)
    sam, head = small_sam(), DenseHead(32)
    without = backward(sam, batch, Loss())
    plain = gradients(sam)
    sam.zero_grad()
    outcome = backward(sam, batch, Loss(), head=head)
    assert outcome.dense > 0.5 and without.dense == 0
    assert (outcome.loss, outcome.ious) == (without.loss, without.ious)
    assert all(p.grad is not None and p.grad.any() for p in head.parameters())
    for name, gradient in gradients(sam).items():
        assert torch.equal(gradient, plain[name]) != name.startswith("image_encoder"), name


def test_the_single_mask_token_learns_from_the_second_round_on() -> None:
    first = small_batch(simulation=Simulation(corrections=0, extra_rounds=0))
    sam = small_sam()
    backward(sam, first, Loss())
    single = "mask_decoder.output_hypernetworks_mlps.0.layers.0.weight"
    several = "mask_decoder.output_hypernetworks_mlps.1.layers.0.weight"
    assert single not in gradients(sam) and several in gradients(sam)
    backward(sam, small_batch(), Loss())
    assert single in gradients(sam)


def test_every_round_counts_alike() -> None:
    """The multimask tokens answer the first round alone: one of four, a quarter of their gradient."""
    names = [f"mask_decoder.output_hypernetworks_mlps.{i}.layers.2.bias" for i in (1, 2, 3)]
    found = []
    for clicks in ((), (True, False, True)):
        sam = small_sam()
        backward(sam, replace(small_batch(), clicks=clicks), Loss())
        found.append(torch.stack([gradients(sam)[name] for name in names]))
    assert found[0].abs().max() > 1e-4  # one of the three is best
    assert torch.allclose(found[0], 4 * found[1], rtol=1e-4, atol=1e-7)


def test_without_a_new_click_the_logits_alone_go_on() -> None:
    """A refining round: as many prompt tokens as before, and the mask branch learns."""
    sam = small_sam()
    batch = small_batch(simulation=Simulation(corrections=1, extra_rounds=0, refine_share=1))
    assert batch.clicks == (False,)
    asked = []
    sam.prompt_encoder.embed_points, original = (  # type: ignore[method-assign]
        lambda xy, kinds: asked.append(xy.shape[1]) or original(xy, kinds),
        sam.prompt_encoder.embed_points,
    )
    backward(sam, batch, Loss())
    assert asked == [2, 2]
    assert "prompt_encoder.mask_downscaling.0.weight" in gradients(sam)


def test_pixels_are_those_of_inference() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    ours = normalised(torch.from_numpy(picture)[None])[0]
    assert torch.allclose(ours, preprocess(picture, 64)[0], atol=1e-6)


def test_a_scale_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="scale is 1, 2 or 4"):
        backward(small_sam(), small_batch(), Loss(scale=3))
