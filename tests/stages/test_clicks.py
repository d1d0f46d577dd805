"""Clicks: by hand on a model that answers with squares; tests/parity has the official one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from samkit import Annotations, Frame, ImageEmbedding, Masks, Prompts, Sample, load_sam
from samkit.data.masks import annotations_from_masks
from samkit.ops import rle
from samkit.sam.grabcut import GrabCut
from samkit.sam.model import Sam
from samkit.stages import Clicks, Embed
from samkit.stages import clicks as clicks_module
from samkit.testing import check_stage

SIZE = 33


class Squares:
    """Answers a first prompt with squares 3, 7 and 11 wide around it, in which it trusts .1, .9, .5;
    later ones with one square around the first click, 2 wider for each prompt. Notes what it was asked."""

    name = "squares"

    def __init__(self) -> None:
        self.asked: list[Prompts] = []

    def encode(self, images: Sequence[np.ndarray]) -> list[ImageEmbedding]:
        return [ImageEmbedding({}, Frame.fit(image.shape[:2], SIZE)) for image in images]

    def decode(
        self,
        embeddings: Sequence[ImageEmbedding],
        prompts: Sequence[Prompts],
        multimask_output: bool = True,
    ) -> list[Masks]:
        self.asked += prompts
        return [
            Masks(
                embedding.frame,
                logits=torch.cat(
                    [
                        torch.zeros(0, SIZE, SIZE),
                        *(self._answer(one, multimask_output) for one in asked),
                    ]
                ),
                predicted_iou=np.tile(
                    np.float32([0.1, 0.9, 0.5] if multimask_output else [0.7]), len(asked)
                ),
            )
            for embedding, asked in zip(embeddings, prompts, strict=True)
        ]

    def _answer(self, prompt: Prompts, multimask_output: bool) -> torch.Tensor:
        middle = prompt.boxes[0].reshape(2, 2).mean(0) if prompt.has_box[0] else prompt.points[0][0]
        halves = [1, 3, 5] if multimask_output else [1 + int(prompt.num_points[0])]
        return torch.stack(
            [torch.from_numpy(square(*middle, half)).float() * 2 - 1 for half in halves]
        )


def square(x: float, y: float, half: float, size: int = SIZE) -> np.ndarray:
    ticks = np.arange(size)
    return (abs(ticks - y)[:, None] <= half) & (abs(ticks - x)[None] <= half)


def scene(*masks: np.ndarray, id: str = "a") -> Sample:
    truth = annotations_from_masks(np.stack(masks), {1: "square"})
    return Sample(id, np.zeros((*masks[0].shape, 3), np.uint8), truth)


def click(sample: Sample, stage: Clicks) -> Sample:
    [done] = (Embed(stage.sam) | stage)([sample])
    return done


@pytest.fixture(scope="module")
def sam() -> Sam:
    return load_sam("tiny", device="cpu")


def test_laws(sam: Sam) -> None:
    check_stage(Clicks(sam, (2,)), before=Embed(sam))
    check_stage(Clicks(sam, (2,), "none", "random"), before=Embed(sam))


def test_by_hand() -> None:
    model = Squares()
    # 7 wide is believed of 3, 7 and 11; then 2 wider with every click: 7, 9, 11, which is all of it.
    found = click(scene(square(15, 16, 5)), Clicks(model, (1, 2, 4, 6))).clicks
    wide = np.array([[7, 7, 9, 11, 11, 11]])
    np.testing.assert_allclose(found.iou, wide**2 / 121)
    assert found.oracle.tolist() == [1.0]
    np.testing.assert_allclose(found.agreement, [(9 / 49 + 9 / 121 + 49 / 121) / 3])
    np.testing.assert_allclose(found.predicted_iou, [[0.9, *[0.7] * 5]])
    # Clicked where the border of the truth was missed, and not at all once nothing was.
    assert found.labels.tolist() == [[1, 1, 1, 1, -1, -1]]
    assert found.points[0, 0].tolist() == [15, 16] and np.isnan(found.points[0, 4:]).all()
    assert found.objects.tolist() == [0] and found.num_clicks == (1, 2, 4, 6)
    assert [asked.num_points.tolist() for asked in model.asked] == [[1], [2], [3], [4]]


def test_what_is_fed_back() -> None:
    with_logits, without = Squares(), Squares()
    sample = scene(square(15, 16, 9), square(5, 5, 2))
    click(sample, Clicks(with_logits, (3,)))
    click(sample, Clicks(without, (3,), "none"))
    first, second, *_ = with_logits.asked
    assert first.masks is None and all(asked.masks is None for asked in without.asked)
    # The mask that was believed in of the three, not the first.
    torch.testing.assert_close(second.masks[0] > 0, torch.from_numpy(square(15, 16, 3)))
    # All clicks so far are sent again.
    np.testing.assert_array_equal(second.points[0][0], first.points[0][0])


def test_background_clicks_where_too_much_was_found() -> None:
    done = click(scene(square(15, 16, 2)), Clicks(Squares(), (2,)))
    # 7 wide for an object 5 wide: a ring of one pixel too much, whose first one is clicked.
    assert done.clicks.labels.tolist() == [[1, 0]] and done.clicks.points[0, 1].tolist() == [12, 13]


def test_a_box_first() -> None:
    model = Squares()
    truth = scene(square(15, 16, 5))
    done = click(truth, Clicks(model, (1, 2), first="box"))
    np.testing.assert_array_equal(model.asked[0].boxes, truth.annotations.boxes)
    assert model.asked[0].points is None and model.asked[1].num_points.tolist() == [1]
    assert model.asked[1].has_box.all() and model.asked[1].masks is not None
    assert done.clicks.labels.tolist() == [[-1, 1]] and np.isnan(done.clicks.points[0, 0]).all()


def test_random_first_clicks_follow_seed_and_sample_only() -> None:
    samples = [scene(square(9, 9, 8), square(25, 25, 5), id=name) for name in "abcd"]

    def points(chosen: Sequence[Sample], seed: int) -> np.ndarray:
        stage = Clicks(Squares(), (1,), first="random", seed=seed)
        done = (Embed(stage.sam) | stage)(chosen)
        return np.array([sample.clicks.points[:, 0] for sample in done])

    together = points(samples, 1)
    np.testing.assert_array_equal(together, [points([sample], 1)[0] for sample in samples])
    assert len(np.unique(together[:, 0], axis=0)) == 4 and (points(samples, 2) != together).any()
    for sample, own in zip(samples, together.astype(int), strict=True):
        masks = sample.annotations.binary()
        assert all(mask[y, x] for mask, (x, y) in zip(masks, own, strict=True))


def test_objects_without_a_pixel_are_skipped_and_told() -> None:
    nothing = np.zeros((SIZE, SIZE), bool)
    done = click(scene(nothing, square(9, 9, 3), nothing), Clicks(Squares(), (1,))).clicks
    assert done.skipped.tolist() == [0, 2] and done.objects.tolist() == [1]
    assert done.iou.tolist() == [[1.0]]
    assert click(scene(nothing), Clicks(Squares(), (1, 2))).clicks.iou.shape == (0, 2)


def test_pixels_that_do_not_count() -> None:
    sample = scene(square(15, 16, 2), square(30, 30, 1))
    [band] = rle.encode((square(15, 16, 3) & ~square(15, 16, 2) | square(30, 30, 1))[None])
    truth = replace(sample.annotations, ignored=band)
    done = click(sample.replace(annotations=truth), Clicks(Squares(), (2,))).clicks
    # The ring of one pixel too much lies on the band; the other object has no pixel that counts.
    assert done.iou.tolist() == [[1.0, 1.0]] and done.skipped.tolist() == [1]


def test_crowds_only_on_demand() -> None:
    sample = scene(square(15, 16, 2), square(15, 16, 3))
    sample = sample.replace(
        annotations=replace(sample.annotations, is_crowd=np.array([False, True]))
    )
    assert click(sample, Clicks(Squares(), (1,))).clicks.objects.tolist() == [0]
    both = click(sample, Clicks(Squares(), (1,), include_crowd=True))
    assert both.clicks.objects.tolist() == [0, 1]


def test_a_draw_of_many_objects_keeps_their_places() -> None:
    sample = scene(*[square(3 * x + 2, 16, 1) for x in range(10)])
    some = click(sample, Clicks(Squares(), (1,), most_objects=4)).clicks
    everything = click(sample, Clicks(Squares(), (1,), most_objects=10)).clicks
    assert len(set(some.objects)) == 4 and list(some.objects) == sorted(some.objects)
    assert everything.objects.tolist() == list(range(10))
    np.testing.assert_array_equal(some.points, everything.points[some.objects])
    other = click(sample, Clicks(Squares(), (1,), most_objects=4, seed=1)).clicks
    assert some.objects.tolist() != other.objects.tolist()


def test_few_at_a_time_or_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [scene(square(9, 9, 8), square(25, 25, 5), id=name) for name in "abc"]
    pipeline = Embed(Squares()) | Clicks(Squares(), (3,))
    together = pipeline(samples)
    monkeypatch.setattr(clicks_module, "OBJECTS_AT_ONCE", 4)
    for one, other in zip(together, pipeline(samples), strict=True):
        np.testing.assert_array_equal(one.clicks.iou, other.clicks.iou)
        np.testing.assert_array_equal(one.clicks.points, other.clicks.points)


def test_what_is_refused() -> None:
    stage = Clicks(Squares(), (1, 2))
    sample = scene(square(9, 9, 3))
    [embedded] = Embed(stage.sam)([sample])
    other = replace(sample.annotations, size=(9, 12))
    with pytest.raises(ValueError, match=r"'a' is \(33, 33\).*annotations \(9, 12\)"):
        stage([embedded.replace(annotations=other)])
    boxes = Annotations((SIZE, SIZE), np.zeros((1, 4), np.float32), np.ones(1, int))
    with pytest.raises(ValueError, match="boxes only"):
        stage([embedded.replace(annotations=boxes)])
    with pytest.raises(ValueError, match="feedback='none'"):
        click(sample, Clicks(GrabCut(), (1, 2), first="box"))
    for wrong in (
        {"num_clicks": (3, 1)},
        {"num_clicks": ()},
        {"num_clicks": (0,)},
        {"first": "edge"},
        {"feedback": "all"},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Clicks(Squares(), **wrong)
