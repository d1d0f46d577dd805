"""CLIP's embedding of a phrase as the prompt."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from samkit import Prompts, Sample, load_sam, stored
from samkit.clip import load_clip
from samkit.clip.projection import (
    DECODER,
    ENCODER,
    TextProjection,
    load_text_prompt,
    save_text_prompt,
)
from samkit.sam.low_rank import low_rank_change, with_change
from samkit.stages import Embed, Segment, SegmentCrops, TextPrompt, Top, text_sam
from samkit.stages.segment import num_parts
from samkit.testing import check_stage, example_samples
from tests.clip_models import small_clip

CLIP = small_clip()
PHRASES = ["a red disc", "a blue square"]


@pytest.fixture(scope="module")
def sam():
    return load_sam("tiny", device="cpu")


def small_projection(decoder=None) -> TextProjection:
    torch.manual_seed(0)
    made = TextProjection(16, 128, 3, 8, "small-0", "tiny", decoder)
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def projection() -> TextProjection:
    return small_projection()


def test_the_laws(sam, projection) -> None:
    check_stage(TextPrompt(CLIP, PHRASES, projection=projection))
    check_stage(TextPrompt(CLIP, projection=projection))
    check_stage(TextPrompt(CLIP, [], projection=projection))
    check_stage(Embed(sam) | TextPrompt(CLIP, projection=projection) | Segment(sam))


def test_tokens_are_the_projection_of_the_text(projection) -> None:
    samples = TextPrompt(CLIP, PHRASES, projection=projection)(example_samples()[:2])
    expected = projection(CLIP.texts(PHRASES))
    for sample in samples:
        assert sample.prompts.class_ids.tolist() == [0, 1] and sample.phrases == tuple(PHRASES)
        torch.testing.assert_close(torch.stack(sample.prompts.embeddings), expected)
        assert sample.prompts.points is None and sample.prompts.boxes is None
    assert num_parts(samples[0].prompts).tolist() == [1, 1]  # so Segment takes the best of three


def test_texts_are_taken_across_the_gap(tmp_path) -> None:
    """A text that lies exactly the gap away from a picture is read as that picture is."""
    made, shown = small_projection(), torch.nn.functional.normalize(torch.randn(5, 16), dim=-1)
    made.gap.copy_(torch.randn(16))
    texts = shown - made.gap
    torch.testing.assert_close(made.read(texts), made(shown))
    assert (made.read(shown) - made(shown)).abs().max() > 1e-3
    save_text_prompt(made, tmp_path / "made.safetensors")
    kept = load_text_prompt(tmp_path / "made.safetensors")
    torch.testing.assert_close(kept.gap, made.gap, atol=1e-2, rtol=1e-2)  # in half precision


def test_the_decoder_reads_the_tokens(sam, projection) -> None:
    find = Embed(sam) | TextPrompt(CLIP, PHRASES, projection=projection) | Segment(sam)
    [sample] = find([example_samples()[0]])
    prompts = Prompts(embeddings=tuple(projection(CLIP.texts(PHRASES))))
    [answer] = sam.decode(sam.encode([sample.image]), [prompts])
    best = answer.predicted_iou.reshape(2, 3).max(axis=1)
    np.testing.assert_allclose(sample.masks.scores, best, atol=1e-5)
    assert sample.masks.class_ids.tolist() == [0, 1]


def test_one_mask_or_several_per_phrase(sam, projection) -> None:
    ask = Embed(sam) | TextPrompt(CLIP, PHRASES, projection=projection)
    samples = example_samples()[:2]
    for one, several in zip(
        (ask | Segment(sam))(samples), (ask | Segment(sam, several=True))(samples), strict=True
    ):
        assert one.masks.class_ids.tolist() == [0, 1]
        assert several.masks.class_ids.tolist() == [0, 0, 0, 1, 1, 1]
        scores = several.masks.scores.reshape(2, 3)
        assert (np.ptp(scores, axis=1) > 0).all()
        np.testing.assert_allclose(scores.max(axis=1), one.masks.scores, atol=1e-6)
    [two] = (ask | Segment(sam, several=True) | Top(2, per="class"))(samples[:1])
    assert sorted(two.masks.class_ids.tolist()) == [0, 0, 1, 1]


def test_different_numbers_of_phrases_are_the_same_one_by_one(sam, projection) -> None:
    """Acceptance line 4, for the paper's route."""
    find = Embed(sam) | TextPrompt(CLIP, projection=projection) | Segment(sam)
    samples = [
        sample.replace(phrases=["a red disc", "sea", "a blue square"][:count])
        for sample, count in zip(example_samples(), (3, 0, 1, 2, 3), strict=True)
    ]
    for a, b in zip(find(samples), [find([sample])[0] for sample in samples], strict=True):
        assert len(a.masks) == len(a.phrases)
        np.testing.assert_allclose(a.masks.scores, b.masks.scores, atol=1e-5)
        assert (a.masks.binary() != b.masks.binary()).mean() <= 1e-4 if len(a.masks) else True


