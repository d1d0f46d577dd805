"""Embed, Segment and Refine, on the shipped model."""

import numpy as np
import pytest

from samkit import Prompts, Sample, load_sam
from samkit.sam.model import Sam
from samkit.stages import Embed, GroundTruthBoxes, Refine, Segment
from samkit.testing import check_stage, example_samples


@pytest.fixture(scope="module")
def sam() -> Sam:
    return load_sam("tiny", device="cpu")


MIXED = Prompts.concat(
    [
        Prompts.from_points([[30, 20]]),
        Prompts(points=[[[30, 20], [5, 5]]], labels=[[1, 0]]),
        Prompts.from_boxes([[5, 5, 40, 30]]),
        Prompts(points=[[[30, 20]]], labels=[[1]], boxes=[[5, 5, 40, 30]]),
    ]
)


def scaled(prompts: Prompts, height: int, width: int) -> Prompts:
    """The prompts of a 48 x 64 picture in one of another size."""
    factor = np.array([width / 64, height / 48])
    assert prompts.points is not None and prompts.boxes is not None
    points = [xy * factor for xy in prompts.points]
    return prompts.replace(points=points, boxes=prompts.boxes * np.tile(factor, 2))


def embedded(sam: Sam, prompts: Prompts) -> Sample:
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    [sample] = Embed(sam)([Sample(0, image, prompts=prompts)])
    return sample


def test_laws(sam: Sam) -> None:
    check_stage(Embed(sam))
    check_stage(Segment(sam), before=GroundTruthBoxes() | Embed(sam))
    check_stage(Refine(sam), before=GroundTruthBoxes() | Embed(sam) | Segment(sam))
    # Whatever lies wholly outside its picture is refused, and one of these is a single pixel.
    corner = Prompts.concat([Prompts.from_points([[0, 0]]), Prompts.from_boxes([[-3, -3, 1, 1]])])
    ragged = [
        s.replace(prompts=corner if s.image.shape[:2] == (1, 1) else MIXED)
        for s in example_samples()
    ]
    check_stage(Segment(sam), before=Embed(sam), samples=ragged)
    check_stage(Refine(sam), before=Embed(sam) | Segment(sam), samples=ragged)


def test_the_papers_rule_takes_three_masks_for_one_part_and_one_for_more(sam: Sam) -> None:
    sample = embedded(sam, MIXED)
    [ruled] = Segment(sam)([sample])
    [three] = Segment(sam, multimask_output=True)([sample])
    [single] = Segment(sam, multimask_output=False)([sample])
    assert ruled.masks.prompt_index.tolist() == [0, 1, 2, 3]
    assert not np.isclose(three.masks.predicted_iou, single.masks.predicted_iou).any()
    for prompt, source in enumerate((three, single, three, single)):
        assert ruled.masks.predicted_iou[prompt] == pytest.approx(
            source.masks.predicted_iou[prompt], abs=1e-5
        )


def test_best_is_by_predicted_iou(sam: Sam) -> None:
    sample = embedded(sam, MIXED[:1])
    [masks] = sam.decode([sample.embedding], [sample.prompts])
    [answer] = Segment(sam)([sample])
    assert answer.masks.predicted_iou[0] == masks.predicted_iou.max()
    best = int(masks.predicted_iou.argmax())
    assert np.array_equal(answer.masks.binary()[0], masks.binary()[best])


def test_several_are_the_three_of_an_ambiguous_prompt_and_one_of_any_other(sam: Sam) -> None:
    check_stage(Segment(sam, several=True), before=GroundTruthBoxes() | Embed(sam))
    sample = embedded(sam, MIXED)
    [one], [every] = Segment(sam)([sample]), Segment(sam, several=True)([sample])
    assert every.masks.prompt_index.tolist() == [0, 0, 0, 1, 2, 2, 2, 3]
    [masks] = sam.decode([sample.embedding], [MIXED[:1]])
    np.testing.assert_allclose(every.masks.scores[:3], masks.predicted_iou, atol=1e-5)
    assert (every.masks[:3].binary() != masks.binary()).mean() < 1e-4
    best = [every.masks.scores[every.masks.prompt_index == prompt].max() for prompt in range(4)]
    np.testing.assert_allclose(best, one.masks.scores, atol=1e-6)
    [refined] = Refine(sam)([every])
    assert refined.masks.prompt_index.tolist() == every.masks.prompt_index.tolist()


def test_refine_feeds_back_the_chosen_mask_with_its_box(sam: Sam) -> None:
    sample = embedded(sam, MIXED[2:3])
    [first] = Segment(sam)([sample])
    [second] = Refine(sam)([first])
    by_hand = Prompts(boxes=MIXED.boxes[2:3], masks=[first.masks.logits[0]])
    [expected] = sam.decode([sample.embedding], [by_hand], multimask_output=False)
    assert np.array_equal(second.masks.binary(), expected.binary())
    assert not np.array_equal(second.masks.predicted_iou, first.masks.predicted_iou)


def test_refine_follows_masks_that_a_filter_left(sam: Sam) -> None:
    sample = embedded(sam, MIXED)
    [first] = Segment(sam)([sample])
    [whole] = Refine(sam)([first])
    [some] = Refine(sam)([first.replace(masks=first.masks[[3, 1]])])
    assert some.masks.prompt_index.tolist() == [3, 1]
    assert np.allclose(some.masks.predicted_iou, whole.masks.predicted_iou[[3, 1]], atol=1e-5)


def test_detectors_score_and_class_are_kept(sam: Sam) -> None:
    boxes = Prompts.from_boxes(
        [[1, 2, 30, 40], [5, 5, 60, 45]], class_ids=[7, 9], scores=[0.3, 0.8]
    )
    [answer] = (Segment(sam) | Refine(sam))([embedded(sam, boxes)])
    assert answer.masks.class_ids.tolist() == [7, 9]
    assert answer.masks.scores.tolist() == pytest.approx([0.3, 0.8])
    assert answer.masks.predicted_iou.tolist() != pytest.approx([0.3, 0.8])


def test_refine_without_logits_says_what_to_do(sam: Sam) -> None:
    [answer] = Segment(sam)([embedded(sam, MIXED[:1])])
    with pytest.raises(ValueError, match="straight behind Segment"):
        Refine(sam)([answer.replace(masks=answer.masks.with_run_lengths())])
