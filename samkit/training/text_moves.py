"""What takes texts over to where a text prompt expects pictures, and a text prompt over to another CLIP."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from samkit.clip.model import Clip
from samkit.clip.projection import TextProjection
from samkit.training.regression import ridge
from samkit.training.step import Batch
from samkit.training.text import image_embeddings


def gap(
    clip: Clip, batches: Iterable[Batch], texts: Sequence[str], rng: np.random.Generator
) -> torch.Tensor:
    """(D,) from the mean embedding of texts to that of the batches' masks: they lie apart as a whole."""
    shown = torch.cat([image_embeddings(batch, clip, rng) for batch in batches])
    return shown.mean(dim=0) - clip.texts([text for text in texts if text.strip()]).mean(dim=0)


def move(
    projection: TextProjection,
    old: Clip,
    new: Clip,
    batches: Iterable[Batch],
    masked_attention: bool = False,
) -> None:
    """Makes a projection that read one CLIP's embeddings read another's, in place.

    What the new one gives of the batches' masks is mapped to what the old one gave of the same crops, by
    ridge regression, and the map goes into the first layer. Texts are to be bridged anew after it.
    masked_attention: as `image_embeddings` has it, for both.
    """
    seen: list[list[torch.Tensor]] = [[], []]
    for number, batch in enumerate(batches):
        for clip, parts in zip((old, new), seen, strict=True):
            rng = np.random.default_rng(number)
            parts.append(image_embeddings(batch, clip, rng, masked_attention))
    wanted, given = (torch.cat(parts) for parts in seen)
    matrix, rest = ridge(given, wanted)
    first, scale = projection.lin1, old.width**0.5  # by which `forward` scales what it is given
    weight, bias = first.weight.data, first.bias.data
    first.weight = torch.nn.Parameter(weight @ matrix.T.to(weight) * scale / new.width**0.5)
    first.bias = torch.nn.Parameter(bias + weight @ rest.to(weight) * scale)
    first.in_features = new.width
    projection.gap = torch.zeros(new.width).to(weight)
    projection.bridge = torch.eye(new.width).to(weight)
    projection.clip_name = new.texts_name


def move_texts(projection: TextProjection, old: Clip, new: Clip, texts: Sequence[str]) -> None:
    """Makes a projection that learned to read one CLIP's texts read another's, in place.

    What the new one says of these texts is mapped to what the old one said, by ridge regression, and the
    map goes into the bridge. Pictures are no longer understood. Raises ValueError for CLIPs of
    different widths.
    """
    if old.width != new.width:
        raise ValueError(
            f"texts move between CLIPs of one width, not from {old.width} to {new.width} numbers; "
            "move by pictures first (without captions)"
        )
    matrix, rest = (
        part.to(projection.bridge) for part in ridge(new.texts(texts), old.texts(texts))
    )
    projection.gap = rest @ projection.bridge + projection.gap
    projection.bridge = matrix @ projection.bridge
    projection.clip_name = new.texts_name
