"""An image tower that sees masks, and the Clip that gives them to it."""

import numpy as np
import pytest
import torch

from samkit.clip import Clip, load_clip, stored_clip
from samkit.clip.load import build_tiny, save_tiny
from samkit.clip.mask_tower import MaskTower, evened
from samkit.ops.square_crops import mask_square, square_crop
from samkit.stages import RankByText
from samkit.testing import check_stage, example_samples
from samkit.training.muon import QUINTIC, TIMES, orthogonal
from tests.clip_models import CONFIG, small_clip
from tests.stages.test_rank_by_text import MASKS, PHRASES, masked

SMALL = {
    "side": 16, "outline": [4, 8], "blocks": [1, 0], "pattern": [4, 6, 8], "colours": 5, "hidden": 12,
}  # fmt: skip
PAIR = {
    **CONFIG, "mask_tower": SMALL, "preprocess": {**CONFIG["preprocess"], "size": 16},
}  # fmt: skip


def seeing(seed: int = 0) -> Clip:
    torch.manual_seed(seed)
    model, words = build_tiny(PAIR)
    return Clip(model, words, f"seeing-{seed}")


def crops(side: int = 16, rows: slice = slice(4, 12)) -> np.ndarray:
    pictures = np.random.default_rng(0).integers(0, 256, (3, side, side, 4)).astype(np.uint8)
    pictures[..., 3] = 0
    pictures[:, rows, 2:10, 3] = 255
    return pictures


def test_pattern_and_colours_are_of_the_mask_alone() -> None:
    """What lies outside is seen by the outline's stream alone, by how unlike the inside it is."""
    clip, pictures = seeing(), crops()
    moved = np.roll(pictures, 1, axis=1)
    moved[..., :3] = pictures[..., :3]
    far = (clip.images(list(moved)) - clip.images(list(pictures))).abs().max(dim=1).values
    assert (far > 1e-3).all(), "another mask of the same pixels is another thing"
    others = pictures.copy()
    others[..., :3] = np.where(pictures[..., 3:] > 0, pictures[..., :3], 255 - pictures[..., :3])
    far = (clip.images(list(others)) - clip.images(list(pictures))).abs().max(dim=1).values
    assert (far > 1e-5).all(), "and so is one that ends elsewhere"
    clip.model.visual.outline[0][0].weight.data[:, 1:] = 0
    torch.testing.assert_close(clip.images(list(others)), clip.images(list(pictures)))


def test_a_pattern_looks_the_same_in_any_two_colours() -> None:
    stripes = torch.arange(16).div(4, rounding_mode="floor").remainder(2).expand(1, 1, 16, 16)
    inside = torch.zeros(1, 1, 16, 16)
    inside[:, :, 2:14, 3:11] = 1
    found = []
    for one, other in (((0.9, 0.1, 0.2), (0.1, 0.1, 0.9)), ((0.2, 0.2, 0.3), (0.3, 0.6, 0.3))):
        one, other = (torch.tensor(colour)[None, :, None, None] for colour in (one, other))
        contrast, unlike, spread = evened(one * stripes + other * (1 - stripes), inside)
        assert not contrast[inside == 0].any() and contrast.shape == inside.shape
        assert unlike.shape == (1, 2, 16, 16) and unlike[:, 1].min() > 0.15 and unlike.max() < 0.4
        torch.testing.assert_close(spread[0, :3], ((one + other) / 2).flatten(), atol=1e-3, rtol=0)
        torch.testing.assert_close(spread[0, 3], (one - other).norm() / 2, atol=1e-3, rtol=0)
        found.append(contrast * contrast.flatten()[contrast.abs().argmax()].sign())
    similar = torch.cosine_similarity(found[0].flatten(), found[1].flatten(), dim=0).abs()
    assert similar > 0.999 and 0.8 < found[0].abs().max() < 1.1
    picture = torch.full((1, 3, 16, 16), 0.4)
    picture[:, :, 0] = 0.9
    plain, unlike, spread = evened(picture, inside)
    assert (unlike[:, :, 0] == 1).all() and not unlike[:, :, 1:].abs().max() > 0.01
    assert plain.abs().max() < 0.01 and spread[0, 3:].abs().max() < 2e-3
    nothing, _, _ = evened(torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16))
    assert not nothing.any()


