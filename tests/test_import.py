"""`import samkit` is quick because it imports nothing heavy until it is used."""

import subprocess
import sys


def test_import_brings_in_nothing_heavy() -> None:
    code = "import sys, samkit; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"torch", "torchvision", "numpy", "PIL", "skimage", "supervision", "cv2", "ultralytics"}
    assert "samkit" in loaded.stdout
    assert not heavy & set(loaded.stdout.split())


def test_every_public_name_is_there() -> None:
    import samkit

    for name in samkit.__all__:
        assert getattr(samkit, name) is not None
    assert set(samkit.__all__) <= set(dir(samkit))
