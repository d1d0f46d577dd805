"""What several tests of training begin with."""

import numpy as np
import pytest

from samkit import load_sam
from samkit.data import shapes
from samkit.training.found import Example, example


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    """Three made-up scenes with what `tiny` found in them."""
    sam = load_sam("tiny")
    return [
        example(sam, scene.image, scene.annotations.binary(), np.random.default_rng(i))
        for i, scene in enumerate(shapes(3, seed=7_900_000))
    ]
