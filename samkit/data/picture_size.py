"""A picture's size without its pixels."""

from pathlib import Path

from PIL import ExifTags, Image

from samkit.ops.images import FORMATS

TURNED = (5, 6, 7, 8)  # EXIF orientations that swap height and width


def picture_size(path: Path) -> tuple[int, int]:
    """(height, width) of an upright picture, from its header alone.

    Raises FileNotFoundError, and ValueError where it is no picture.
    """
    try:
        with Image.open(path, formats=FORMATS) as picture:
            width, height = picture.size
            turned = picture.getexif().get(ExifTags.Base.Orientation) in TURNED
    except FileNotFoundError:
        raise
    except Exception as error:  # Decoders stumble over damaged files in any way they like.
        raise ValueError(f"cannot read {path} as a picture: {error}") from error
    return (width, height) if turned else (height, width)
