"""The page itself, in gradio; bound to this machine, and loading nothing from elsewhere."""

import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read while it is imported

import gradio as gr

from samkit.data import shapes
from samkit.demo.answers import MODES, Answers, Question
from samkit.drawing import draw, enlargement
from samkit.types import Prompts, Sample

HELP = {
    "points": "Click on an object. Further clicks correct the mask.",
    "box": "Click on two opposite corners of a box around an object.",
    "everything": "Press Find: a grid of points asks for all there is.",
    "text": "Write a phrase and press Find. On the route prompt, clicks help.",
}
MOST = {"points": 1, "box": 1, "everything": 20, "text": 1}
# An hour: what a visitor left behind is forgotten.
KEPT_SECONDS = 3600


@dataclass(frozen=True)
class Desk:
    """One visitor's picture, and the clicks on it so far."""

    sample: Sample
    points: tuple[tuple[float, float, int], ...] = ()


def build(answers: Answers) -> Any:
    """The page as gradio's Blocks, with its queue; `serve` shows it."""
    first = shapes(1, seed=0)[0].loaded().replace(annotations=None)
    start, folder = Desk(answers.embed(first)), tempfile.TemporaryDirectory(prefix="samkit-demo-")

    def tell(error: Exception) -> Any:
        return gr.Error(str(error), title="Not answered", print_exception=False)

    def shown(desk: Desk, answer: Sample | None = None) -> Any:
        """What lies on the canvas: an answer, or the picture with the clicks so far."""
        if answer is None:
            return draw(desk.sample.replace(prompts=_dots(desk.points)), labels=False)
        return draw(answer)

    def uploaded(path: str) -> Any:
        try:
            desk = Desk(answers.open(path))
        except (ValueError, OSError) as error:
            raise tell(error) from error
        return desk, shown(desk), f"{desk.sample.id} is ready.", *_no_files()

    def asked(
        desk: Desk | None,
        mode: Any,
        phrase: str,
        route: Any,
        threshold: float,
        most: float,
        progress: Any = gr.Progress(),  # noqa: B008 - gradio finds it by its default
    ) -> Any:
        desk = desk or start
        question = Question(mode, desk.points, phrase, route, threshold, int(most))
        try:
            answer = answers.answer(
                desk.sample, question, lambda done, total: progress((done, total), unit="points")
            )
        except (ValueError, TimeoutError) as error:
            raise tell(error) from error
        assert answer.masks is not None
        count = len(answer.masks)
        told = f"{count} mask{'' if count == 1 else 's'} by {answers.sam.name}."
        if not count:
            told += " A lower threshold lets weaker ones through."
        return shown(desk, answer), told, *_files(Path(folder.name), answer)

    def clicked(
        desk: Desk | None,
        kind: str,
        mode: str,
        phrase: str,
        route: str,
        threshold: float,
        most: float,
        event: gr.SelectData,
    ) -> Any:
        desk = desk or start
        x, y = (place // enlargement(*desk.sample.image.shape[:2]) for place in event.index)
        before = desk.points if mode != "box" or len(desk.points) < 2 else ()
        desk = Desk(desk.sample, (*before, (float(x), float(y), int(kind == "object"))))
        if mode == "points" or (mode == "box" and len(desk.points) == 2):
            return desk, *asked(desk, mode, phrase, route, threshold, most)
        return desk, shown(desk), HELP[mode], *_no_files()

    def cleared(desk: Desk | None, mode: str) -> Any:
        desk = Desk((desk or start).sample)
        return desk, shown(desk), HELP[mode], *_no_files()

    def changed(desk: Desk | None, mode: str) -> Any:
        text = gr.update(visible=mode == "text")
        return *cleared(desk, mode), text, text, MOST[mode]

    with gr.Blocks(title="samkit", delete_cache=(KEPT_SECONDS, KEPT_SECONDS)) as page:
        gr.Markdown(f"# samkit\nSegment Anything on your own machine. Model: {answers.sam.name}")
        desk = gr.State(None, time_to_live=KEPT_SECONDS)
        modes = [mode for mode in MODES if mode != "text" or answers.routes]
        with gr.Row():
            with gr.Column(scale=1, min_width=260):
                upload = gr.UploadButton("Open a picture", file_types=["image"])
                mode = gr.Radio(modes, value="points", label="Ask by")
                kind = gr.Radio(["object", "background"], value="object", label="A click is on")
                phrase = gr.Textbox("", label="Phrase", placeholder="a red disc", visible=False)
                routes = answers.routes or ["rank"]
                route = gr.Radio(routes, value=routes[0], label="Route", visible=False)
                threshold = gr.Slider(-1, 2, value=0, step=0.01, label="Least score of a mask")
                most = gr.Slider(1, 100, value=MOST["points"], step=1, label="Masks at most")
                find = gr.Button("Find", variant="primary")
                clear = gr.Button("Clear")
            with gr.Column(scale=3):
                canvas = gr.Image(
                    shown(start),
                    interactive=False,
                    show_label=False,
                    format="png",
                    buttons=["fullscreen"],
                    elem_id="canvas",
                )
                told = gr.Markdown(HELP["points"], elem_id="told")
                with gr.Row():
                    png = gr.DownloadButton("Overlay (PNG)", interactive=False)
                    records = gr.DownloadButton("Masks (COCO JSON)", interactive=False)
        settings = [mode, phrase, route, threshold, most]
        result = [canvas, told, png, records]
        upload.upload(uploaded, [upload], [desk, *result])
        canvas.select(clicked, [desk, kind, *settings], [desk, *result])
        gr.on([find.click, phrase.submit], asked, [desk, *settings], result)
        clear.click(cleared, [desk, mode], [desk, *result])
        mode.change(changed, [desk, mode], [desk, *result, phrase, route, most])
    limits = answers.limits
    return page.queue(
        max_size=limits.waiting, default_concurrency_limit=limits.at_once, api_open=False
    )


def serve(answers: Answers, host: str = "127.0.0.1", port: int = 7860, block: bool = True) -> Any:
    """Shows the page at http://host:port; with `block` until it is stopped. Returns the Blocks.

    Raises OSError where the port is taken.
    """
    page = build(answers)
    page.launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        ssr_mode=False,
        prevent_thread_lock=not block,
        max_file_size=f"{answers.limits.megabytes}mb",
        footer_links=[],
    )
    return page


def _dots(points: tuple[tuple[float, float, int], ...]) -> Prompts | None:
    if not points:
        return None
    return Prompts(
        points=[[point[:2] for point in points]], labels=[[point[2] for point in points]]
    )


def _files(folder: Path, answer: Sample) -> tuple[Any, Any]:
    """Both downloads of an answer. gradio copies them; what is old is taken away here."""
    for old in folder.iterdir():
        if old.stat().st_mtime < time.time() - KEPT_SECONDS:
            old.unlink()
    assert answer.masks is not None
    stem = f"{Path(str(answer.id)).stem}-{time.time_ns()}"
    overlay, records = folder / f"{stem}.png", folder / f"{stem}.json"
    draw(answer).save(overlay)
    found = answer.masks.to_coco(str(answer.id))
    for record in found:
        if answer.phrases:
            record["phrase"] = answer.phrases[record["category_id"]]
    records.write_text(json.dumps(found, allow_nan=False))
    first, second = (gr.update(value=str(path), interactive=True) for path in (overlay, records))
    return first, second


def _no_files() -> tuple[Any, Any]:
    return gr.update(value=None, interactive=False), gr.update(value=None, interactive=False)
