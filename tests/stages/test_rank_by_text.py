"""Proposals ranked by what CLIP sees in them."""

import numpy as np
import pytest
import torch

from samkit.ops.square_crops import Crop, covered_cells, square_crop
from samkit.stages import GroundTruthBoxes, RankByText, Top
from samkit.testing import check_stage, example_samples
from samkit.types import Masks, Sample
from tests.clip_models import small_clip
from tests.stand_ins import Encode, FillBoxes

CLIP = small_clip()
PHRASES = ["a red disc", "a blue square", "sea"]
MASKS = GroundTruthBoxes() | Encode() | FillBoxes()


def masked(sample: Sample) -> Sample:
    return sample.replace(masks=Masks.from_binary(sample.annotations.binary()))


@pytest.mark.parametrize(
    "stage",
    [
        RankByText(CLIP, PHRASES),
        RankByText(CLIP),
        RankByText(CLIP, each="phrase", scores="probability"),
        RankByText(CLIP, PHRASES, crops=(Crop(1.0, masked=True), Crop(2.0)), templates=("the {}",)),
        RankByText(CLIP, PHRASES, crops=(Crop(masked_attention=True),)),
        RankByText(CLIP, PHRASES, scores="probability", quality=2.0),
        RankByText(CLIP, mirrored=True, crops=(Crop(masked_attention=True),)),
        RankByText(CLIP, []),
    ],
)
def test_the_laws(stage: RankByText) -> None:
    check_stage(stage, before=MASKS)


def test_scores_are_the_similarities_of_crops_and_texts() -> None:
    samples = [masked(sample) for sample in example_samples()[:2]]
    how = Crop(1.5, masked=True, outside=0.25)
    ranked = RankByText(CLIP, PHRASES, crops=(how,))(samples)
    texts = CLIP.texts(PHRASES)
    for sample, answer in zip(samples, ranked, strict=True):
        truth = sample.annotations
        crops = [
            square_crop(sample.image, box, 32, 1.5, mask, 0.25)
            for box, mask in zip(truth.boxes, truth.binary(), strict=True)
        ]
        table = (CLIP.images(crops) @ texts.T).numpy()
        np.testing.assert_array_equal(answer.masks.class_ids, table.argmax(axis=1))
        np.testing.assert_allclose(answer.masks.scores, table.max(axis=1), atol=1e-6)
        assert answer.phrases == tuple(PHRASES)
        assert answer.masks.rle() == sample.masks.rle()


def test_mirrored_is_the_mean_of_both_looks() -> None:
    sample = masked(example_samples()[0])
    [answer] = RankByText(CLIP, PHRASES, mirrored=True)([sample])
    crops = [square_crop(sample.image, box, 32, 1.5) for box in sample.annotations.boxes]
    mirrors = [np.ascontiguousarray(crop[:, ::-1]) for crop in crops]
    both = CLIP.images(crops) + CLIP.images(mirrors)
    table = torch.nn.functional.normalize(both, dim=-1) @ CLIP.texts(PHRASES).T
    np.testing.assert_allclose(answer.masks.scores, table.max(dim=1).values, atol=1e-6)
    turned = Sample("mirror", np.ascontiguousarray(sample.image[:, ::-1]))
    turned = turned.replace(masks=Masks.from_binary(sample.masks.binary()[:, :, ::-1]))
    [there] = RankByText(CLIP, PHRASES, mirrored=True)([turned])
    np.testing.assert_allclose(there.masks.scores, answer.masks.scores, atol=0.02)


def test_what_a_mask_is_worth_counts_beside_what_it_shows() -> None:
    sample = masked(example_samples()[0])
    worth = np.linspace(0.2, 0.9, len(sample.masks), dtype=np.float32)
    sample = sample.replace(masks=sample.masks.replace(predicted_iou=worth))
    for scores in ("similarity", "probability"):
        plain, weighed = (
            RankByText(CLIP, PHRASES, each="phrase", scores=scores, quality=quality)([sample])[0]
            for quality in (0.0, 2.0)
        )
        alone, of_each = plain.masks.scores, np.tile(worth, len(PHRASES))
        expected = alone + 2 * of_each if scores == "similarity" else alone * of_each**2
        np.testing.assert_allclose(weighed.masks.scores, expected, rtol=1e-5)
        np.testing.assert_array_equal(weighed.masks.class_ids, plain.masks.class_ids)
    with pytest.raises(ValueError, match="0 or more"):
        RankByText(CLIP, PHRASES, quality=-1.0)


def test_masked_attention_sees_the_mask_s_patches() -> None:
    sample = masked(example_samples()[0])
    crop = Crop(1.5, masked_attention=True)
    [ranked] = RankByText(CLIP, PHRASES, each="phrase", crops=(crop,))([sample])
    truth = sample.annotations
    pairs = list(zip(truth.boxes, truth.binary(), strict=True))
    crops = [square_crop(sample.image, box, 32, 1.5) for box, _ in pairs]
    patches = [covered_cells(mask, box, 4, 1.5) for box, mask in pairs]
    table = (CLIP.images(crops, patches) @ CLIP.texts(PHRASES).T).numpy()
    np.testing.assert_allclose(ranked.masks.scores, table.T.flatten(), atol=1e-6)


