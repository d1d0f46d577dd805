"""What every SAM is to the rest of the house, whichever family it belongs to."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from samkit.types import ImageEmbedding, Masks, Prompts


class SamModel(Protocol):
    """A name and two pure functions."""

    @property
    def name(self) -> str: ...

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> list[ImageEmbedding]: ...

    def decode(
        self,
        embeddings: Sequence[ImageEmbedding],
        prompts: Sequence[Prompts],
        multimask_output: bool = True,
    ) -> list[Masks]: ...