def test_points_help_the_phrase_they_name(projection) -> None:
    sample = example_samples()[0]
    clicks = Prompts.from_points([[16, 20], [9, 9]]).replace(class_ids=np.array([1, 1]))
    stage = TextPrompt(CLIP, PHRASES, projection=projection, with_points=True)
    [helped] = stage([sample.replace(prompts=clicks)])
    assert helped.prompts.class_ids.tolist() == [1, 1, 0]
    assert helped.prompts.num_points.tolist() == [1, 1, 0]
    tokens = projection(CLIP.texts(PHRASES))
    for given, place in zip(helped.prompts.embeddings, (1, 1, 0), strict=True):
        torch.testing.assert_close(given, tokens[place])
    assert num_parts(helped.prompts).tolist() == [2, 2, 1]
    check_stage(stage, samples=[s.replace(prompts=clicks[:0]) for s in example_samples()])
    for wrong in (clicks.replace(class_ids=None), clicks.replace(class_ids=np.array([0, 2]))):
        with pytest.raises(ValueError, match="which by class_ids from 0 to 1"):
            stage([sample.replace(prompts=Prompts(**wrong._given()))])
    scored = clicks.replace(scores=[0.5, 0.6])
    [helped] = stage([sample.replace(prompts=scored)])
    assert helped.prompts.scores.tolist() == pytest.approx([0.5, 0.6, 1.0])


def test_a_projection_of_another_clip_is_refused() -> None:
    for other in (
        TextProjection(17, 128, clip_name="small-0"),
        TextProjection(16, 128, clip_name="another"),
    ):
        with pytest.raises(ValueError, match="numbers of .*, and small-0 gives 16 of its own"):
            TextPrompt(CLIP, PHRASES, projection=other)


def test_another_dtype_is_the_same_clip() -> None:
    clip, half = small_clip(), small_clip()
    clip.texts_name = "x-12345678-float32-open_clip"
    half.texts_name = "x-12345678-float16-open_clip"
    projection = TextProjection(16, 128, clip_name=half.texts_name)
    assert TextPrompt(clip, PHRASES, projection=projection).projection is projection
    projection.clip_name = "x-87654321-float32-open_clip"
    with pytest.raises(ValueError, match="train one for it"):
        TextPrompt(clip, PHRASES, projection=projection)


def test_saved_and_loaded(tmp_path, sam, projection) -> None:
    tensors = {DECODER + n: t.clone() for n, t in sam.mask_decoder.state_dict().items()}
    for decoder in (None, tensors):
        before = small_projection(decoder)
        path = tmp_path / "text.safetensors"
        save_text_prompt(before, path)
        after = load_text_prompt(path)
        assert (after.clip_name, after.sam_name) == ("small-0", "tiny")
        assert sorted(after.decoder) == sorted(decoder or {})
        embeddings = CLIP.texts(PHRASES)
        torch.testing.assert_close(after(embeddings), before(embeddings), atol=2e-3, rtol=2e-3)
        assert after.name.startswith("text-prompt-")
    with pytest.raises(FileNotFoundError, match="no text prompt at"):
        load_text_prompt(tmp_path / "none.safetensors")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="no text prompt, or a damaged one"):
        load_text_prompt(path)


