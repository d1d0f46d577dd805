"""The command, called as a user calls it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from samkit import Prompts, Sample, load_sam
from samkit.cli import app
from samkit.ops import rle
from samkit.stages import Embed, Segment


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.full((120, 160, 3), 40, np.uint8)
    pixels[30:90, 50:110] = (220, 180, 60)
    Image.fromarray(pixels).save(tmp_path / "square.png")
    return tmp_path / "square.png"


def test_segment_writes_an_overlay_and_masks(picture: Path, tmp_path: Path) -> None:
    out, masks = tmp_path / "out.png", tmp_path / "masks.json"
    call = [
        "segment",
        str(picture),
        "--box",
        "50,30,110,90",
        "-o",
        str(out),
        "--json-out",
        str(masks),
    ]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 0, done.output
    sample = Sample.open(picture).replace(prompts=Prompts.from_boxes([[50, 30, 110, 90]]))
    sam = load_sam("tiny")
    [expected] = (Embed(sam) | Segment(sam))([sample])
    [record] = json.loads(masks.read_text())
    [mask] = rle.decode([record["segmentation"]])
    assert np.array_equal(mask, expected.masks.binary()[0])
    drawn = np.asarray(Image.open(out).convert("RGB"))
    assert drawn.shape[0] % 120 == 0 and drawn.std() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "nothing to look for"),
        (["--point", "5"], "expected --point X,Y in pixels, got '5'"),
        (["--box", "1,2,3,x"], "expected --box X0,Y0,X1,Y1"),
        (["--point", "5,5", "--box", "1,2,3,4", "--box", "5,6,7,8"], "which box"),
        (["--box", "9,9,3,3"], "x0 <= x1"),
        (["--point", "5,5", "--sam", "nowhere.pth"], "no weights at nowhere.pth"),
    ],
)
def test_mistakes_are_answered_in_one_line(picture: Path, options: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["segment", str(picture), *options])
    assert done.exit_code == 2
    assert message in done.output and "Traceback" not in done.output


def test_a_picture_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    done = CliRunner().invoke(app, ["segment", str(tmp_path / "text.png"), "--point", "1,1"])
    assert done.exit_code == 2 and "cannot read" in done.output
