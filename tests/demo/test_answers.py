"""What the demo page asks of the models, without the page."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samkit import Prompts, Sample, load_sam
from samkit.clip import load_clip
from samkit.clip.projection import load_text_prompt
from samkit.data import shapes
from samkit.demo.answers import Answers, Limits, Question
from samkit.ops import rle
from samkit.stages import Embed, Segment


@pytest.fixture(scope="module")
def answers() -> Answers:
    sam, clip = load_sam("tiny", device="cpu"), load_clip("tiny", device="cpu")
    return Answers(sam, clip, load_text_prompt("tiny"), points_per_side=4, weak=True)


@pytest.fixture(scope="module")
def desk(answers: Answers) -> Sample:
    return answers.embed(shapes(1, seed=3)[0])


def test_clicks_and_boxes_are_the_stages_answers(answers: Answers, desk: Sample) -> None:
    points = ((40.0, 50.0, 1), (90.0, 20.0, 0))
    asked = Prompts(points=[[[40, 50], [90, 20]]], labels=[[1, 0]])
    [expected] = Segment(answers.sam)([desk.replace(prompts=asked)])
    found = answers.answer(desk, Question("points", points, threshold=-1))
    assert found.masks is not None and expected.masks is not None
    assert found.masks.rle() == expected.masks.rle()

    # Corners in any order are one box.
    [expected] = Segment(answers.sam)(
        [desk.replace(prompts=Prompts.from_boxes([[40, 20, 90, 50]]))]
    )
    for corners in (points, points[::-1]):
        found = answers.answer(desk, Question("box", corners, threshold=-1))
        assert found.masks is not None and expected.masks is not None
        assert found.masks.rle() == expected.masks.rle()


@pytest.mark.parametrize("route", ["rank", "prompt"])
def test_a_phrase_is_answered_best_first(answers: Answers, desk: Sample, route) -> None:
    question = Question("text", phrase="  a red disc ", route=route, threshold=-1, most=3)
    found = answers.answer(desk, question)
    assert found.phrases == ("a red disc",) and found.masks is not None
    assert 1 <= len(found.masks) <= 3
    assert (np.diff(found.masks.scores) <= 0).all()


@pytest.mark.parametrize("route", ["rank", "prompt"])
def test_what_the_finder_knows_is_found(answers: Answers, route) -> None:
    """Of a scene that none of the models saw; proposals from so few points alone overlap it by .58."""
    scene, phrase = shapes(3, seed=8_500_000)[2], "a yellow band"
    sample = answers.embed(Sample(scene.id, scene.image))
    found = answers.answer(
        sample, Question("text", phrase=phrase, route=route, threshold=-1, most=1)
    )
    true = scene.annotations.run_lengths[scene.annotations.captions.index(phrase)]
    assert found.masks is not None and rle.iou(found.masks.rle(), [true])[0, 0] > 0.75


def test_clicks_help_a_phrase(answers: Answers, desk: Sample) -> None:
    asked = Question("text", ((40.0, 50.0, 1),), "a red disc", "prompt", threshold=-1)
    found = answers.answer(desk, asked)
    assert found.prompts is not None and found.prompts.num_points.tolist() == [1]
    alone = answers.answer(desk, replace(asked, points=()))
    assert alone.prompts is None or alone.prompts.points is None


def test_everything_tells_its_progress_and_ends_in_time(answers: Answers, desk: Sample) -> None:
    told: list[tuple[int, int]] = []
    found = answers.answer(desk, Question("everything", most=5), lambda *done: told.append(done))
    assert told[-1] == (16, 16) and found.masks is not None and len(found.masks) == 5
    impatient = replace(answers, limits=Limits(seconds=-1))
    with pytest.raises(TimeoutError, match="all that one answer may take"):
        impatient.answer(desk, Question("everything"))


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (Question("points"), "click on the object"),
        (Question("box", ((1.0, 2.0, 1),)), "two opposite corners"),
        (Question("text", phrase="  "), "write what to look for"),
        (Question("text", phrase="a disc", route="detect"), "there is rank, prompt"),
    ],
)
def test_what_is_missing_is_told(answers: Answers, desk: Sample, question, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        answers.answer(desk, question)


def test_pictures_that_are_none_or_too_large(answers: Answers, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ValueError, match="^cannot read notes.txt as a picture"):
        answers.open(tmp_path / "notes.txt")
    Image.new("1", (12_000, 12_000)).save(tmp_path / "huge.png")
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"^huge.png has 12000 x 12000 pixels; at most 50,000,000"):
        answers.open(tmp_path / "huge.png")
    assert time.perf_counter() - start < 2  # from its header, before anything is unpacked


def test_without_a_clip_there_is_no_text(answers: Answers, desk: Sample) -> None:
    bare = replace(answers, clip=None)
    assert bare.routes == []
    with pytest.raises(ValueError, match="started without a CLIP"):
        bare.answer(desk, Question("text", phrase="a disc"))


def test_an_embedding_is_made_once(answers: Answers, tmp_path: Path) -> None:
    Image.fromarray(shapes(1, seed=3)[0].image).save(tmp_path / "scene.png")
    opened = answers.open(tmp_path / "scene.png")
    [expected] = Embed(answers.sam)([Sample.open(tmp_path / "scene.png")])
    assert opened.id == "scene.png"
    assert opened.embedding is not None and expected.embedding is not None
    for name, tensor in expected.embedding.tensors.items():
        assert (opened.embedding.tensors[name] == tensor).all()