def test_a_decoder_of_its_own_shares_the_encoder(sam) -> None:
    tensors = {DECODER + n: t + 0.01 for n, t in sam.mask_decoder.state_dict().items()}
    before = {name: tensor.clone() for name, tensor in sam.state_dict().items()}
    projection = small_projection(tensors)
    with pytest.warns(UserWarning, match=f"trained along with tiny, and this is {sam.name}"):
        reader = text_sam(sam, projection)
    assert reader.image_encoder is sam.image_encoder and reader.mask_decoder is not sam.mask_decoder
    assert reader.name == f"{sam.name}+{projection.name}"
    weight = "iou_token.weight"
    torch.testing.assert_close(
        reader.mask_decoder.state_dict()[weight], sam.mask_decoder.state_dict()[weight] + 0.01
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in sam.state_dict().items())
    assert text_sam(sam, small_projection()) is sam
    cut = {name: tensor[..., :1] for name, tensor in tensors.items()}
    with pytest.raises(ValueError, match="changes is of tiny, not of"):
        text_sam(sam, small_projection(cut))


def test_an_encoder_that_was_taught_along_is_kept_as_its_change(sam, tmp_path: Path) -> None:
    taught = copy.deepcopy(sam.image_encoder)
    with torch.no_grad():
        for parameter in taught.parameters():
            parameter += 0.02 * torch.randn(parameter.shape).sign() * parameter.abs().mean()
    whole, thin = (low_rank_change(sam.image_encoder, taught, rank) for rank in (0, 8))
    assert sum(t.numel() for t in thin.values()) < 0.2 * sum(t.numel() for t in whole.values())
    projection = small_projection()
    projection.sam_name, projection.encoder = sam.name, {ENCODER + n: t for n, t in whole.items()}
    save_text_prompt(projection, tmp_path / "text_prompt.safetensors")
    kept = load_text_prompt(tmp_path / "text_prompt.safetensors")
    assert kept.name != small_projection().name and not kept.decoder
    before = {name: tensor.clone() for name, tensor in sam.state_dict().items()}
    reader = text_sam(sam, kept)
    for name, tensor in reader.image_encoder.state_dict().items():
        torch.testing.assert_close(tensor, taught.state_dict()[name], atol=1e-4, rtol=1e-3)
    assert reader.mask_decoder is sam.mask_decoder
    assert all(torch.equal(tensor, before[name]) for name, tensor in sam.state_dict().items())
    image, box = np.zeros((40, 60, 3), np.uint8), Prompts.from_boxes([[5, 5, 30, 30]])
    keeper = stored(reader, tmp_path / "store")
    for first, second in ((sam, reader), (reader, sam), (keeper, sam)):
        [own] = (Embed(first) | Segment(first))([Sample(0, image, prompts=box)])
        assert len(own.masks) == 1
        with pytest.raises(ValueError, match="give Embed the SAM that Segment has"):
            (Embed(first) | Segment(second))([Sample(0, image, prompts=box)])
    assert keeper.encode([image])[0].taught == kept.name  # read back this time
    with pytest.raises(ValueError, match="give Embed the SAM"):
        (Embed(sam) | SegmentCrops(reader))([Sample(0, image, prompts=box)])
    kept.encoder[ENCODER + "none.change"] = torch.zeros(1)
    with pytest.raises(ValueError, match="changes is of tiny-"):
        text_sam(sam, kept)


def test_a_change_of_low_rank_is_kept_to_the_last_bit_but_rounding() -> None:
    torch.manual_seed(0)
    before, after = torch.nn.Linear(60, 40), torch.nn.Linear(60, 40)
    with torch.no_grad():
        after.weight.copy_(before.weight + torch.randn(40, 3) @ torch.randn(3, 60))
    change = low_rank_change(before, after, rank=3)
    assert sum(t.numel() for t in change.values()) == 3 * (60 + 40) + 40
    again = with_change(before, change)
    torch.testing.assert_close(again.weight, after.weight, atol=1e-4, rtol=0)
    torch.testing.assert_close(again.bias, after.bias)
    # Less than its rank leaves the least part of it out, and no more.
    less = with_change(before, low_rank_change(before, after, rank=2)).weight - after.weight
    third = torch.linalg.svdvals(after.weight - before.weight)[2]
    assert torch.linalg.matrix_norm(less, 2).item() == pytest.approx(third.item(), rel=1e-3)


def test_the_shipped_text_prompt_fits_the_shipped_models(sam) -> None:
    shipped = load_text_prompt("tiny")
    assert shipped.channels == sam.config.channels
    assert shipped.clip_name == load_clip("tiny", device="cpu").texts_name
    assert shipped.sam_name.startswith("tiny-")
    assert text_sam(sam).name == f"{sam.name}+{shipped.name}"
