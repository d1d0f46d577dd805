"""samkit: pipelines on one shared Segment Anything core."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from samkit import data as data
    from samkit import metrics as metrics
    from samkit import stages as stages
    from samkit import testing as testing
    from samkit.drawing import draw as draw
    from samkit.evaluation import evaluate as evaluate
    from samkit.evaluation import rescore as rescore
    from samkit.pipeline import Pipeline as Pipeline
    from samkit.pipeline import Stage as Stage
    from samkit.sam.checkpoints import load_sam as load_sam
    from samkit.sam.checkpoints import save_sam as save_sam
    from samkit.sam.store import stored as stored
    from samkit.types import Annotations as Annotations
    from samkit.types import Frame as Frame
    from samkit.types import ImageEmbedding as ImageEmbedding
    from samkit.types import Masks as Masks
    from samkit.types import Prompts as Prompts
    from samkit.types import Sample as Sample

# Where each public name lives. They are imported on first use, so that `import samkit` is quick.
_HOMES = {
    "Annotations": "samkit.types",
    "Frame": "samkit.types",
    "ImageEmbedding": "samkit.types",
    "Masks": "samkit.types",
    "Prompts": "samkit.types",
    "Sample": "samkit.types",
    "Pipeline": "samkit.pipeline",
    "Stage": "samkit.pipeline",
    "draw": "samkit.drawing",
    "evaluate": "samkit.evaluation",
    "rescore": "samkit.evaluation",
    "load_sam": "samkit.sam.checkpoints",
    "save_sam": "samkit.sam.checkpoints",
    "stored": "samkit.sam.store",
}
_ROOMS = ("data", "metrics", "stages", "testing")
__all__ = [*_HOMES, *_ROOMS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"samkit.{name}")
    raise AttributeError(f"module 'samkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
