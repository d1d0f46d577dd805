"""What captions of made-up scenes say, which objects a phrase fits, and what is kept from training."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from samkit.data.shapes.colours import NAMES as COLOURS
from samkit.data.shapes.silhouettes import CLASSES
from samkit.data.shapes.tiles import GREY_PHOTOGRAPHS, PATTERNS

TEXTURES = ("shaded", "photo", *PATTERNS, *GREY_PHOTOGRAPHS)
# Beside those of the scenes: what joins them, and what people write around a phrase.
OTHER_WORDS = ("a", "an", "the", "and", "textured", "photo", "of", "picture", "object", "thing")
WORDS = tuple(dict.fromkeys((*CLASSES, *COLOURS, *TEXTURES, *OTHER_WORDS)))


@dataclass(frozen=True)
class Attributes:
    """What a phrase says of an object; None is what it does not say.

    name: of its class. colour, second: of its surface and of what patterns it. texture: None for a
    plain surface too, since captions do not mention that.
    """

    name: str | None = None
    colour: str | None = None
    second: str | None = None
    texture: str | None = None


def attributes(phrase: str) -> Attributes:
    """What a caption, or any phrase of its words, says.

    >>> attributes("a blue and white striped mug")
    Attributes(name='mug', colour='blue', second='white', texture='striped')
    """
    words = re.findall(r"[a-z]+", phrase.lower())
    colours = [word for word in words if word in COLOURS]
    textures = [word for word in words if word in TEXTURES]
    # "A photo of a disc" is not about its texture, "a photo-textured disc" is.
    if textures[:1] == ["photo"] and "textured" not in words:
        textures = textures[1:]
    names = [word for word in words if word in CLASSES]
    first, second = ([*colours, None, None])[:2]
    return Attributes(next(iter(names), None), first, second, next(iter(textures), None))


def fits(phrase: Attributes, described: Attributes) -> bool:
    """Whether everything that the phrase says is true of an object with this caption."""
    return all(
        said is None or said == is_so
        for said, is_so in zip(vars(phrase).values(), vars(described).values(), strict=True)
    )


def unique(captions: Sequence[str]) -> list[int]:
    """Places of the captions that fit exactly one of a scene's objects: their own.

    "A red disc" fits a red striped disc as well.

    >>> unique(["a red disc", "a red striped disc", "a blue disc"])
    [1, 2]
    """
    said = [attributes(caption) for caption in captions]
    return [i for i, one in enumerate(said) if sum(fits(one, other) for other in said) == 1]


def held_out(caption: str) -> bool:
    """Whether class and colour are a combination that samkit's text models are never trained on.

    One in ten combinations, always the same; every class and every colour is seen in others.

    >>> held_out("a red disc"), held_out("a blue striped disc")
    (True, False)
    """
    said = attributes(caption)
    if said.name is None or said.colour is None:
        return False
    return (CLASSES.index(said.name) + 3 * COLOURS.index(said.colour)) % 10 == 0


def learnable(captions: Sequence[str]) -> list[int]:
    """Places of a scene's captions that a text model may be trained on: unique, and not held out.

    >>> learnable(["a red disc", "a blue striped disc"])
    [1]
    """
    return [place for place in unique(captions) if not held_out(captions[place])]
