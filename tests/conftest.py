"""What all tests share: real data where it is, and marks that run only where they can."""

import importlib.util
import os
import shutil
from pathlib import Path

import hypothesis
import pytest
import torch

# Shared and slow machines take what time they take.
hypothesis.settings.register_profile("samkit", deadline=None, max_examples=50)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=10_000)
hypothesis.settings.load_profile("samkit")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run tests marked slow too")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--slow"):
        hypothesis.settings.load_profile("thorough")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = {
        "slow": not (config.getoption("--slow") or "slow" in config.getoption("markexpr"))
        and "slow: run with --slow",
        "gpu": not torch.cuda.is_available() and "needs a CUDA device",
        "weights": "SAMKIT_TEST_WEIGHTS" not in os.environ
        and "set SAMKIT_TEST_WEIGHTS to a folder with the official checkpoints",
        "browser": (importlib.util.find_spec("playwright") is None or not shutil.which("chromium"))
        and "needs playwright and a chromium on the path",
    }
    for item in items:
        for mark, reason in missing.items():
            if reason and item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=reason))


def _folder(variable: str) -> Path:
    if variable not in os.environ:
        pytest.skip(f"set {variable} to run this on real data")
    folder = Path(os.environ[variable])
    # A wrong path is a mistake in the environment, not a reason to skip.
    assert folder.is_dir(), f"{variable} names {folder}, which is no folder"
    return folder


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data sets, from SAMKIT_TEST_DATA."""
    return _folder("SAMKIT_TEST_DATA")


@pytest.fixture(scope="session")
def test_weights() -> Path:
    """The folder of official checkpoints, from SAMKIT_TEST_WEIGHTS."""
    return _folder("SAMKIT_TEST_WEIGHTS")


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hugging Face hub cannot be reached: nobody listens at its address."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
