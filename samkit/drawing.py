"""Pictures of what a sample holds."""

import colorsys
import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samkit.types import Frame, Masks, Prompts, Sample

if TYPE_CHECKING:
    import supervision as sv

SIDE_AT_LEAST = 640
# With more masks than this their labels would hide the picture.
LABELS_AT_MOST = 40
GREEN, RED = "#1ec850", "#f0283c"


def draw(
    sample: Sample, labels: bool | None = None, opacity: float = 0.45, scale: int | None = None
) -> Image.Image:
    """The picture with its masks and the prompts that asked for them.

    Every mask has a colour of its own, an outline, and a label of class name and score; where no
    stage has made masks, the true objects are drawn. A prompt's box is a thin line in the colour of
    its mask, green if it has none; points are green for foreground, red for background.

    labels: whether to write them; None does for up to 40 masks.
    opacity: of the masks' colours, from 0 (outlines only) to 1.
    scale: how many times to enlarge the picture, so that lines and text of a small one stay out of
        its way; None enlarges until the longer side has 640 pixels, and leaves a larger one as it is.

    >>> draw(sample).save("mug.png")  # doctest: +SKIP
    """
    import supervision as sv

    height, width = sample.image.shape[:2]
    scale = scale or enlargement(height, width)
    picture = Image.fromarray(sample.image).resize((width * scale, height * scale))
    objects = _objects(sample, scale)
    side = max(picture.size)
    line = max(2, round(side / 600))
    colours, by_row = _palette(len(objects)), sv.ColorLookup.INDEX
    sv.MaskAnnotator(colours, opacity, by_row).annotate(picture, objects)
    sv.PolygonAnnotator(colours, line, by_row).annotate(picture, objects)
    if objects.mask is None:
        sv.BoxAnnotator(colours, line, by_row).annotate(picture, objects)
    if sample.prompts is not None:
        _draw_prompts(picture, sample.prompts, _mask_of_prompt(sample), colours, scale)
    if labels or (labels is None and len(objects) <= LABELS_AT_MOST):
        sv.RichLabelAnnotator(
            colours,
            by_row,
            text_color=sv.ColorPalette([_ink(colour) for colour in colours.colors]),
            font_size=max(10, round(side / 64)),
            text_padding=max(2, round(side / 320)),
            smart_position=True,
        ).annotate(picture, objects, _words(sample, objects))
    return picture


def enlargement(height: int, width: int) -> int:
    """How many times `draw` enlarges a picture of this size unless told."""
    return math.ceil(SIDE_AT_LEAST / max(height, width))


def _objects(sample: Sample, scale: int) -> "sv.Detections":
    """What a sample's masks are, else its true objects, else nothing; enlarged."""
    import supervision as sv
    from supervision.detection.compact_mask import CompactMask

    masks, truth = sample.masks, sample.annotations
    if masks is None and truth is not None and truth.run_lengths is not None:
        frame = Frame(truth.size, truth.size, max(truth.size))
        masks = Masks(frame, run_lengths=truth.run_lengths, class_ids=truth.class_ids)
    if masks is not None:
        objects = masks.to_detections()
        assert isinstance(objects.mask, CompactMask)
        height, width = masks.frame.original_size
        objects.xyxy = objects.xyxy * scale
        objects.mask = objects.mask.resize((height * scale, width * scale))
        return objects
    if truth is not None and len(truth):
        return sv.Detections(xyxy=truth.boxes * scale, class_id=truth.class_ids)
    return sv.Detections.empty()


def _words(sample: Sample, objects: "sv.Detections") -> list[str]:
    """Each object's class name, or the phrase that it answers, and, where a stage gave it one, score."""
    names = dict(enumerate(sample.phrases or ()))
    if sample.annotations is not None:
        names = dict(sample.annotations.class_names)
    words = [""] * len(objects)
    if objects.class_id is not None:
        words = [names.get(int(i), f"class {i}") for i in objects.class_id]
    if sample.masks is not None:
        words = [f"{w} {s:.2f}".strip() for w, s in zip(words, sample.masks.scores, strict=True)]
    return words


def _mask_of_prompt(sample: Sample) -> NDArray[np.int64]:
    """(prompts,) the first mask that answers each prompt, -1 for none."""
    assert sample.prompts is not None
    found = np.full(len(sample.prompts), -1)
    if sample.masks is not None:
        asked = sample.masks.prompt_index[::-1]
        inside = asked < len(found)
        found[asked[inside]] = np.arange(len(asked))[::-1][inside]
    return found


def _draw_prompts(
    picture: Image.Image,
    prompts: Prompts,
    mask_of_prompt: NDArray[np.int64],
    colours: "sv.ColorPalette",
    scale: int,
) -> None:
    import supervision as sv

    side = max(picture.size)
    if prompts.boxes is not None:
        having = prompts.has_box
        # Behind the masks' colours, one for boxes without a mask.
        palette = sv.ColorPalette([*colours.colors, sv.Color.from_hex(GREEN)])
        lookup = np.where(mask_of_prompt < 0, len(colours.colors), mask_of_prompt)[having]
        boxes = sv.Detections(xyxy=prompts.boxes[having] * scale)
        sv.BoxAnnotator(palette, max(1, side // 1200)).annotate(picture, boxes, lookup)
    if prompts.points is not None and prompts.num_points.any():
        # A point names a pixel: its dot goes to the middle of the enlarged one.
        xy = np.concatenate(prompts.points) * scale + (scale - 1) / 2
        sv.DotAnnotator(
            sv.ColorPalette.from_hex([RED, GREEN]),
            radius=max(4, side // 130),
            outline_thickness=max(1, side // 600),
            outline_color=sv.Color.WHITE,
        ).annotate(
            picture,
            sv.Detections(xyxy=np.concatenate([xy, xy], axis=1)),
            np.concatenate(prompts.labels or ()),
        )


def _palette(count: int) -> "sv.ColorPalette":
    """As many colours, neighbours far apart: hues a golden angle from each other, in two lightnesses."""
    import supervision as sv

    colours = []
    for i in range(max(1, count)):
        rgb = colorsys.hsv_to_rgb((0.6 + i * 0.61803) % 1, 0.85, (1.0, 0.75)[i % 2])
        colours.append(sv.Color(*(round(255 * value) for value in rgb)))
    return sv.ColorPalette(colours)


def _ink(colour: "sv.Color") -> "sv.Color":
    """Black or white, whichever reads better on the colour."""
    import supervision as sv

    light = 0.299 * colour.r + 0.587 * colour.g + 0.114 * colour.b
    return sv.Color.BLACK if light > 150 else sv.Color.WHITE