def test_each_phrase_has_all_masks_and_top_takes_its_best() -> None:
    samples = [masked(sample) for sample in example_samples()]
    by_mask = RankByText(CLIP, PHRASES)(samples)
    by_phrase = RankByText(CLIP, PHRASES, each="phrase")(samples)
    for plain, pairs in zip(by_mask, by_phrase, strict=True):
        count = len(plain.masks)
        assert pairs.masks.rle() == plain.masks.rle() * 3
        table = pairs.masks.scores.reshape(3, count)
        assert pairs.masks.class_ids.tolist() == sorted([0, 1, 2] * count)
        if count:
            np.testing.assert_allclose(table.max(axis=0), plain.masks.scores, atol=1e-6)
    best = Top(1, per="class")(by_phrase)[0].masks
    assert sorted(best.class_ids.tolist()) == [0, 1, 2]
    np.testing.assert_allclose(
        np.sort(best.scores), np.sort(by_phrase[0].masks.scores.reshape(3, -1).max(axis=1))
    )


def test_probabilities_are_a_softmax_over_the_sample_own_phrases() -> None:
    [sample] = [masked(example_samples()[0])]
    [plain] = RankByText(CLIP, each="phrase")([sample])
    [shares] = RankByText(CLIP, each="phrase", scores="probability")([sample])
    table = torch.from_numpy(plain.masks.scores.reshape(2, 3))
    expected = (table / CLIP.temperature).softmax(dim=0).numpy()
    np.testing.assert_allclose(shares.masks.scores.reshape(2, 3), expected, atol=1e-6)


def test_phrases_of_their_own_change_nothing_for_the_others() -> None:
    """Acceptance: a batch with different numbers of phrases per image is the same as one by one."""
    samples = [masked(sample) for sample in example_samples()]
    numbers = (3, 0, 2, 1, 2)
    asked = [
        s.replace(phrases=(PHRASES * 2)[i : i + n])
        for i, (s, n) in enumerate(zip(samples, numbers, strict=True))
    ]
    for each in ("mask", "phrase", "own"):
        given = [with_own(sample) for sample in asked] if each == "own" else asked
        stage = RankByText(CLIP, each=each)
        together, alone = stage(given), [stage([sample])[0] for sample in given]
        for a, b in zip(together, alone, strict=True):
            assert a.masks.rle() == b.masks.rle()
            np.testing.assert_array_equal(a.masks.class_ids, b.masks.class_ids)
            np.testing.assert_allclose(a.masks.scores, b.masks.scores, atol=1e-6)
        assert len(together[1].masks) == 0  # nothing was asked


def with_own(sample: Sample) -> Sample:
    """Masks whose classes are the sample's phrases in turn."""
    classes = np.arange(len(sample.masks)) % max(1, len(sample.phrases))
    return sample.replace(masks=sample.masks.replace(class_ids=classes))


def test_masks_with_a_phrase_of_their_own_keep_it() -> None:
    sample = with_own(masked(example_samples()[0]).replace(phrases=PHRASES))
    [table] = RankByText(CLIP, each="phrase", quality=0.5)([sample])
    [own] = RankByText(CLIP, each="own", quality=0.5)([sample])
    count = len(sample.masks)
    expected = table.masks.scores.reshape(len(PHRASES), count)
    np.testing.assert_array_equal(own.masks.class_ids, sample.masks.class_ids)
    np.testing.assert_array_equal(
        own.masks.scores, expected[sample.masks.class_ids, np.arange(count)]
    )
    for classes in (None, np.full(count, len(PHRASES))):
        other = sample.replace(masks=sample.masks.replace(class_ids=classes))
        with pytest.raises(ValueError, match="places among the 3 phrases, as TextPrompt"):
            RankByText(CLIP, each="own")([other])


def test_an_empty_mask_is_the_last_choice() -> None:
    sample = masked(example_samples()[0])
    empty = Masks.from_binary(np.zeros((1, *sample.image.shape[:2]), dtype=bool))
    masks = Masks.concat([empty.replace(frame=sample.masks.frame), sample.masks])
    for scores, least in (("similarity", -1.0), ("probability", 0.0)):
        [ranked] = RankByText(CLIP, PHRASES, scores=scores)([sample.replace(masks=masks)])
        assert ranked.masks.scores[0] == least and (ranked.masks.scores[1:] > least).all()


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match=r"write \['a dog'\]"):
        RankByText(CLIP, "a dog")
    with pytest.raises(ValueError, match='each is "mask", "phrase" or "own"'):
        RankByText(CLIP, each="class")
    with pytest.raises(ValueError, match="scores is"):
        RankByText(CLIP, scores="logit")
    with pytest.raises(ValueError, match="at least one way"):
        RankByText(CLIP, crops=())
    with pytest.raises(ValueError, match="1 or more"):
        Crop(0.5)
    with pytest.raises(ValueError, match="share of brightness, from 0 to 1: 30"):
        Crop(masked=True, outside=30)
    with pytest.raises(ValueError, match="at least one word"):
        RankByText(CLIP, [""])([masked(example_samples()[0])])


def test_it_tells_its_settings() -> None:
    text = repr(RankByText(CLIP, ["a dog"], crops=(Crop(2.0, masked=True),)))
    assert text.startswith("RankByText(<small-0>, phrases=('a dog',)")
    assert "Crop(context=2.0, masked=True, masked_attention=False, outside=0.0)" in text
    assert RankByText(CLIP).reads == ("image", "masks", "phrases")
    assert RankByText(CLIP, ["a"]).writes == ("masks", "phrases")
