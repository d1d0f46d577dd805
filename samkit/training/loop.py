"""The training itself: steps until the budget is spent, with a state that survives any kill."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import nn

from samkit.sam.model import Sam
from samkit.training.data import Feed, Mixture
from samkit.training.dense import DenseHead
from samkit.training.keep import keep
from samkit.training.loader import batches
from samkit.training.log import Log
from samkit.training.optimizer import (
    Optimization,
    factor,
    make_optimizer,
    set_rate,
    update_average,
)
from samkit.training.processes import ALONE, Processes
from samkit.training.state import State, load_state, save_state
from samkit.training.step import Batch, Loss, backward
from samkit.types import Sample

FOREVER = 10**9
LOGS = ("log", "validation")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Plan:
    """How long, and what is kept.

    steps or minutes: the budget, one of them. The schedule follows the share of it that is spent, so
        with `steps` a killed training ends bit for bit as an unbroken one (on one CPU), with `minutes`
        as good but not the same. Minutes count training alone, over all runs together.
    accumulate: batches per step. precision: "float32", or "bfloat16" where the hardware is quick at
        it. seed: of data, prompts and regularisation.
    log_every, validate_every, save_every: in steps. workers: processes that make batches.
    """

    steps: int | None = None
    minutes: float | None = None
    accumulate: int = 1
    precision: str = "float32"
    seed: int = 0
    log_every: int = 25
    validate_every: int = 250
    save_every: int = 250
    workers: int = 1
    optimization: Optimization = field(default_factory=Optimization)
    loss: Loss = field(default_factory=Loss)

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("give a training its budget as steps or as minutes, one of them")
        if self.precision not in DTYPES:
            raise ValueError(f"precision is {' or '.join(DTYPES)}, got {self.precision!r}")


def train(
    sam: Sam,
    mixture: Mixture,
    feed: Feed,
    plan: Plan,
    out: str | Path,
    validation: Mapping[str, Sequence[Sample]],
    processes: Processes = ALONE,
) -> dict[str, float]:
    """Trains what requires a gradient, in place, and returns the last validation.

    Under `out`: state.pt, from which the same call goes on; last.safetensors and best.safetensors,
    moving averages in half precision, the second of where the validation mean was highest; log.csv
    and validation.csv; TensorBoard's files where it is installed; sheet.png, predictions at the last
    validation. A training may go on with other settings; each difference is told.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    sam.train()
    state = start(sam, plan, feed)
    if (folder / "state.pt").is_file():
        for difference in load_state(state, folder / "state.pt"):
            processes.say(f"going on with other settings: {difference}")
        processes.say(f"resumed after step {state.step}, {state.seconds / 60:.1f} minutes in")
    stream = batches(
        mixture,
        feed,
        plan.seed,
        state.step * plan.accumulate,
        (plan.steps or FOREVER) * plan.accumulate,
        processes.rank,
        processes.count,
        plan.workers,
    )
    logs = [Log(folder, name, state.step) for name in LOGS] if processes.is_first else None
    found: dict[str, float] = {}
    if state.step == 0 and logs and validation:
        _report(state, keep(state, folder, validation), logs[1])
    since, recent = time.monotonic(), []
    while (progress := processes.shared(_progress(state, plan))) < 1:
        recent.append(_step(state, plan, stream, progress, processes))
        state.seconds, since = state.seconds + time.monotonic() - since, time.monotonic()
        if logs is None:
            continue
        is_last = _progress(state, plan) >= 1
        if is_last or state.step % plan.log_every == 0:
            _report(state, _means(recent), logs[0])
            recent = []
        if is_last or state.step % plan.validate_every == 0:
            found = keep(state, folder, validation)
            _report(state, found, logs[1])
        if is_last or state.step % plan.save_every == 0:
            save_state(state, folder / "state.pt")
        since = time.monotonic()
    return found


def start(sam: Sam, plan: Plan, feed: Feed) -> State:
    """The state before the first step."""
    average = {n: p.detach().clone() for n, p in sam.named_parameters() if p.requires_grad}
    settings = asdict(plan) | {"feed": asdict(feed)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        head = DenseHead(sam.config.channels).to(sam.device) if feed.dense else None
    optimizer = make_optimizer(sam, plan.optimization, head)
    return State(sam, optimizer, average, settings=settings, head=head)


def _step(
    state: State, plan: Plan, stream: Iterator[Batch], progress: float, processes: Processes
) -> dict[str, float]:
    how, sam = plan.optimization, state.sam
    rate = how.learning_rate * factor(how, state.step, progress)
    set_rate(state.optimizer, rate)
    # All that is random in a step, drop path and dropout, follows from its number.
    torch.manual_seed(hash((plan.seed, state.step, processes.rank)))
    waited, outcomes = 0.0, []
    for _ in range(plan.accumulate):
        since = time.monotonic()
        batch = next(stream).to(sam.device)
        waited += time.monotonic() - since
        share = 1 / plan.accumulate
        precision = DTYPES[plan.precision]
        outcomes.append(backward(sam, batch, plan.loss, precision, share, state.head))
    trained = nn.ModuleList([sam, state.head] if state.head else [sam])
    processes.average_gradients(trained)
    norm = torch.nn.utils.clip_grad_norm_(trained.parameters(), how.clip)
    state.optimizer.step()
    state.optimizer.zero_grad()
    update_average(state.average, sam, how.average, state.step)
    state.step += 1
    return {
        "loss": sum(o.loss for o in outcomes) / len(outcomes),
        "dense": sum(o.dense for o in outcomes) / len(outcomes),
        "iou_first": sum(o.ious[0] for o in outcomes) / len(outcomes),
        "iou_last": sum(o.ious[-1] for o in outcomes) / len(outcomes),
        "gradient": float(norm),
        "rate": rate,
        "waited": waited,
    }


def _report(state: State, numbers: Mapping[str, float], log: Log) -> None:
    print(f"step {state.step}:", *(f"{k} {v:.4g}" for k, v in numbers.items()), flush=True)
    log.add({"step": state.step, "seconds": round(state.seconds, 1), **numbers})


def _progress(state: State, plan: Plan) -> float:
    if plan.steps is not None:
        return state.step / plan.steps
    assert plan.minutes is not None
    return state.seconds / 60 / plan.minutes


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}
