"""A small training, to be killed or spread: `python -m tests.training.worker OUT STEPS IMAGES DROPPED`."""

import sys
from pathlib import Path

import torch

from samkit.sam.model import Sam
from samkit.training.data import Feed
from samkit.training.loop import Plan, train
from samkit.training.optimizer import Optimization
from samkit.training.processes import start_processes
from samkit.training.regularise import regularise
from samkit.training.simulate import Simulation
from tests.training.small import scenes, small_sam


def run(out: str | Path, steps: int, images: int, dropped: float) -> Sam:
    """The weights after so many steps; `dropped` of paths, half as much of the decoder's numbers."""
    torch.set_num_threads(1)
    sam = small_sam()
    regularise(sam, drop_path=dropped, dropout=dropped / 2)
    feed = Feed(64, images, 2, simulation=Simulation(corrections=2, extra_rounds=2))
    plan = Plan(
        steps=steps,
        save_every=2,
        log_every=1,
        validate_every=1000,
        workers=0,
        optimization=Optimization(1e-3, warmup=2),
    )
    train(sam, scenes(), feed, plan, out, {}, start_processes())
    return sam


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
