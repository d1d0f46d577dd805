"""Teaching a SAM to read CLIP embeddings."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from samkit.clip.projection import TextProjection
from samkit.data.shapes.colours import NAMES as COLOURS
from samkit.data.shapes.silhouettes import CLASSES
from samkit.ops.square_crops import covered_cells, mask_square, square_crop
from samkit.training.step import Batch, Loss, normalised
from samkit.training.text import (
    Pool,
    crops_of_masks,
    image_embeddings,
    some_masks,
    strangers_iou,
    text_backward,
    without_small_masks,
)
from samkit.training.text_moves import move, move_texts
from tests.clip_models import small_clip
from tests.training.small import scenes, small_feed, small_sam

SIDE = 64


def make_batch(clicks=(True, False)) -> Batch:
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.uint8))
    targets = torch.zeros(3, SIDE, SIDE, dtype=torch.bool)
    targets[0, 5:30, 8:20] = targets[1, 40:44, 40:44] = targets[2, 10:60, 30:60] = True
    draws = torch.from_numpy(rng.random((3, 12), dtype=np.float32))
    return Batch(images, targets, torch.tensor([0, 0, 1]), draws, 0.5, clicks)


def test_crops_are_the_paper_s(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fixed:
        def __init__(self, chance: float) -> None:
            self.chance = chance

        def random(self) -> float:
            return self.chance

        def uniform(self, low: float, high: float) -> float:
            assert (low, high) == (1.0, 2.0)
            return 1.5

    batch = make_batch()
    for chance, mask in ((0.6, None), (0.4, batch.targets[2].numpy())):
        crops, patches = crops_of_masks(batch, 32, Fixed(chance), 4)  # type: ignore[arg-type]
        assert len(crops) == len(patches) == 3
        expected = square_crop(batch.images[1].numpy(), (30, 10, 60, 60), 32, 1.5, mask)
        np.testing.assert_array_equal(crops[2], expected)
        covered = covered_cells(batch.targets[2].numpy(), (30, 10, 60, 60), 4, 1.5)
        np.testing.assert_array_equal(patches[2], covered)
        assert 0 < covered.sum() < 16
        [*_, seen], _ = crops_of_masks(batch, 32, Fixed(chance), None, True)  # type: ignore[arg-type]
        outline = mask_square(batch.targets[2].numpy(), (30, 10, 60, 60), 32, 1.5)
        np.testing.assert_array_equal(seen, np.dstack([expected, outline]))


def test_embeddings_with_and_without_masked_attention() -> None:
    batch, clip = make_batch(), small_clip()
    plain, masked = (
        image_embeddings(batch, clip, np.random.default_rng(0), chosen) for chosen in (False, True)
    )
    crops, patches = crops_of_masks(batch, 32, np.random.default_rng(0), 4)
    torch.testing.assert_close(plain, clip.images(crops))
    torch.testing.assert_close(masked, clip.images(crops, patches))
    assert (plain - masked).abs().max() > 0.01


def test_a_projection_moves_to_another_clip() -> None:
    """Beside a CLIP whose image tower ends in another basis: the same crop gives the same tokens."""
    old, new = small_clip(), small_clip()
    turn = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(0)))[0]
    new.model.visual.proj = torch.nn.Parameter(new.model.visual.proj @ turn)
    new.texts_name = "turned"
    projection = TextProjection(16, 8, tokens=2, hidden=8, clip_name=old.name).requires_grad_(False)
    batches = [replace(make_batch(), which=torch.tensor(which)) for which in ([0, 1, 0], [1, 0, 1])]
    batches = [replace(b, images=b.images.roll(n, 1)) for n in range(40) for b in batches]
    crops, _ = crops_of_masks(make_batch(), 32, np.random.default_rng(5))
    expected = projection(old.images(crops))
    apart = (projection(new.images(crops)) - expected).abs().max()
    move(projection, old, new, batches)
    moved = projection(new.images(crops))
    assert projection.clip_name == "turned" and projection.clip_width == 16
    assert (moved - expected).abs().max() < 0.05 * apart
    assert all(p.requires_grad for p in projection.lin1.parameters()), "it can be trained on"


def test_a_projection_moves_to_the_texts_of_another_clip() -> None:
    """The other's texts end in another basis, and off the first's: the same phrase gives the same tokens."""
    old, new = small_clip(), small_clip()
    turn = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(0)))[0]
    new.model.text_projection = torch.nn.Parameter(new.model.text_projection @ turn)
    new.texts_name = "turned"
    projection = TextProjection(16, 8, tokens=2, hidden=8, clip_name=old.name).requires_grad_(False)
    projection.gap = torch.linspace(-1, 1, 16) / 4
    expected = projection.read(old.texts(["a red disc"]))
    apart = (projection.read(new.texts(["a red disc"])) - expected).abs().max()
    texts = [f"{colour} {name}" for colour in COLOURS for name in CLASSES[:20]]
    move_texts(projection, old, new, texts)
    moved = projection.read(new.texts(["a red disc"]))
    assert projection.clip_name == "turned"
    assert (moved - expected).abs().max() < 0.05 * apart


def test_texts_move_between_clips_of_one_width(monkeypatch) -> None:
    old, new = small_clip(), small_clip()
    monkeypatch.setattr(new, "texts", lambda texts: torch.zeros(len(texts), 8))
    with pytest.raises(ValueError, match="of one width, not from 16 to 8"):
        move_texts(TextProjection(16, 8), old, new, ["a disc"])


def test_small_masks_are_dropped_and_rows_chosen() -> None:
    kept = without_small_masks(make_batch(), 0.0095)  # the second covers 16 of 4096 pixels
    assert kept.which.tolist() == [0, 1] and len(kept.draws) == 2
    rows = some_masks(make_batch(), torch.tensor([2, 0]))
    assert rows.which.tolist() == [1, 0] and len(rows.images) == 2
    torch.testing.assert_close(rows.draws[0], make_batch().draws[2])


def test_a_pool_encodes_once_unless_the_encoder_is_taught(monkeypatch) -> None:
    monkeypatch.setattr("samkit.training.text.ATTEMPTS", 2)
    sam = small_sam()
    for taught in (False, True):
        pool = Pool(sam, scenes(), small_feed(), 0, 2, 0.0095, taught)
        (first, embedded), (other, _), (again, same) = (pool(step) for step in (0, 1, 2))
        assert torch.equal(first.images, again.images) and not torch.equal(
            first.images, other.images
        )
        assert (same is embedded) != taught and embedded.requires_grad == taught
        torch.testing.assert_close(same.detach(), embedded.detach())
    fresh = Pool(sam, scenes(), small_feed(), 0, 0, 0.0095)
    assert not torch.equal(fresh(0)[0].images, fresh(2)[0].images)
    with pytest.raises(ValueError, match="no mask over 99.00% of the picture"):
        Pool(sam, scenes(), small_feed(images=1), 0, 1, 0.99)(0)


def test_gradients_reach_the_projection_and_what_is_taught_alone() -> None:
    sam, batch = small_sam(), make_batch()
    projection = TextProjection(16, sam.config.channels, tokens=2, hidden=8)
    shown = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    sam.requires_grad_(False)
    embedded = sam.image_encoder(normalised(batch.images))
    outcome = text_backward(sam, embedded, batch, projection(shown), Loss(scale=1))
    assert len(outcome.ious) == 3 and outcome.loss > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in projection.parameters())
    assert all(p.grad is None for p in sam.parameters())

    sam.requires_grad_(True)
    embedded = sam.image_encoder(normalised(batch.images))
    text_backward(sam, embedded, batch, projection(shown), Loss(scale=1))
    for part in (sam.image_encoder.patch_embed.proj, sam.mask_decoder.iou_token):
        assert part.weight.grad is not None and part.weight.grad.abs().sum() > 0


def test_the_gradient_is_that_of_the_first_round_s_loss() -> None:
    """Without clicks one round is left; its gradient is held against a difference of losses."""
    sam, batch = small_sam(), make_batch(clicks=())
    sam.requires_grad_(False)
    embedded = sam.image_encoder(normalised(batch.images)).double()
    sam.double()
    tokens = torch.randn(3, 2, sam.config.channels, dtype=torch.float64, requires_grad=True)
    text_backward(sam, embedded, batch, tokens, Loss(scale=1))
    step, way = 1e-5, torch.randn_like(tokens)
    with torch.no_grad():
        moved = [tokens + sign * step * way for sign in (1, -1)]
    ends = [
        text_backward(sam, embedded, batch, t.requires_grad_(), Loss(scale=1)).loss for t in moved
    ]
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(
        float((tokens.grad * way).sum()), rel=1e-3
    )


def test_a_few_steps_learn_to_tell_two_masks_apart() -> None:
    sam, batch = small_sam(), some_masks(make_batch(clicks=()), torch.tensor([0, 2]))
    projection = TextProjection(16, sam.config.channels, tokens=2, hidden=16)
    shown = torch.eye(16)[:2]
    optimizer = torch.optim.Adam([*projection.parameters(), *sam.parameters()], 3e-3)
    losses = []
    for _ in range(30):
        embedded = sam.image_encoder(normalised(batch.images))
        losses.append(text_backward(sam, embedded, batch, projection(shown), Loss(scale=1)).loss)
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < 0.8 * losses[0]


def test_what_is_not_there_gets_a_low_predicted_iou() -> None:
    """Only the strangers' error moves, and following its gradient lowers what they are promised."""
    sam, batch = small_sam(), make_batch(clicks=())
    sam.requires_grad_(False)
    embedded = sam.image_encoder(normalised(batch.images))
    positions = sam.prompt_encoder.dense_positions()
    tokens = torch.randn(3, 2, sam.config.channels, generator=torch.Generator().manual_seed(0))

    def gradient(strangers: int) -> torch.Tensor:
        leaf = tokens.clone().requires_grad_()
        text_backward(sam, embedded, batch, leaf, Loss(scale=1), strangers)
        assert leaf.grad is not None
        return leaf.grad

    def promised(asked: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return strangers_iou(sam, embedded, batch, asked, positions).square().mean()

    added = gradient(2) - gradient(0)
    assert (added[2] == 0).all() and added[:2].abs().sum() > 0  # so many of them, and no more
    assert promised((tokens - 0.1 * added / added.abs().max())[:2]) < promised(tokens[:2])
    one = some_masks(batch, torch.tensor([0]))
    alone = replace(one, images=one.images[:1])  # a single image has no other to ask
    text_backward(sam, embedded[:1], alone, tokens[:1].clone().requires_grad_(), Loss(scale=1), 1)
