"""The click loop beside a plain loop over the official package's predictor: is it the same, and faster?

    python benchmarks/clicks_parity.py --data coco/                    the shipped model, 50 objects
    python benchmarks/clicks_parity.py --data coco/ --sam vit_b --repeats 2

Wants the extra `official`. data: a COCO JSON or folder, of which the first pictures are taken until
they have enough objects, all of a picture together. The plain loop is what anybody would write, one
`SamPredictor.predict` after the other with the last logits fed back. Both encode each picture once,
before any clock runs, and click by the same function, whose time is left out of both. Time is the CPU
time of this process, torch on one thread, the loops in turns.

Objects whose IoU is apart at any click are traced to the first answer that is another mask: a pixel
there whose logit lies within rounding of 0, behind which each loop clicks elsewhere.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from segment_anything import SamPredictor

from samkit import Masks, Prompts, Sample, load_sam
from samkit.data import coco
from samkit.ops.masks import pair_iou
from samkit.ops.points import center_point, next_click
from samkit.ops.upscale import regions
from samkit.sam.family import SamModel
from samkit.sam.official import OfficialSam
from samkit.stages import Clicks, Embed, clicked_object
from samkit.stages import clicks as clicks_stage
from samkit.types import ImageEmbedding

CLOSE = 1e-3  # of IoU
Clicker = Callable[..., Any]


class Picture(NamedTuple):
    """A sample that holds our embedding, the official one, and the masks (N, H, W) to be clicked."""

    sample: Sample
    predictor: SamPredictor
    truths: NDArray[np.bool_]


class Played(NamedTuple):
    """One object: IoU by click, where was clicked, and low-resolution logits."""

    iou: list[float]
    points: list[NDArray[np.float32]]
    logits: list[NDArray[np.float32]]


def main(
    data: Annotated[Path, typer.Option()],
    sam: str = "tiny",
    objects: int = 50,
    clicks: int = 9,
    repeats: int = 7,
) -> None:
    """Parity and speed of the click loop, float32 on the CPU."""
    torch.set_num_threads(1)
    ours = load_sam(sam, device="cpu")
    pictures = some_pictures(ours, coco(data), objects)
    print(f"{ours.name} beside segment-anything-py, {clicks} clicks", flush=True)
    print("\n".join(compare(ours, pictures, clicks)), flush=True)
    samples = [picture.sample for picture in pictures]
    watch, stage = Stopwatch(), Clicks(ours, (clicks,))
    first, following = watch.left_out(center_point), watch.left_out(next_click)
    clicks_stage.center_point, clicked_object.next_click = first, following  # type: ignore[attr-defined]
    seconds: dict[str, list[float]] = {"samkit": [], "plain loop": []}
    for _ in range(repeats):
        seconds["samkit"].append(watch.time(lambda: stage(samples)))
        plain = watch.time(lambda: [plain_loop(one, clicks, first, following) for one in pictures])
        seconds["plain loop"].append(plain)
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    for name, values in [*seconds.items(), ("times as fast", ratios)]:
        print(
            f"{name:14} {statistics.median(values):6.2f} ({min(values):.2f} to {max(values):.2f})"
        )


class Stopwatch:
    """CPU seconds of this process, some functions' left out."""

    def __init__(self) -> None:
        self.outside = 0.0

    def left_out(self, function: Clicker) -> Clicker:
        def timed(*given: Any) -> Any:
            start = time.thread_time()
            answer = function(*given)
            self.outside += time.thread_time() - start
            return answer

        return timed

    def time(self, function: Callable[[], Any]) -> float:
        self.outside, start = 0.0, time.process_time()
        function()
        return time.process_time() - start - self.outside


def some_pictures(ours: SamModel, data: Iterable[Sample], objects: int) -> list[Picture]:
    """The first pictures that together have so many objects that can be clicked."""
    official, pictures, missing = OfficialSam.twin_of(ours), [], objects  # type: ignore[arg-type]
    for sample in data:
        truth = sample.annotations
        assert truth is not None
        masks = truth.binary()[slice(None) if truth.is_crowd is None else ~truth.is_crowd]
        masks = masks[masks.any(axis=(1, 2))]
        if missing > 0 and len(masks):
            [embedded] = Embed(ours)([sample])
            predictor = SamPredictor(official.model)
            predictor.set_image(sample.image)
            pictures.append(Picture(embedded, predictor, masks))
            missing -= len(masks)
    return pictures


