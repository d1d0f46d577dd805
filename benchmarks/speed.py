"""How fast is samkit beside its peers, at the same weights and the same answers?

    python benchmarks/speed.py                                     tiny, the quick cases
    python benchmarks/speed.py --sam vit_b --peers "official transformers ultralytics"
    python benchmarks/speed.py --cases "everything" --rounds 1
    python benchmarks/speed.py --sam vit_h --device cuda --dtype bfloat16

Wants the extras `bench` and, for the peer ultralytics, `yolo`. Official sizes get random weights,
copied into every peer: the time is the same. Within a case the peers take turns, after one call each
to warm up; a ratio is their time over samkit's in the same round, told as median (least - most). With
--rounds 0 the first call counts. What the peers answered is compared in the same run and told beside
it. Both clocks are recorded, wall and CPU; where other processes work on the machine, read the CPU
time of one thread, which is the default.

The click loop has a benchmark of its own: benchmarks/clicks_parity.py. Cases that want processes of
their own (peak memory, two processes, import time) are in benchmarks/speed_processes.py.
"""

import copy
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import speed_cases as cases
import torch
import typer
from speed_clock import best_of, ceilings, compare, in_turns
from speed_peers import Peer, find_peers, make_sam
from speed_plot import plot

from samkit.data import coco


def main(
    sam: str = "tiny",
    select: str = typer.Option("encode prompts-1 prompts-16 prompts-64 boxes", "--cases"),
    peers: str = "official",
    rounds: int = 3,
    threads: int = 1,
    device: str = "cpu",
    dtype: str = "float32",
    compile: bool = False,
    side: int = 32,
    data: str = "",
    limit: int = 10,
    out: Path = Path("runs/speed"),
) -> None:
    """cases: encode, encode-batch, prompts-N, boxes, images, everything, linear. side: of everything's
    grid. data: a COCO folder or JSON whose `limit` first pictures and boxes `images` takes. dtype:
    samkit's; the peers stay at float32. compile: samkit's image encoder.
    """
    torch.set_num_threads(threads)
    os.cpu_count = lambda: threads  # type: ignore[assignment]  # as many threads look at masks, too
    model = make_sam(sam, device)
    found = find_peers(model, peers.split(), dtype)
    if compile:
        found[0].sam.image_encoder.compile()  # type: ignore[attr-defined]
    told: dict[str, Any] = {
        "sam": sam,
        "dtype": dtype,
        "compile": compile,
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else platform.machine(),
        "threads": threads,
        "torch": torch.__version__,
        "ceilings": ceilings(device),
        "cases": {},
    }
    print(f"{sam}, {dtype}, {told['device']}, {threads} threads; ceilings", end=" ")
    print(", ".join(f"{name} {value:.0f}" for name, value in told["ceilings"].items()), flush=True)
    for case in select.split():
        if case == "linear":
            told["cases"][case] = growth(found[0], device)
            continue
        calls, agreement = make(case, found, side, sam == "tiny", data, limit)
        flops = operations(model, case)
        half = "float32" if dtype == "float32" else "bfloat16"  # what the encoder multiplies in
        ceiling = half, told["ceilings"][f"{half} GFLOP/s"]
        told["cases"][case] = measure(case, calls, agreement, rounds, device, flops, ceiling)
    out.mkdir(parents=True, exist_ok=True)
    name = f"{Path(sam).stem}-{dtype}"
    (out / f"{name}.json").write_text(json.dumps(told, indent=1))
    plot(told, out / f"{name}.png")


def make(
    case: str, peers: list[Peer], side: int, filters: bool, data: str, limit: int
) -> tuple[cases.Calls, cases.Agreement]:
    kind, _, number = case.partition("-")
    if kind == "encode":
        return cases.encode(peers, 4 if number == "batch" else 1)
    if kind == "prompts":
        return cases.prompts(peers, int(number))
    if kind == "boxes":
        return cases.boxes(peers, 20)
    if kind == "everything":
        return cases.everything(peers, side, filters)
    if kind == "images":
        return cases.boxes_of_images(peers, coco(data).limit(limit) if data else None, 20)
    raise typer.BadParameter(f"there is no case {case!r}; see --help")


def measure(
    case: str,
    calls: cases.Calls,
    agreement: cases.Agreement,
    rounds: int,
    device: str,
    flops: float,
    ceiling: tuple[str, float],
) -> dict[str, Any]:
    """A case's figures, printed a line a peer."""
    seconds, answers = in_turns(calls, rounds, device)
    told: dict[str, Any] = {clock: compare(seconds, clock) for clock in ("wall", "cpu")}
    told["agreement"] = {
        name: agreement(answers["samkit"], answer)
        for name, answer in answers.items()
        if name != "samkit"
    }
    clock = "wall" if device.startswith("cuda") or torch.get_num_threads() > 1 else "cpu"
    for name, figures in told[clock].items():
        line = f"{case:14}{name:14}{clock} {figures['median']:9.3f} s"
        if name != "samkit":
            line += "  x {ratio:5.2f} ({ratio_min:.2f} - {ratio_max:.2f})".format(**figures)
            told_alike = told["agreement"][name].items()
            line += "  " + ", ".join(f"{what} {value:.3g}" for what, value in told_alike)
        elif flops:
            multiplied_in, limit = ceiling
            share = flops / figures["median"] / 1e9 / limit
            told[f"share of the {multiplied_in} ceiling"] = share
            line += f"  {share:.0%} of the {multiplied_in} ceiling"
        print(line, flush=True)
    return told


def growth(ours: Any, device: str) -> dict[str, Any]:
    """samkit's seconds a prompt for ever more prompts."""
    told = {}
    for count, walk in cases.linear(ours.sam, (16, 64, 256, 1024, 4096)):
        told[count] = best_of(walk, 1, device) / count
        print(f"linear        {count:5} prompts {told[count] * 1e3:8.2f} ms each", flush=True)
    return {"seconds a prompt": told}


def operations(model: torch.nn.Module, case: str) -> float:
    """Floating-point operations of encoding, as torch counts them in samkit's own encoder; else 0."""
    if case != "encode":
        return 0.0
    from torch.utils.flop_counter import FlopCounterMode

    encoder: Callable[..., Any] = model.image_encoder  # type: ignore[assignment]
    side = model.config.image_size  # type: ignore[union-attr]
    shadow = copy.deepcopy(encoder).to("meta", torch.float32)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shadow(torch.empty(1, 3, side, side, device="meta"))
    return float(counter.get_total_flops())


if __name__ == "__main__":
    typer.run(main)
