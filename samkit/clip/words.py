"""The tokenizer of the shipped pair: a small vocabulary of words, everything else spelled in bytes."""

import re
from collections.abc import Sequence

import torch

PADDING, FIRST_BYTE, FIRST_WORD = 0, 1, 257


class Words:
    """Texts to ids: 0 padding, 1 to 256 bytes, then words, and last the marks of start and end.

    words: the vocabulary, in lower case. length: ids of a text; what is longer is cut off.
    The end has the highest id, by which open_clip's text tower finds it.

    >>> Words(["a", "disc"], length=6)(["A disc"])
    tensor([[259, 257, 258, 260,   0,   0]])
    """

    def __init__(self, words: Sequence[str], length: int) -> None:
        self.words = tuple(words)
        self.length = length
        self._ids = {word: FIRST_WORD + i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        """How many ids there are."""
        return FIRST_WORD + len(self.words) + 2

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        rows = torch.full((len(texts), self.length), PADDING)
        for row, text in zip(rows, texts, strict=True):
            start, end = len(self) - 2, len(self) - 1
            ids = [start, *self._spelled(text)[: self.length - 2], end]
            row[: len(ids)] = torch.tensor(ids)
        return rows

    def _spelled(self, text: str) -> list[int]:
        ids: list[int] = []
        for word in re.findall(r"\w+", text.lower()):
            known = self._ids.get(word)
            ids += [FIRST_BYTE + b for b in word.encode()] if known is None else [known]
        return ids
