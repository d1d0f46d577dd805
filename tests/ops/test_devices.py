"""Devices by name, and the Apple GPU beside the CPU where there is one."""

import numpy as np
import pytest
import torch

from samkit import Prompts, load_sam
from samkit.ops.devices import devices_here, find_device

HAS_MPS = torch.backends.mps.is_available()


def test_auto_is_the_first_that_is_here() -> None:
    assert devices_here()[-1] == "cpu"
    assert find_device("auto") == torch.device(devices_here()[0])
    assert load_sam("tiny").device == find_device("auto")
    assert load_sam("tiny", device="cpu").device.type == "cpu"


@pytest.mark.parametrize(
    ("gpus", "mps", "here"),
    [
        (2, True, ["cuda:0", "cuda:1", "mps", "cpu"]),
        (0, True, ["mps", "cpu"]),
        (1, False, ["cuda:0", "cpu"]),
        (0, False, ["cpu"]),
    ],
)
def test_the_order_is_cuda_mps_cpu(
    monkeypatch: pytest.MonkeyPatch, gpus: int, mps: bool, here: list[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert devices_here() == here
    assert find_device("auto") == torch.device(here[0])
    names = {"cuda": gpus > 0, "cuda:0": gpus > 0, "cuda:1": gpus > 1, "mps": mps, "cpu": True}
    for name, present in names.items():
        if present:
            assert find_device(name) == torch.device(name)
        else:
            told = f"no device '{name}' here; present: {', '.join(here)} "
            with pytest.raises(ValueError, match=told):
                find_device(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "cuda:x", "mps:1", "cpu:1", "meta", ""])
def test_what_is_not_here_is_refused_with_what_is(name: str) -> None:
    with pytest.raises(ValueError, match=f"there is no device '{name}' here; present: .*cpu"):
        load_sam("tiny", device=name)


@pytest.mark.skipif(not HAS_MPS, reason="needs an Apple GPU")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_an_apple_gpu_answers_as_the_cpu(dtype: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    boxes = Prompts.from_boxes([[2, 3, 20, 25]])
    prompts = Prompts.concat([Prompts.from_points([[5, 5], [30, 20]]), boxes])
    exact, other = load_sam("tiny", device="cpu"), load_sam("tiny", device="mps", dtype=dtype)
    [expected] = exact.decode(exact.encode([image]), [prompts])
    [masks] = other.decode(other.encode([image]), [prompts])
    again = prompts.replace(masks=tuple(masks.logits[::3]))
    assert len(other.decode(other.encode([image]), [again])[0]) == 9  # a mask prompt from there
    tolerance = 1e-4 if dtype == "float32" else 0.05
    largest = expected.logits.abs().max()
    assert (masks.logits.cpu().float() - expected.logits).abs().max() <= tolerance * largest
    agree = (masks.binary() == expected.binary()).mean()
    assert agree > (0.9999 if dtype == "float32" else 0.98)
