"""CLIP behind two functions: pictures and texts to embeddings that can be compared (extra `clip`)."""

from samkit.clip.load import load_clip
from samkit.clip.model import Clip, stored_clip

__all__ = ["Clip", "load_clip", "stored_clip"]
