"""What the page asks, and the answer: no page is needed for either."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from samkit.clip.finder import TextFinder, load_text_finder
from samkit.clip.model import Clip
from samkit.clip.projection import TextProjection
from samkit.data.picture_size import picture_size
from samkit.ops.images import read_image
from samkit.pipeline import Pipeline, Stage
from samkit.sam.mask_refiner import MaskRefiner, load_mask_refiner
from samkit.sam.model import Sam
from samkit.stages import (
    DetectText,
    Embed,
    Filter,
    NonMaxSuppression,
    Proposals,
    RankByQuality,
    RankByText,
    Segment,
    Top,
    text_sam,
)
from samkit.stages.proposals_settings import KEEP_ALL
from samkit.stages.rank_by_text import FOR_TINY
from samkit.stages.text_routes import (
    PROMPTED,
    PROPOSED,
    agreeing,
    and_looked_for,
    ask_by_text,
    redraw_by_phrase,
)
from samkit.types import Prompts, Sample

Mode = Literal["points", "box", "everything", "text"]
MODES: tuple[Mode, ...] = ("points", "box", "everything", "text")
Route = Literal["rank", "prompt", "detect"]


@dataclass(frozen=True)
class Limits:
    """What one visitor may ask of the machine.

    megabytes: of a file sent. pixels: of a picture. seconds: of one answer in everything mode.
    waiting: questions in the queue; one more is told to come again. at_once: answered side by side.
    """

    megabytes: int = 30
    pixels: int = 50_000_000
    seconds: float = 120
    waiting: int = 20
    at_once: int = 1


@dataclass(frozen=True)
class Question:
    """What is asked of a picture.

    points: (x, y, label) in pixels, label 1 for the object and 0 for what it is not. In mode "box" the
        first two are opposite corners; in mode "text" they help the phrase on the route "prompt".
    threshold: least score of a mask. most: masks of an answer.
    """

    mode: Mode = "points"
    points: tuple[tuple[float, float, int], ...] = ()
    phrase: str = ""
    route: Route = "rank"
    threshold: float = 0.0
    most: int = 50


@dataclass(frozen=True)
class Answers:
    """Models, ready to be asked.

    clip, text_prompt: for the routes "rank" and "prompt"; None where there is no such. detector: what
        `DetectText` takes, for the route "detect".
    weak: no filter by predicted IoU and stability in everything mode, for a SAM whose scores are low.
    """

    sam: Sam
    clip: Clip | None = None
    text_prompt: TextProjection | None = None
    detector: Any = None
    points_per_side: int = 32
    weak: bool = False
    limits: Limits = Limits()

    @property
    def routes(self) -> list[Route]:
        """The ways from a phrase to masks that there are here."""
        found: list[Route] = ["rank"] if self.clip is not None else []
        found += ["prompt"] if self.clip is not None and self.text_prompt is not None else []
        return found + (["detect"] if self.detector is not None else [])

    def open(self, path: str | Path) -> Sample:
        """A picture file with its embedding, made once for all questions.

        Raises ValueError where it is no picture, or one with too many pixels.
        """
        path = Path(path)
        try:
            height, width = picture_size(path)
            if height * width > self.limits.pixels:
                raise ValueError(
                    f"{path} has {width} x {height} pixels; at most {self.limits.pixels:,} are taken "
                    "here, so make it smaller"
                )
            image = read_image(path, self.limits.pixels)
        except ValueError as error:  # the folder it was kept in says nothing to who sent it
            raise ValueError(str(error).replace(str(path), path.name)) from error
        return self.embed(Sample(path.name, image))

    def embed(self, sample: Sample) -> Sample:
        """The sample with its embedding."""
        [sample] = Embed(self.sam)([sample.loaded()])
        return sample

    @cached_property
    def _reader(self) -> Sam:
        return text_sam(self.sam, self.text_prompt)

    @cached_property
    def _refiner(self) -> MaskRefiner:
        return load_mask_refiner("tiny", str(self.sam.device))

    @cached_property
    def _finder(self) -> TextFinder | None:
        """Which has seen phrases of the shipped pair alone."""
        finder = load_text_finder("tiny", str(self.sam.device))
        return finder if self.clip is not None and finder.reads(self.clip.texts_name) else None

    def answer(
        self, sample: Sample, question: Question, progress: Callable[[int, int], None] | None = None
    ) -> Sample:
        """The sample with the prompts that were asked and the masks found, best first.

        progress: told how many points of how many are done in everything mode.

        Raises ValueError that says what is missing for an answer; TimeoutError where it took too long.
        """
        bare = sample.replace(prompts=None, masks=None, phrases=None)
        if question.mode == "text":
            find, bare = self._by_text(bare, question, progress)
        elif question.mode == "everything":
            find = self._everything(progress) | RankByQuality()
        else:
            bare = bare.replace(prompts=clicked(question))
            find = Segment(self.sam)
        chosen = find | Filter(min_score=question.threshold) | Top(question.most)
        [answer] = chosen([bare])
        return answer

    def _everything(self, progress: Callable[[int, int], None] | None) -> Proposals:
        until = time.monotonic() + self.limits.seconds

        def told(done: int, total: int) -> None:
            if time.monotonic() > until:
                raise TimeoutError(
                    f"{done} of {total} points were asked in {self.limits.seconds:.0f} seconds, which "
                    "is all that one answer may take here"
                )
            if progress is not None:
                progress(done, total)

        kept = KEEP_ALL if self.weak else {}
        return Proposals(self.sam, points_per_side=self.points_per_side, progress=told, **kept)

    def _by_text(
        self, sample: Sample, question: Question, progress: Callable[[int, int], None] | None
    ) -> tuple[Stage, Sample]:
        phrase = question.phrase.strip()
        if not phrase:
            raise ValueError('write what to look for, such as "a red disc"')
        if question.route not in self.routes:
            has = ", ".join(self.routes) or "none: it was started without a CLIP"
            raise ValueError(f"there is no route {question.route!r} here; there is {has}")
        sample = sample.replace(phrases=(phrase,))
        if question.route == "detect":
            return DetectText(self.detector) | Segment(self.sam), sample
        assert self.clip is not None, "else there were no such routes"
        shown = FOR_TINY if self.clip.name.startswith("tiny-") else {}
        if question.route == "rank":
            rank: Stage = self._everything(progress) | RankByText(self.clip, each="phrase", **shown)
            return self._drawn(rank, self._finder, shown), sample
        if question.points:
            helping = clicked(replace(question, mode="points"))
            sample = sample.replace(prompts=helping.replace(class_ids=np.zeros(1, dtype=np.int64)))
        ask = ask_by_text(
            self._reader,
            self.clip,
            self.text_prompt,
            crops=2 if self.weak else 0,  # it sees small things in crops alone
            several=self.weak,
            with_points=bool(question.points),
        )
        # Anew where the encoder was taught to read; else the embedding is there.
        again = Embed(self._reader) if self._reader.taught else Pipeline()
        finder = None if question.points else self._finder  # which knows nothing of clicks
        return self._drawn(again | ask, finder, shown, prompted=True), sample

    def _drawn(
        self,
        find: Stage,
        finder: TextFinder | None,
        shown: Mapping[str, Any],
        *,
        prompted: bool = False,
    ) -> Stage:
        """Rough masks, and a finder's beside them, drawn anew; of those that became one the best stays."""
        assert self.clip is not None, "asked for by phrases alone"
        if not self.weak:
            return find
        find |= Pipeline() if prompted else agreeing(finder, self.clip, drawn=False)
        find |= Top(PROMPTED if prompted else PROPOSED, per="class")
        find = and_looked_for(finder, self.clip, None, find)
        find |= redraw_by_phrase(self._refiner, self.clip, prompted=prompted)
        choose = RankByText(self.clip, each="own", **shown)
        return find | choose | agreeing(finder, self.clip, drawn=True) | NonMaxSuppression()


def clicked(question: Question) -> Prompts:
    """One prompt of the clicks. Raises ValueError where there are too few."""
    xy = np.array([point[:2] for point in question.points], dtype=np.float32).reshape(-1, 2)
    if question.mode == "box":
        if len(xy) < 2:
            raise ValueError("click on two opposite corners of a box")
        return Prompts.from_boxes([[*xy[:2].min(axis=0), *xy[:2].max(axis=0)]])
    if not len(xy):
        raise ValueError("click on the object")
    return Prompts(points=[xy], labels=[[label for _, _, label in question.points]])
