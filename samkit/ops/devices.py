"""Devices by name: those that are here, and a clear answer for those that are not."""

import torch


def find_device(name: str) -> torch.device:
    """The device of this name; "auto" is the first of `devices_here()`.

    Raises ValueError that names those present where it is none of them.

    >>> find_device("cpu")
    device(type='cpu')
    """
    here = devices_here()
    if name == "auto":
        return torch.device(here[0])
    kind, _, number = name.partition(":")
    wanted = f"{kind}:{number or 0}" if kind == "cuda" else kind if number in ("", "0") else name
    if wanted not in here:
        raise ValueError(
            f"there is no device {name!r} here; present: {', '.join(here)} "
            '(or "auto", the first of them)'
        )
    return torch.device(name)


def devices_here() -> list[str]:
    """The devices that a SAM runs on, the fastest kind first: cuda:0, cuda:1, ..., mps, cpu."""
    cuda = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*(f"cuda:{number}" for number in cuda), *mps, "cpu"]