def plain_loop(
    picture: Picture, clicks: int, first: Clicker = center_point, following: Clicker = next_click
) -> list[Played]:
    """Every object of one picture, one after the other."""
    objects = []
    for truth in picture.truths:
        played, labels = Played([], [first(truth)], []), [1]
        while True:
            answers, predicted_iou, low_res = picture.predictor.predict(
                np.array(played.points),
                np.array(labels),
                mask_input=played.logits[-1][None] if played.logits else None,
                multimask_output=not played.logits,
            )
            best = predicted_iou.argmax()
            played.logits.append(low_res[best])
            played.iou.append(pair_iou(answers[best], truth))
            if len(played.iou) == clicks:
                break
            click = following(truth, answers[best], played.points)
            if click is None:
                break
            played.points.append(click[0])
            labels.append(click[1])
        objects.append(played)
    return objects


class Notes:
    """A SAM that remembers its answers, by image and by the points that were asked."""

    def __init__(self, sam: SamModel) -> None:
        self.sam, self.name, self.encode = sam, sam.name, sam.encode
        self.answers: dict[tuple[int, bytes], Masks] = {}

    def decode(
        self,
        embeddings: Sequence[ImageEmbedding],
        prompts: Sequence[Prompts],
        multimask_output: bool = True,
    ) -> list[Masks]:
        found = self.sam.decode(embeddings, prompts, multimask_output)
        for embedding, asked, masks in zip(embeddings, prompts, found, strict=True):
            for number, points in enumerate(asked.points or ()):
                own = masks[masks.prompt_index == number]
                best = int(own.predicted_iou.argmax())
                self.answers[id(embedding), points.tobytes()] = own[best]
        return found


def compare(ours: SamModel, pictures: Sequence[Picture], clicks: int) -> list[str]:
    """How many objects are alike at every click, and for each other one why it is not."""
    notes, lines = Notes(ours), []
    largest: list[float] = []
    for picture in pictures:
        [done] = Clicks(notes, (clicks,))([picture.sample])
        assert done.clicks is not None
        for place, played in enumerate(plain_loop(picture, clicks)):
            iou = played.iou + played.iou[-1:] * (clicks - len(played.iou))
            largest.append(float(np.abs(done.clicks.iou[place] - iou).max()))
            if largest[-1] > CLOSE:
                what = f"{picture.sample.id}, object {done.clicks.objects[place]}"
                lines.append(
                    f"{what}: IoU {largest[-1]:.4f} apart; {trace(picture, played, notes)}"
                )
    alike = np.array(largest) <= CLOSE
    exact = (np.array(largest) == 0).sum()
    told = f"{alike.sum()} of {len(alike)} objects of {len(pictures)} pictures within {CLOSE} IoU"
    return [f"{told} at every click, {exact} of them equal", *lines]


def trace(picture: Picture, played: Played, notes: Notes) -> str:
    """The first pixel, row by row, of the first answer in which the two loops differ."""
    embedding, predictor = picture.sample.embedding, picture.predictor
    assert embedding is not None
    frame = embedding.frame
    sizes = frame.model_size, frame.resized_size, frame.crop_size
    for turn, low_res in enumerate(played.logits):
        key = id(embedding), np.array(played.points[: turn + 1]).tobytes()
        [region] = regions(notes.answers[key].logits, 0.0, *sizes)  # type: ignore[arg-type]
        ours = np.full(frame.original_size, -np.inf, dtype=np.float32)  # where none is above 0
        width, height = region.columns.shape
        place = slice(region.top, region.top + height), slice(region.left, region.left + width)
        ours[place] = region.columns.T
        theirs = predictor.model.postprocess_masks(
            torch.from_numpy(low_res)[None, None], predictor.input_size, predictor.original_size
        )[0, 0].numpy()
        rows, columns = np.nonzero((ours > 0) != (theirs > 0))
        if len(rows):
            y, x = rows[0], columns[0]
            return (
                f"click {turn + 1} differs in {len(rows)} pixels, first ({x}, {y}): our logit "
                f"{ours[y, x]:.1e}, theirs {theirs[y, x]:.1e}"
            )
    raise AssertionError("equal masks at every click have equal IoU")


if __name__ == "__main__":
    typer.run(main)
