"""From phrases to masks, as sentences of the grammar: what recipes and the demo page say alike."""

from collections.abc import Sequence

from samkit.clip.finder import TextFinder
from samkit.clip.model import Clip
from samkit.clip.projection import TextProjection
from samkit.pipeline import Pipeline, Stage
from samkit.sam.mask_refiner import MaskRefiner
from samkit.sam.model import Sam
from samkit.stages.find_by_text import FindByText
from samkit.stages.mirrored import Mirrored
from samkit.stages.rank import NonMaxSuppression, Top
from samkit.stages.rank_by_finder import RankByFinder
from samkit.stages.redraw_masks import RedrawMasks
from samkit.stages.segment import Segment
from samkit.stages.segment_crops import SegmentCrops
from samkit.stages.segment_zoomed import MaskBoxes, SegmentZoomed
from samkit.stages.text_prompt import TextPrompt
from samkit.stages.together import Together

# Masks of a phrase that are worth drawing: of a text prompt's by predicted IoU, and of everything mode's by
# CLIP, whose first look is a rough one.
PROMPTED, PROPOSED = 10, 40
# What the agreement with a finder weighs beside CLIP's similarity: of proposals as they come, and of masks drawn anew.
AGREEING, AGREEING_DRAWN = 1.0, 0.3
LOOKED_FOR = 3  # of those that a text finder drew, by its own guess
MOSTLY_GUESSED = 0.8  # of a text prompt's masks: what it says of them itself is worth the rest


def ask_by_text(
    reader: Sam,
    clip: Clip,
    words: TextProjection | None = None,
    phrases: Sequence[str] | None = None,
    *,
    crops: int = 0,
    several: bool = False,
    with_points: bool = False,
) -> Stage:
    """The paper's route, behind `Embed(reader)`: a phrase's embedding is the prompt.

    reader: what `text_sam` gives. crops: layers of crops of the picture that are asked too
    (`SegmentCrops`). several: all masks that a phrase has, each once, instead of the likeliest alone.
    with_points: of `TextPrompt`.
    """
    ask = TextPrompt(clip, phrases, projection=words, with_points=with_points)
    if not crops:
        return ask | Segment(reader, several=several)
    look = ask | SegmentCrops(reader, crop_n_layers=crops, several=several)
    return look | NonMaxSuppression() if several else look


def seen_twice(find: Stage) -> Stage:
    """What is found in the picture and in its mirror image, each mask once."""
    return Together([find, Mirrored(find)]) | NonMaxSuppression()


def and_looked_for(
    finder: TextFinder | None,
    clip: Clip,
    phrases: Sequence[str] | None,
    find: Stage,
    *,
    mirrored: bool = False,
) -> Stage:
    """What `find` has, and beside it of each phrase the likeliest masks that `FindByText` draws.

    finder: with None there is nothing beside.
    """
    if finder is None:
        return find
    look = FindByText(finder, clip, phrases, mirrored=mirrored) | NonMaxSuppression()
    return Together([find, look | Top(LOOKED_FOR, per="class")])


def agreeing(
    finder: TextFinder | None,
    clip: Clip,
    phrases: Sequence[str] | None = None,
    *,
    drawn: bool,
    mirrored: bool = False,
) -> Stage:
    """Behind `RankByText`: masks gain where a finder sees their phrase, too.

    finder: with None scores stay as they are. drawn: anew, told the phrase.
    """
    if finder is None:
        return Pipeline()
    weight = AGREEING_DRAWN if drawn else AGREEING
    return RankByFinder(finder, clip, phrases, weight=weight, mirrored=mirrored)


def closer(sam: Sam, context: float) -> Stage:
    """Each mask asked for once more, by its box, in a crop so many times its side; each mask once."""
    again = SegmentZoomed(sam, context=context, shared=True)
    return MaskBoxes() | again | NonMaxSuppression(0.9)


def redraw_likeliest(refiner: MaskRefiner, clip: Clip, *, prompted: bool) -> Stage:
    """The likeliest masks of each phrase drawn anew, told the phrase; `RankByText` may look at them next.

    prompted: they are a text prompt's masks, and else proposals.
    """
    likeliest = Top(PROMPTED if prompted else PROPOSED, per="class")
    return likeliest | redraw_by_phrase(refiner, clip, prompted=prompted)


def redraw_by_phrase(
    refiner: MaskRefiner | None, clip: Clip, *, prompted: bool = False, mirrored: bool = False
) -> Stage:
    """Told the phrases and rescored where the refiner was taught this CLIP's; else untold, and twice.

    refiner: with None masks stay as they are. prompted: the masks are a text prompt's, whose own predicted IoU
    counts too.
    """
    if refiner is None:
        return Pipeline()
    if refiner.reads(clip.texts_name):
        share = MOSTLY_GUESSED if prompted else 1.0
        return RedrawMasks(refiner, clip, mirrored=mirrored, rescore=share)
    return RedrawMasks(refiner, passes=2, mirrored=mirrored)
