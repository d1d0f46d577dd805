"""Memory is the batch's, not the data set's: a long evaluation takes no more than a short one."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Starts the recipe and prints its peak. In between, since a process inherits the peak of the one
# that started it, and pytest is large.
LAUNCHER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak(count: int, out: Path) -> int:
    """The most memory that the recipe holds over `count` scenes, in the system's unit."""
    recipe = [sys.executable, "recipes/instance_seg_coco.py", "--limit", count, "--out", out]
    command = [sys.executable, "-c", LAUNCHER, *map(str, recipe), "--device", "cpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
def test_the_peak_is_that_of_a_short_run(tmp_path: Path) -> None:
    """By hand, as it takes a while: 1,015,636 KB for 50, 1,035,396 for 400, 1,050,600 for 2,000."""
    short, long = peak(50, tmp_path / "short"), peak(400, tmp_path / "long")
    print(f"peak for 50: {short}, for 400: {long}")
    assert long < 1.1 * short