def test_without_a_mask_all_pixels_are_meant() -> None:
    clip, pictures = seeing(), crops()
    whole = pictures.copy()
    whole[..., 3] = 255
    assert clip.sees_masks
    torch.testing.assert_close(clip.images(list(pictures[..., :3])), clip.images(list(whole)))
    with pytest.raises(ValueError, match="small-0 does not see masks: give RGB pictures"):
        small_clip().images([np.zeros((32, 32, 4), np.uint8)])


def test_a_mask_goes_where_its_picture_goes() -> None:
    """Resized by the shorter side and cut to the middle, both."""
    clip = seeing()
    wide = np.zeros((32, 48, 4), np.uint8)
    wide[..., :3] = np.random.default_rng(1).integers(0, 256, (32, 48, 1))
    wide[8:24, 12:30, 3] = 255
    found, middle = clip.images([wide]), clip.images([wide[:, 8:40]])
    torch.testing.assert_close(found, middle, atol=1e-3, rtol=0)


def test_batches_stores_and_half_precision(tmp_path) -> None:
    clip, pictures = seeing(), list(crops()) * 9
    alone = torch.cat([clip.images([picture]) for picture in pictures])
    torch.testing.assert_close(clip.images(pictures), alone, atol=1e-5, rtol=0)
    kept = stored_clip(clip, tmp_path / "store")
    for _ in range(2):
        torch.testing.assert_close(kept.images(pictures[:3]), alone[:3], atol=1e-5, rtol=0)
    assert not torch.allclose(kept.images([pictures[0][..., :3]]), alone[:1], atol=1e-3)
    half = Clip(seeing().model.to(torch.bfloat16), clip.tokenizer, "half")
    torch.testing.assert_close(half.images(pictures[:3]), alone[:3], atol=0.1, rtol=0)


def test_a_pair_is_saved_and_texts_have_a_name_of_their_own(tmp_path) -> None:
    names = []
    for number, seed in enumerate((0, 1)):
        torch.manual_seed(0)
        model, _ = build_tiny(PAIR)
        torch.manual_seed(seed)
        model.visual = MaskTower(16, **SMALL)
        save_tiny(model, PAIR, tmp_path)
        clip = load_clip(str(tmp_path), device="cpu")
        names.append((clip.name, clip.texts_name))
        assert clip.sees_masks and clip.image_size == 16, number
    assert names[0][0] != names[1][0] and names[0][1] == names[1][1]
    assert stored_clip(clip, tmp_path / "store").texts_name == names[1][1]


def test_ranking_shows_each_mask() -> None:
    clip, sample = seeing(), masked(example_samples()[0])
    [ranked] = RankByText(clip, PHRASES, each="phrase")([sample])
    truth = sample.annotations
    shown = [
        np.dstack([square_crop(sample.image, box, 16, 1.5), mask_square(mask, box, 16, 1.5)])
        for box, mask in zip(truth.boxes, truth.binary(), strict=True)
    ]
    table = (clip.images(shown) @ clip.texts(PHRASES).T).numpy()
    np.testing.assert_allclose(ranked.masks.scores, table.T.flatten(), atol=1e-5)
    check_stage(RankByText(clip, PHRASES, mirrored=True), before=MASKS)


@pytest.mark.parametrize("shape", [(5, 40), (40, 5), (12, 12)])
def test_directions_are_made_orthogonal(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape) * torch.logspace(0, -1, shape[1])
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonal(matrix)
    values = torch.linalg.svdvals(found)
    assert found.shape == matrix.shape and values.min() > 0.5 and values.max() < 1.3
    assert torch.cosine_similarity(found.flatten(), (left @ right).flatten(), dim=0) > 0.95
    one_by_one = matrix.double() / (matrix.double().norm() + 1e-7)
    for _ in range(TIMES):
        square = one_by_one @ one_by_one.T
        one_by_one = (
            QUINTIC[0] * one_by_one
            + (QUINTIC[1] * square + QUINTIC[2] * square @ square) @ one_by_one
        )
    torch.testing.assert_close(orthogonal(matrix.double()), one_by_one)
