"""Valid files made invalid, by bytes and by structure; every case can be made again from its seed."""

import copy
import random
from typing import Any

# What people, programs and attackers put where something else belongs.
STRANGE: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    10**30,
    0.5,
    -0.0,
    1e300,
    float("nan"),
    float("inf"),
    "",
    "0",
    "a" * 300,
    "\x00",
    "../..",
    "ü",
    "\ud800",
    [],
    [[]],
    [None],
    [1, 2, 3],
    [[1, 2, 3, 4, 5, 6]],
    [[1e9, 0, -1e9, 5, 1e9, 9]],
    [float("nan")] * 4,
    {},
    {"size": [10**6, 10**6], "counts": "0"},
    {"size": [6, 8], "counts": [48]},
    {"size": [6, 8], "counts": [2**31, -(2**31)]},
    {"size": [6, 8], "counts": "~~~~~~~~~~~~"},
)


def mutated_bytes(content: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, cut out, doubled or put in; sometimes only the beginning."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        place = rng.randrange(len(data) + 1)
        length = rng.choice((1, 1, 2, 4, 32))
        action = rng.randrange(6)
        if action == 0:
            data[place : place + length] = rng.randbytes(length)
        elif action == 1:
            del data[place : place + length]
        elif action == 2:
            data[place:place] = rng.randbytes(length)
        elif action == 3:
            data[place:place] = data[place : place + 64 * length]
        elif action == 4 and place < len(data):
            data[place] ^= 1 << rng.randrange(8)
        elif action == 5:
            # Lengths and sizes at their ends are what decoders trust most.
            data[place : place + 4] = rng.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", bytes(4)))
    return bytes(data[: rng.randrange(len(data) + 1)] if rng.random() < 0.1 else data)


def mutated_structure(content: Any, rng: random.Random) -> Any:
    """Some values, somewhere in lists and dicts, replaced, taken out, doubled or moved."""
    content = copy.deepcopy(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = list(_places(content))
        if not places:
            return rng.choice(STRANGE)
        holder, key = rng.choice(places)
        action = rng.randrange(5)
        if action <= 1:
            holder[key] = copy.deepcopy(rng.choice(STRANGE))
        elif action == 2:
            del holder[key]
        elif action == 3:
            other, its_key = rng.choice(places)
            holder[key] = copy.deepcopy(other[its_key])
        elif isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        else:
            holder[rng.choice(("id", "extra", ""))] = holder[key]
    return content


def _places(content: Any) -> Any:
    keys = range(len(content)) if isinstance(content, list) else list(content)
    for key in keys:
        yield content, key
        if isinstance(content[key], list | dict):
            yield from _places(content[key])
