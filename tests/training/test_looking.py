"""What a TextFinder learns from: pieces of scenes, what is asked of them, and the loss."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from samkit.clip.finder import Drawn, Seen
from samkit.data.shapes.phrases import attributes, fits, held_out
from samkit.training.captions import Described
from samkit.training.looking import Looked, Scene, Source, described_loss, finder_loss, looked
from samkit.training.processes import ALONE, Processes

GREYS = {"a white disc": 250, "a grey bolt": 120, "a grey striped gear": 60, "a red disc": 180}


def a_scene() -> Scene:
    """Squares, each caption its grey; the last is a combination that no text model is taught."""
    assert held_out("a red disc") and not any(held_out(one) for one in list(GREYS)[:3])
    masks, image = np.zeros((4, 96, 96), bool), np.zeros((96, 96, 3), np.uint8)
    for place, grey in enumerate(GREYS.values()):
        masks[place, 6 + 22 * place : 22 + 22 * place, 8 + 20 * place : 24 + 20 * place] = True
        image[masks[place]] = grey
    return Scene(image, np.packbits(masks, axis=-1), tuple(GREYS), (0, 1, 2))


def test_made_up_scenes_tell_what_may_be_learned() -> None:
    scene = Scene.rendered(7_000_000, 3, 64)
    assert scene.masks.shape == (len(scene.captions), 64, 64) and scene.masks.any(axis=(1, 2)).all()
    assert scene.telling and not any(held_out(scene.captions[place]) for place in scene.telling)
    assert all(scene.fitting(scene.captions[place]) == [place] for place in scene.telling)


def test_other_data_are_asked_their_own_phrases(tmp_path: Path) -> None:
    """A picture twice as wide as high, of two classes, one with two objects: as `FindByText` sees it."""
    (tmp_path / "annotations").mkdir()
    image = np.zeros((32, 64, 3), np.uint8)
    boxes = {1: [[2, 2, 8, 8], [50, 20, 10, 10]], 2: [[20, 4, 12, 20]]}
    annotations = []
    for class_id, own in boxes.items():
        for x, y, w, h in own:
            image[y : y + h, x : x + w] = 100 * class_id
            outline = [[x, y, x + w, y, x + w, y + h, x, y + h]]
            about = {"bbox": [x, y, w, h], "segmentation": outline, "area": w * h, "iscrowd": 0}
            annotations.append(
                {"id": len(annotations), "image_id": 1, "category_id": class_id, **about}
            )
    Image.fromarray(image).save(tmp_path / "a.png")
    names = [{"id": 1, "name": "traffic_light"}, {"id": 2, "name": "dog"}]
    images = [{"id": 1, "file_name": "a.png", "height": 32, "width": 64}]
    file = tmp_path / "annotations/instances.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": names}))
    source = Source.opened(str(file), 5, 64, 0, ALONE)
    [scene] = source.kept_back
    assert not source.of_step(1, 4), "one picture of a hundred, and so the first, is kept back"
    assert scene.captions == ("traffic light", "dog") and scene.telling == (0, 1)
    assert (
        scene.image.shape == (64, 64, 3)
        and not scene.image[:16].any()
        and not scene.image[48:].any()
    )
    assert scene.masks.sum(axis=(1, 2)).tolist() == [164, 240], "both lights are one mask"
    assert (scene.image[scene.masks[1]] == 200).mean() > 0.9
    some = looked([scene], 50, 64, np.random.default_rng(0))
    assert set(some.phrases) == {"traffic light", "dog"} and (some.shares >= 0).all()
    assert (some.shares == 0).any() and (some.shares == 1).sum() > 20


def test_no_made_up_scene_is_shown_twice() -> None:
    """Nor to two processes, nor are those shown on which is measured."""
    both = [Source.opened("shapes", 0, 32, 5, Processes(rank, 2)) for rank in (0, 1)]
    shown = [scene for source in both for step in (1, 2) for scene in source.of_step(step, 3)]
    pictures = {scene.image.tobytes() for scene in (*shown, *both[0].kept_back)}
    assert len(shown) == 12 and len(pictures) == 12 + len(both[0].kept_back) > 50
    again = both[1].of_step(2, 3)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(again, shown[9:], strict=True))


def of_kind(some: Looked, kind: float) -> list[int]:
    return [row for row, share in enumerate(some.shares.tolist()) if share == kind]


def test_captions_are_drawn_where_they_are_true() -> None:
    scene = a_scene()
    assert scene.telling == (0, 1, 2) and scene.fitting("a disc") == [0, 3]
    other = Scene(scene.image, scene.packed, ("a blue fence", *scene.captions[1:]), (0, 1, 2))
    some = looked([scene, other], 80, 64, np.random.default_rng(0))
    assert some.pictures.shape == (80, 3, 64, 64) and len(some.phrases) == len(some.of)
    assert torch.equal(some.of, some.of.sort().values) and some.of.unique().tolist() == [*range(80)]
    assert not any(held_out(phrase) for phrase in some.phrases)
    small = torch.nn.functional.avg_pool2d(some.pictures, 2)[:, 0] * 255
    for row in of_kind(some, 1.0):
        grey = GREYS.get(some.phrases[row])
        inside = some.targets[row] > 0.9
        assert inside.any()
        if grey:
            assert abs(small[some.of[row]][inside].median() - grey) < 25, some.phrases[row]
    absent = of_kind(some, 0.0)
    assert len(absent) > 20 and not some.targets[absent].any() and some.counted[absent].all()
    in_part = (some.shares > 0) & (some.shares < 1)
    assert in_part.sum() > 5 and some.shares[in_part].min() > 0.3


def test_less_than_a_caption_fits_several_and_what_is_held_out_does_not_count() -> None:
    scene = a_scene()
    some = looked([scene], 200, 96, np.random.default_rng(1))
    small = torch.nn.functional.avg_pool2d(some.pictures, 2)[:, 0] * 255
    seen_two, seen_hidden = 0, 0
    for row in of_kind(some, -1.0):
        meant = attributes(some.phrases[row])
        true_of = [grey for one, grey in GREYS.items() if fits(meant, attributes(one))]
        picture, drawn = small[some.of[row]], some.targets[row] > 0.9
        greys = picture[drawn]
        shown = [grey for grey in true_of if ((greys - grey).abs() < 12).any()]
        near = [(greys - grey).abs() for grey in true_of]
        if near and drawn.sum() > 60:
            assert torch.stack(near).amin(dim=0).median() < 12, some.phrases[row]
        seen_two += len(shown) > 1
        hidden = some.counted[row] == 0
        seen_hidden += bool(hidden.any())
        if hidden.sum() > 60:
            assert 180 in true_of and abs(picture[hidden].max() - 180) < 30
    assert seen_two > 20 and seen_hidden > 10


def test_nothing_to_ask_is_an_error() -> None:
    scene = a_scene()
    with pytest.raises(ValueError, match="no picture with a caption to learn from"):
        looked([], 4, 64, np.random.default_rng(0))
    nameless = Scene(scene.image, scene.packed[3:], scene.captions[3:], ())
    with pytest.raises(ValueError, match="no picture with a caption to learn from"):
        looked([nameless], 4, 64, np.random.default_rng(0))


def given(
    targets: torch.Tensor, shares: list[float], counted: torch.Tensor | None = None
) -> Looked:
    count = len(shares)
    pictures, counted = (
        torch.zeros(1, 3, 8, 8),
        torch.ones(count, 4, 4) if counted is None else counted,
    )
    return Looked(
        pictures, [""] * count, targets, counted, torch.zeros(count).long(), torch.tensor(shares)
    )


def test_the_loss_wants_the_object_its_iou_and_nothing_where_it_is_not() -> None:
    targets = torch.zeros(2, 4, 4)
    targets[0, :2] = 1
    right = (targets * 2 - 1) * 12
    some = given(targets, [1.0, 0.0])

    def loss(logits: torch.Tensor, ious: list[float], of: Looked = some) -> float:
        return finder_loss(Drawn(logits, logits, torch.tensor(ious)), of).item()

    assert loss(right, [1.0, 0.0]) == pytest.approx(0, abs=0.03)
    assert loss(right, [0.0, 0.0]) == pytest.approx(1, abs=0.03), "half of 2, one guess being wrong"
    assert loss(-right, [0.0, 0.0]) > 10
    everywhere = right.clone()
    everywhere[1] = 12
    assert loss(everywhere, [1.0, 0.0]) > loss(right, [1.0, 0.0]) + 5
    half = given(targets, [0.5, 0.0])
    assert loss(right, [0.5, 0.0], half) == pytest.approx(0, abs=0.03), "of the whole object"
    uncounted = torch.ones(2, 4, 4)
    uncounted[:, 2:] = 0
    beyond = right.clone()
    beyond[:, 2:] = 12
    told = given(targets, [-1.0, -1.0], uncounted)
    assert loss(beyond, [0.3, 0.3], told) == pytest.approx(
        loss(right, [0.9, 0.9], told), abs=1e-3
    ), "what is not counted, and guesses for what may be several, do not matter"


def test_attributes_are_read_inside_of_the_object() -> None:
    """Features that are the answers' own numbers inside the mask, and another's outside."""
    described = Described(24)
    captions = ["a grey striped gear", "a white disc"]
    targets = torch.zeros(2, 4, 4)
    targets[0, :2], targets[1, 2:] = 1, 1
    some = Looked(
        torch.zeros(1, 3, 8, 8), captions, targets, torch.ones(2, 4, 4),
        torch.zeros(2).long(), torch.tensor([1.0, 0.9]),
    )  # fmt: skip
    seen = Seen(torch.randn(1, 16, 4, 4), torch.randn(1, 8, 1, 1))
    inside = torch.stack(
        [seen.pixels[0, :, :2].mean(dim=(1, 2)), seen.pixels[0, :, 2:].mean(dim=(1, 2))]
    )
    features = torch.cat([inside, seen.around[0, :, 0, 0].expand(2, 8)], dim=1)
    torch.testing.assert_close(
        described_loss(described, seen, some), described.loss(features, captions)
    )
    none = given(targets, [0.0, -1.0])
    assert described_loss(described, seen, none) == 0, "of what is elsewhere, or several, nothing"
