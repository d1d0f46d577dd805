"""The latent-space probe."""

import numpy as np
import pytest
import torch

from samkit import load_sam
from samkit.stages import GroundTruthBoxes, MaskSimilarity
from samkit.stages.similarity import mask_embeddings
from samkit.testing import check_stage, example_samples
from samkit.types import Masks, Sample
from tests.stand_ins import Encode, FillBoxes


@pytest.fixture(scope="module")
def sam():
    return load_sam("tiny", device="cpu")


def picture() -> Sample:
    """Two equal red squares, a blue disc; the masks are theirs."""
    image = np.full((60, 90, 3), 120, np.uint8)
    rows, columns = np.mgrid[:60, :90]
    masks = np.stack(
        [
            (abs(rows - 20) < 12) & (abs(columns - 20) < 12),
            (rows - 40) ** 2 + (columns - 46) ** 2 < 100,
            (abs(rows - 20) < 12) & (abs(columns - 70) < 12),
        ]
    )
    for mask, colour in zip(masks, ((220, 30, 30), (20, 40, 230), (220, 30, 30)), strict=True):
        image[mask] = colour
    return Sample("p", image, masks=Masks.from_binary(masks))


def test_the_laws(sam) -> None:
    samples = [sample for sample in example_samples() if len(sample.annotations)]
    check_stage(
        MaskSimilarity(sam), before=GroundTruthBoxes() | Encode() | FillBoxes(), samples=samples
    )


def test_alike_is_more_alike(sam) -> None:
    [scored] = MaskSimilarity(sam)([picture()])
    scores = scored.masks.scores
    assert scores[0] == pytest.approx(1) and scores[2] > 0.99 > scores[1]
    [other] = MaskSimilarity(sam, query=-2)([picture()])
    assert other.masks.scores.argmax() == 1


def test_embeddings_by_hand(sam) -> None:
    """Two encodings of one crop, each weighed by how much of a cell its own mask covers, averaged."""
    image = picture().image
    mask = np.zeros((60, 90), dtype=bool)
    mask[8:40, 10:18] = mask[8:14, 10:42] = True  # no mirror image of itself
    found = mask_embeddings(sam, image, Masks.from_binary(mask[None]), context=1.0)
    expected = []
    for way in (1, -1):
        crop, inside = image[8:40, 10:42][:, ::way], mask[8:40, 10:42][:, ::way]
        features = sam.encode([crop])[0]["image_embedding"]
        covered = torch.tensor(inside.copy()).float()[None, None]
        weights = torch.nn.functional.interpolate(covered, (16, 16), mode="area")[0, 0]
        expected.append((features * weights).sum(dim=(1, 2)) / weights.sum())
    torch.testing.assert_close(found[0], sum(expected) / 2)


def test_a_mirror_image_has_the_same_embedding(sam) -> None:
    sample = picture()
    flipped = Masks.from_binary(sample.masks.binary()[:, :, ::-1])
    for context in (1.0, 1.7):
        one = mask_embeddings(sam, sample.image, sample.masks, context)
        other = mask_embeddings(sam, sample.image[:, ::-1], flipped, context)
        # Where a crop's side is odd its middle is rounded the other way.
        apart = torch.nn.functional.cosine_similarity(one, other)
        assert (apart > 0.99).all()


def test_many_masks_are_encoded_in_parts(sam) -> None:
    sample = picture()
    many = Masks.concat([sample.masks] * 4)
    found = mask_embeddings(sam, sample.image, many)
    torch.testing.assert_close(found[3:6], found[:3])


def test_nothing_to_compare(sam) -> None:
    sample = picture()
    [none] = MaskSimilarity(sam)([sample.replace(masks=sample.masks[:0])])
    assert len(none.masks) == 0
    with pytest.raises(ValueError, match="has 3 masks, so there is no query 3"):
        MaskSimilarity(sam, query=3)([sample])
    empty = Masks.from_binary(np.zeros((2, 60, 90), dtype=bool))
    [scored] = MaskSimilarity(sam)([sample.replace(masks=empty)])
    assert np.isfinite(scored.masks.scores).all()
