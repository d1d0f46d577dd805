"""What the speed benchmark can only measure in processes of their own: memory, imports, two at once.

    python benchmarks/speed_processes.py
    python benchmarks/speed_processes.py --sam vit_b --cases "memory" --memory "encode prompts-64"

memory: the most that a process ever held that runs one case once with one peer, interpreter, torch and
weights included. imports: CPU seconds of `import ...` beyond those of torch. two: two single-thread
processes at once beside one alone, in prompts a second; it wants two cores that nothing else uses.
"""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import typer

# A process inherits the peak of the one that started it, so each is started by a small one.
LAUNCHER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss, used.ru_utime + used.ru_stime)
"""
IMPORTS = {
    "torch": "import torch",
    "samkit": "import samkit",
    "official": "import segment_anything",
    "transformers": "from transformers import SamModel",
    "ultralytics": "from ultralytics import SAM",
}
ENVIRONMENT = os.environ | dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
)


def main(
    sam: str = "tiny",
    select: str = typer.Option("imports memory two", "--cases"),
    peers: str = "samkit official",
    memory: str = "encode prompts-64 boxes everything",
    side: int = 8,
    prompts: int = 256,
    one: str = "",
    out: Path = Path("runs/speed"),
) -> None:
    """memory: which cases' peaks. side: of everything's grid. prompts: that each of `two` decodes."""
    if one:
        work(one, sam, side, prompts)
        return
    told: dict[str, Any] = {"sam": sam, "machine": platform.machine()}
    if "imports" in select.split():
        told["imports"] = imports()
    if "memory" in select.split():
        told["memory MB"] = {}
        for case in memory.split():
            for peer in peers.split():
                peak = peak_of(f"--sam {sam} --side {side} --one {peer}:{case}")
                told["memory MB"][f"{case} {peer}"] = peak
                print(f"memory   {case:14}{peer:14}{peak:8.0f} MB", flush=True)
    if "two" in select.split():
        options = f"--sam {sam} --prompts {prompts} --one two"
        alone, together = at_once(options, 1), at_once(options, 2)
        told["two"] = {"alone s": alone, "together s": together, "gain": 2 * alone / together}
        print(f"two      one alone {alone:.2f} s, two at once {together:.2f} s:", end=" ")
        print(f"{2 * alone / together:.2f} times the prompts a second", flush=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{Path(sam).stem}-processes.json").write_text(json.dumps(told, indent=1))


def imports(rounds: int = 3) -> dict[str, float]:
    """CPU seconds of each import, in turns, the least of a few; beyond torch's but for torch."""
    least: dict[str, float] = {}
    for _ in range(rounds):
        for name, statement in IMPORTS.items():
            command = [sys.executable, "-c", LAUNCHER, sys.executable, "-c", statement]
            done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
            if done.returncode == 0:
                seconds = float(done.stdout.split()[-1])
                least[name] = min(least.get(name, seconds), seconds)
    told = {name: s - (least["torch"] if name != "torch" else 0) for name, s in least.items()}
    for name, seconds in told.items():
        print(f"imports  {name:14}{seconds:6.2f} s", flush=True)
    return told


def peak_of(options: str) -> float:
    """Megabytes."""
    command = [sys.executable, "-c", LAUNCHER, sys.executable, __file__, *options.split()]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=ENVIRONMENT)
    peak = int(done.stdout.split()[-2])
    return peak * (1 if sys.platform == "darwin" else 1024) / 2**20


def at_once(options: str, count: int) -> float:
    """Seconds that the slowest of `count` processes works, all set off together once each is ready."""
    command = [sys.executable, __file__, *options.split()]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": ENVIRONMENT}
    running = [subprocess.Popen(command, **pipes) for _ in range(count)]  # type: ignore[call-overload]
    for process in running:
        process.stdout.readline()
    for process in running:
        process.stdin.write("\n")
        process.stdin.flush()
    return max(float(process.communicate()[0].split()[-1]) for process in running)


def work(one: str, sam: str, side: int, prompts: int) -> None:
    """What a process of its own does."""
    import speed_cases as cases
    import torch
    from speed import make
    from speed_peers import find_peers, make_sam

    torch.set_num_threads(1)
    os.cpu_count = lambda: 1  # type: ignore[assignment]
    model = make_sam(sam, "cpu")
    if one == "two":
        [(_, walk)] = cases.linear(model, (prompts,))
        [(_, warm)] = cases.linear(model, (16,))
        warm()
        print("ready", flush=True)
        sys.stdin.readline()
        start = time.perf_counter()
        walk()
        print(time.perf_counter() - start)
        return
    name, case = one.split(":")
    # The weights are there once for each peer that needs a copy: samkit is left out of its own.
    found = find_peers(model, [] if name == "samkit" else [name], "float32")
    del model
    peers = [peer for peer in found if peer.name == name]
    del found
    calls, _ = make(case, peers, side, sam == "tiny", "shapes", 4)
    calls[name]()


if __name__ == "__main__":
    typer.run(main)
