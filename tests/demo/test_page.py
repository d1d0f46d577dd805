"""The demo page in a real browser."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samkit import Sample, load_sam
from samkit.clip import load_clip
from samkit.clip.projection import load_text_prompt
from samkit.data import shapes
from samkit.demo.answers import Answers, Limits, Question
from samkit.ops import rle
from samkit.types import Frame, Masks

pytestmark = pytest.mark.browser
SECONDS = 60


@pytest.fixture(scope="module")
def answers() -> Answers:
    sam, clip = load_sam("tiny", device="cpu"), load_clip("tiny", device="cpu")
    limits = Limits(waiting=5)
    return Answers(sam, clip, load_text_prompt("tiny"), points_per_side=4, weak=True, limits=limits)


@pytest.fixture(scope="module")
def address(answers: Answers) -> Iterator[str]:
    from samkit.demo.page import serve

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    blocks = serve(answers, port=port, block=False)
    yield f"http://127.0.0.1:{port}/"
    blocks.close()


@pytest.fixture
def page(address: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        tab = browser.new_page(viewport={"width": 1280, "height": 1000})
        tab.set_default_timeout(1000 * SECONDS)
        elsewhere: list[str] = []
        own = (address, "data:", "blob:")
        tab.on("request", lambda r: None if r.url.startswith(own) else elsewhere.append(r.url))
        tab.goto(address)
        tab.wait_for_selector("#canvas img")
        yield tab
        browser.close()
    assert elsewhere == []  # the page loads nothing from other machines


def scene(folder: Path) -> Path:
    Image.fromarray(shapes(1, seed=3)[0].image).save(folder / "scene.png")
    return folder / "scene.png"


def upload(page: Any, path: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(str(path))


def wait(page: Any, text: str) -> None:
    page.get_by_text(text).first.wait_for()


def click(page: Any, x: float, y: float) -> None:
    """A click on a pixel of the picture, which lies enlarged on the canvas."""
    picture = page.locator("#canvas img")
    box, side = picture.bounding_box(), 256
    picture.click(
        position={"x": (x + 0.5) / side * box["width"], "y": (y + 0.5) / side * box["height"]}
    )


def download(page: Any, name: str, folder: Path) -> Path:
    with page.expect_download() as event:
        page.get_by_role("link", name=name).or_(page.get_by_role("button", name=name)).click()
    event.value.save_as(folder / event.value.suggested_filename)
    return folder / event.value.suggested_filename


def test_upload_click_phrase_everything_and_downloads(
    page: Any, answers: Answers, tmp_path: Path
) -> None:
    path = scene(tmp_path)
    upload(page, path)
    wait(page, "scene.png is ready.")
    sample = answers.open(path)

    click(page, 120, 130)
    wait(page, "1 mask by tiny")
    asked = Question("points", ((120.0, 130.0, 1),))
    check_records(download(page, "Masks (COCO JSON)", tmp_path), answers.answer(sample, asked))
    overlay = Image.open(download(page, "Overlay (PNG)", tmp_path))
    # What was drawn is what was written: the mask's pixels are those that look different.
    records = json.loads(next(tmp_path.glob("*.json")).read_text())
    drawn = np.asarray(overlay.convert("RGB").resize((256, 256), Image.Resampling.NEAREST), int)
    differ = np.abs(drawn - sample.image.astype(int)).sum(axis=2) > 0
    mask = rle.decode([records[0]["segmentation"]])[0]
    assert (differ & mask).sum() >= 0.99 * mask.sum()

    page.get_by_label("text", exact=True).check()
    page.get_by_label("Phrase").fill("a red disc")
    page.get_by_role("button", name="Find").click()
    wait(page, "1 mask by tiny")
    asked = Question("text", phrase="a red disc", most=1)
    answer = answers.answer(sample, asked)
    records_file = download(page, "Masks (COCO JSON)", tmp_path / "text")
    check_records(records_file, answer)
    assert json.loads(records_file.read_text())[0]["phrase"] == "a red disc"

    page.get_by_label("everything", exact=True).check()
    wait(page, "Press Find")
    page.get_by_role("button", name="Find").click()
    wait(page, "20 masks by tiny")
    found = download(page, "Masks (COCO JSON)", tmp_path / "all")
    check_records(found, answers.answer(sample, Question("everything", most=20)))


def check_records(path: Path, answer: Sample) -> None:
    records = json.loads(path.read_text())
    assert answer.masks is not None and len(records) == len(answer.masks)
    found = [record["segmentation"] for record in records]
    np.testing.assert_array_equal(rle.decode(found), answer.masks.binary())
    height, width = answer.masks.frame.original_size
    frame = Frame((height, width), (height, width), max(height, width))
    assert len(Masks(frame, run_lengths=tuple(found))) == len(records)


def test_what_cannot_be_answered_is_told(page: Any, tmp_path: Path) -> None:
    Image.new("1", (12_000, 12_000)).save(tmp_path / "huge.png")
    upload(page, tmp_path / "huge.png")
    wait(page, "huge.png has 12000 x 12000 pixels")
    (tmp_path / "notes.png").write_text("a text that calls itself a picture")
    upload(page, tmp_path / "notes.png")
    wait(page, "cannot read notes.png as a picture")
    page.get_by_label("text", exact=True).check()
    page.get_by_role("button", name="Find").click()
    wait(page, "write what to look for")
    # And the page still works.
    page.get_by_label("points", exact=True).check()
    click(page, 100, 100)
    wait(page, "1 mask by tiny")


def test_fifty_quick_questions(page: Any, address: str) -> None:
    config = page.request.get(f"{address}config").json()
    number = next(d["id"] for d in config["dependencies"] if d["api_name"] == "asked")
    asked = {"data": [None, "everything", "", "rank", 0, 5], "fn_index": number}
    codes = [
        page.request.post(
            f"{address}gradio_api/queue/join", data={**asked, "session_hash": f"visitor{i}"}
        ).status
        for i in range(50)
    ]
    # Some wait, the rest are told at once that the queue is full; nothing breaks.
    assert set(codes) == {200, 503} and codes.count(200) >= 5
    # Meanwhile the page still loads.
    page.reload()
    page.wait_for_selector("#canvas img")
    assert page.request.get(f"{address}config").status == 200
