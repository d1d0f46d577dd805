"""Turns and clocks of the speed benchmark: every peer once a round, the clocks of both kinds."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch


class Seconds(NamedTuple):
    """What one call took. cpu: of all threads of this process; under load it is the steadier one."""

    wall: float
    cpu: float


def in_turns(
    calls: Mapping[str, Callable[[], Any]], rounds: int, device: str
) -> tuple[dict[str, list[Seconds]], dict[str, Any]]:
    """Every call once to warm up, then `rounds` times in turn: seconds by name, and the first answers.

    rounds: 0 takes the time of the first call instead, where one takes minutes.
    """
    answers: dict[str, Any] = {}
    first = {
        name: clocked(lambda name=name, call=call: answers.update({name: call()}), device)  # type: ignore[misc]
        for name, call in calls.items()
    }
    if not rounds:
        return {name: [seconds] for name, seconds in first.items()}, answers
    seconds: dict[str, list[Seconds]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            seconds[name].append(clocked(call, device))
    return seconds, answers


def clocked(call: Callable[[], Any], device: str) -> Seconds:
    """A GPU works on after the call returns, so it is waited for before either clock is read."""
    wait(device)
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    wait(device)
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def compare(seconds: Mapping[str, list[Seconds]], clock: str) -> dict[str, dict[str, float]]:
    """Of each peer its median and how many times samkit's it is: median, least and most of the rounds."""
    ours = [getattr(one, clock) for one in seconds["samkit"]]
    told = {}
    for name, ones in seconds.items():
        theirs = [getattr(one, clock) for one in ones]
        ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
        told[name] = {
            "median": statistics.median(theirs),
            "ratio": statistics.median(ratios),
            "ratio_min": min(ratios),
            "ratio_max": max(ratios),
        }
    return told


def ceilings(device: str, rounds: int = 3) -> dict[str, float]:
    """This machine's own: GFLOP/s of matrix products (the best of a few), GB/s of a copy."""
    found = {}
    side = 8192 if device.startswith("cuda") else 1536
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        a, b = torch.randn(2, side, side, device=device).to(dtype)
        # As linear layers have it, too: for half precision some libraries are quick in that form alone.
        plain = best_of(lambda a=a, b=b: a @ b, rounds, device)  # type: ignore[misc]
        best = min(plain, best_of(lambda a=a, b=b: a @ b.T, rounds, device))  # type: ignore[misc]
        found[f"{name} GFLOP/s"] = 2 * side**3 / best / 1e9
    much = torch.zeros(1 << 26, device=device)  # 256 MB, more than any cache
    other = torch.empty_like(much)
    best = best_of(lambda: other.copy_(much), rounds, device)
    found["copy GB/s"] = 2 * much.numel() * 4 / best / 1e9
    return found


def best_of(call: Callable[[], Any], rounds: int, device: str) -> float:
    """The least seconds: CPU time where the work is there, which other processes disturb less."""
    call()
    clock = "wall" if device.startswith("cuda") or torch.get_num_threads() > 1 else "cpu"
    return min(float(getattr(clocked(call, device), clock)) for _ in range(rounds))
