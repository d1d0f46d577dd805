"""The house's floors: a module imports from its own room or from floors below."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = [
    {"ops"},
    {"types"},
    {"pipeline"},
    {"sam", "clip", "data", "metrics"},
    {"stages", "drawing"},
    {"evaluation", "testing"},
    {"training", "distributed", "export"},
    {"demo"},
    {"cli"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
OUTSIDE = ("recipes", "benchmarks", "tests")


def imported(source: str, path: Path) -> Iterator[str]:
    """Full names that a file imports, wherever in it: at the top, in functions, for types only."""
    package = path.with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def violations(files: Mapping[str, str]) -> list[str]:
    """What breaks the rules, in files given as path from the root and source."""
    found = []
    for name, source in files.items():
        path = Path(name)
        room = path.with_suffix("").parts[1] if path.parts[0] == "samkit" else None
        # The front doors: one opens rooms only when they are asked for, one is the command line's.
        if room in ("__init__", "__main__"):
            continue
        if room is not None and room not in FLOOR_OF:
            found.append(f"{name} is on no floor; give {room} one in architecture.md and here")
            continue
        for target in imported(source, path):
            top, _, rest = target.partition(".")
            other = rest.partition(".")[0]
            if top in OUTSIDE:
                found.append(f"{name} imports {target}; nobody imports {top}")
            elif top == "samkit" and room is not None and target != "samkit.__version__":
                if other not in FLOOR_OF and FLOOR_OF[room] < len(FLOORS) - 1:
                    found.append(f"{name} imports {target} by the front door; name its room")
                elif other != room and FLOOR_OF.get(other, 0) >= FLOOR_OF[room]:
                    found.append(
                        f"{name} (floor {FLOOR_OF[room]}) imports {target} (floor {FLOOR_OF[other]})"
                    )
    return found


def house() -> dict[str, str]:
    paths = [p for top in ("samkit", "recipes", "benchmarks") for p in (ROOT / top).rglob("*.py")]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}


def test_the_house_stands() -> None:
    files = house()
    assert len([name for name in files if name.startswith("samkit")]) > 30
    assert violations(files) == []


@pytest.mark.parametrize(
    ("path", "source", "told"),
    [
        ("samkit/ops/boxes.py", "from samkit.types import Masks", "(floor 0) imports samkit.types"),
        ("samkit/types/masks.py", "import samkit.pipeline", "(floor 1) imports samkit.pipeline"),
        (
            "samkit/sam/model.py",
            "from samkit.data import coco",
            "imports samkit.data.coco (floor 3)",
        ),
        ("samkit/data/coco.py", "from samkit.metrics.mask_ap import MaskAP", "(floor 3)"),
        ("samkit/metrics/mask_ap.py", "from samkit.sam import model", "imports samkit.sam.model"),
        ("samkit/metrics/mask_ap.py", "from ..sam import model", "imports samkit.sam.model"),
        ("samkit/sam/model.py", "from samkit import data", "imports samkit.data (floor 3)"),
        (
            "samkit/stages/embed.py",
            "def f():\n    from samkit.evaluation import evaluate",
            "floor 5",
        ),
        ("samkit/drawing.py", "from samkit.testing import check_stage", "imports samkit.testing"),
        ("samkit/stages/embed.py", "from samkit import load_sam", "by the front door"),
        ("samkit/stages/embed.py", "import samkit", "by the front door"),
        ("samkit/cli.py", "from recipes import instance_seg_coco", "nobody imports recipes"),
        ("recipes/edges.py", "import recipes.proposals", "nobody imports recipes"),
        ("benchmarks/speed.py", "from tests.models import small", "nobody imports tests"),
        ("samkit/odds_and_ends.py", "", "is on no floor"),
    ],
)
def test_what_would_break_it_is_found(path: str, source: str, told: str) -> None:
    [found] = violations({path: source})
    assert found.startswith(path)
    assert told in found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("samkit/types/masks.py", "from samkit.ops import rle\nfrom .frame import Frame"),
        ("samkit/evaluation/run.py", "from samkit import __version__\nimport numpy as np"),
        (
            "samkit/data/sa23/readers.py",
            "from samkit.data.dataset import Dataset\nfrom .. import coco",
        ),
        ("samkit/__init__.py", "from samkit.evaluation import evaluate"),
        ("samkit/cli.py", "from samkit import load_sam"),
        ("recipes/edges.py", "from samkit import load_sam\nfrom samkit.stages import Edges"),
    ],
)
def test_what_is_allowed_is_not_found(path: str, source: str) -> None:
    assert violations({path: source}) == []
