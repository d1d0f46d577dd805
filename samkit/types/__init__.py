"""The record and its parts. Conventions of the whole house, written once:

- Coordinates are pixels of the original image, float32; boxes are xyxy; sizes are (height, width).
- Images are (H, W, 3) uint8 RGB.
- Point label 1 is foreground, 0 is background.
- Logits are a SAM's own low-resolution mask values; above 0 is inside the mask.
- Records are frozen; a change returns a new one; fields of one record share their length.
"""

from samkit.types.frame import Frame, ImageEmbedding
from samkit.types.masks import Masks
from samkit.types.prompts import Prompts
from samkit.types.sample import Annotations, Sample

__all__ = ["Annotations", "Frame", "ImageEmbedding", "Masks", "Prompts", "Sample"]
