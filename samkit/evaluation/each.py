"""Every sample through a pipeline into a file of its own: what is made to be kept, not to be scored."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from samkit.data.dataset import Dataset
from samkit.evaluation.rows import write_atomically
from samkit.ops.json_text import parse_json
from samkit.pipeline import LoadError, Pipeline, Stage, load_ahead
from samkit.types import Sample
from samkit.types.sample import SampleId


def write_each(
    samples: Sequence[Sample],
    pipeline: Stage,
    path_of: Callable[[SampleId], Path],
    content: Callable[[Sample], str],
    run_file: Path,
    data: str,
    progress: bool = True,
) -> dict[SampleId, str]:
    """Each sample through the pipeline and into its file; returns why those failed that did, by id.

    samples: a `Dataset`, or others in a sequence. path_of: each sample's file. content: the text to be
    written there from the finished sample; what it writes besides, such as an overlay, is there before
    the file is.

    A file is written at once or not at all, and a sample that has one is not even decoded. So a run
    that was killed goes on where it was, and one over a folder that has grown does what is new. A
    sample that fails is tried again next time.

    run_file: JSON that tells which pipeline wrote the files, from which `data`, such as a folder's path;
        files of another run are not added to. Raises ValueError there, and for two samples with one
        file; RuntimeError if every sample failed.
    """
    ids = list(samples.ids if hasattr(samples, "ids") else [sample.id for sample in samples])
    paths = {id: path_of(id) for id in ids}
    owners: dict[Path, SampleId] = {}
    for id, path in paths.items():
        if owners.setdefault(path, id) != id:
            raise ValueError(
                f"{owners[path]!r} and {id!r} would both be written to {path}; rename one"
            )
    pipeline = Pipeline() | pipeline
    refuse_other_run(run_file, {"pipeline": repr(pipeline), "data": data})
    todo = [index for index, id in enumerate(ids) if not paths[id].exists()]
    index_of = {ids[index]: index for index in todo}
    pending = Dataset("todo", list(index_of), lambda id: samples[index_of[id]])
    errors: dict[SampleId, str] = {}
    with tqdm(total=len(ids), initial=len(ids) - len(todo), disable=not progress) as bar:
        for id, [item] in zip(pending.ids, load_ahead(pending, batch_size=1), strict=True):
            try:
                if isinstance(item, LoadError):
                    raise item.error
                [done] = pipeline.run([item])
                paths[id].parent.mkdir(parents=True, exist_ok=True)
                write_atomically(paths[id], content(done))
            except Exception as error:
                errors[id] = f"{type(error).__name__}: {error}"
            bar.update()
            bar.set_postfix({"errors": len(errors)}, refresh=False)
    if len(errors) == len(ids) > 0:
        id, reason = next(iter(errors.items()))
        raise RuntimeError(f"all {len(ids)} samples failed, the first ({id!r}) with {reason}")
    return errors


def format_errors(errors: dict[SampleId, str]) -> str:
    """What `write_each` returns, to be printed."""
    named = "\n".join(f"  {id}: {reason}" for id, reason in errors.items())
    return f"{len(errors)} pictures failed; the same command tries them again:\n{named}"


def refuse_other_run(run_file: Path, run: Mapping[str, Any]) -> None:
    """Writes what made a folder's files into it. Raises ValueError where something else did.

    run: anything that JSON holds.
    """
    before = parse_json(run_file.read_bytes()) if run_file.exists() else run
    if before != run:
        raise ValueError(
            f"{run_file} tells of another run:\n  there: {before}\n  here:  {run}\n"
            "Write to another folder, or delete that one to start anew."
        )
    run_file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(run_file, json.dumps(run, indent=2) + "\n")
