"""`samkit verify`: tells right numbers from wrong ones; shown on tiny with golden scores of its own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from samkit import Prompts, load_sam
from samkit.cli import app
from samkit.ops.images import read_image
from samkit.sam import golden
from samkit.sam.config import CONFIGS
from samkit.sam.golden import GOLDEN, Finding, Golden
from samkit.sam.model import Sam

SIDES = (90, 120)
PIXELS = np.random.default_rng(2).integers(0, 256, (*SIDES, 3), np.uint8)


@pytest.fixture(scope="module")
def sam() -> Sam:
    return load_sam("tiny", device="cpu")


@pytest.fixture(scope="module")
def own(sam: Sam) -> tuple[Golden, ...]:
    """What tiny gives for four kinds of prompts, with four decimals like the published numbers."""
    asked = {
        "point": (Prompts.from_points([[60, 40]]), 3),
        "box": (Prompts.from_boxes([[20, 20, 80, 70]]), 3),
        "background point, box": (
            Prompts(points=[[[60, 40]]], labels=[[0]], boxes=[[20, 20, 80, 70]]),
            1,
        ),
        "no prompt": (Prompts(embeddings=[torch.zeros(0, sam.config.channels)]), 1),
    }
    [embedding] = sam.encode([PIXELS])
    goldens = []
    for text, (prompts, count) in asked.items():
        [masks] = sam.decode([embedding], [prompts])
        scores = [round(score, 4) for score in masks.predicted_iou.tolist()]
        logits = [round(value, 4) for value in masks.logits[0, 0, :3].tolist()]
        goldens.append(Golden(text, prompts, tuple(scores[-count:]), tuple(logits)))
    return tuple(goldens)


def changed(goldens: tuple[Golden, ...], text: str, **changes: object) -> list[Golden]:
    """The same, with other values for the prompt called `text`."""
    return [Golden(**{**vars(g), **(changes if g.text == text else {})}) for g in goldens]


def test_the_right_numbers_pass(sam: Sam, own: tuple[Golden, ...]) -> None:
    findings = golden.verify(sam, PIXELS, own)
    assert all(finding.passed for finding in findings)
    assert max(finding.score_error for finding in findings) < 1e-4


def test_one_wrong_number_fails(sam: Sam, own: tuple[Golden, ...]) -> None:
    scores = (*own[0].scores[:2], own[0].scores[2] + 0.0038)  # as one padding point too many does
    findings = golden.verify(sam, PIXELS, changed(own, "point", scores=scores))
    assert [finding.passed for finding in findings] == [False, True, True, True]
    assert str(findings[0]).startswith("FAIL  point") and "off by 3.8e-03" in str(findings[0])
    logits = (own[1].logits[0] - 0.02, *own[1].logits[1:])
    findings = golden.verify(sam, PIXELS, changed(own, "box", logits=logits))
    assert [finding.passed for finding in findings] == [True, False, True, True]


def test_a_wrong_kind_of_prompt_fails(sam: Sam, own: tuple[Golden, ...]) -> None:
    """Labels the wrong way round, and a box less."""
    foreground = own[2].prompts.replace(labels=[[1]])
    assert not golden.verify(sam, PIXELS, changed(own[2:3], own[2].text, prompts=foreground))[
        0
    ].passed
    boxless = Prompts(points=[[[60, 40]]], labels=[[0]])
    assert not golden.verify(sam, PIXELS, changed(own[2:3], own[2].text, prompts=boxless))[0].passed


def test_not_a_number_never_passes(own: tuple[Golden, ...]) -> None:
    assert not Finding(own[0], (float("nan"),) * 3, own[0].logits).passed


def run_verify(folder: Path, *options: str) -> Result:
    Image.fromarray(PIXELS).save(folder / "picture.png")
    call = ["verify", "tiny", "--picture", str(folder / "picture.png"), "--device", "cpu"]
    return CliRunner().invoke(app, [*call, *options])


def test_the_command(
    own: tuple[Golden, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden, "PICTURE_SIZE", SIDES)
    monkeypatch.setitem(GOLDEN, "tiny", own)
    done = run_verify(tmp_path)
    assert done.exit_code == 0, done.output
    assert "PASS: 4 of 4 golden prompts agree" in done.output
    assert done.output.count("ok  ") == 4 and "recipes/coco_miou.py" in done.output
    monkeypatch.setitem(GOLDEN, "tiny", changed(own, "box", scores=(0.5, 0.5, 0.5)))
    done = run_verify(tmp_path)
    assert done.exit_code == 1
    assert "FAIL: 3 of 4 golden prompts agree" in done.output and "expected 0.5000" in done.output


def test_what_cannot_be_compared_is_said(
    own: tuple[Golden, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run_verify(tmp_path)
    assert done.exit_code == 2
    assert "golden scores are known for vit_b and vit_h only, got 'tiny'" in done.output
    monkeypatch.setitem(GOLDEN, "tiny", own)
    done = run_verify(tmp_path)
    assert done.exit_code == 2 and "90 x 120 pixels, not 1764 x 2646" in done.output
    monkeypatch.setitem(CONFIGS, "tiny", CONFIGS["vit_b"])
    done = run_verify(tmp_path)
    assert done.exit_code == 2 and "is a SAM but no tiny" in done.output


def test_the_published_prompts_lie_in_their_picture() -> None:
    height, width = golden.PICTURE_SIZE
    for one in (*GOLDEN["vit_b"], *GOLDEN["vit_h"]):
        assert len(one.prompts) == 1 and len(one.scores) in (1, 3)
        for corners in (*(one.prompts.points or ()), one.prompts.boxes):
            if corners is not None:
                xy = corners.reshape(-1, 2)
                assert (xy >= 0).all() and (xy < (width, height)).all(), one.text
    texts = [one.text for one in GOLDEN["vit_b"]]
    assert (
        len(set(texts)) == len(texts)
        and "background point (820, 1080), box (620, 900, 1000, 1255)" in texts
    )


@pytest.mark.weights
@pytest.mark.parametrize("name", ["vit_b", "vit_h"])
def test_the_official_weights_give_the_published_numbers(test_weights: Path, name: str) -> None:
    picture = test_weights / golden.PICTURE.name
    if not picture.is_file():
        pytest.skip(f"put {golden.PICTURE.address} into SAMKIT_TEST_WEIGHTS")
    [file] = test_weights.glob(f"sam_{name}_*.pth")
    findings = golden.verify(load_sam(file), read_image(picture), GOLDEN[name])
    assert all(finding.passed for finding in findings), "\n".join(map(str, findings))
