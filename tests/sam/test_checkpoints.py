"""Weights: what loads, what is refused, what is never run."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from samkit import load_sam, save_sam
from samkit.sam.checkpoints import build_sam
from samkit.sam.config import SamConfig
from samkit.sam.model import Sam

SIZES = SamConfig(
    32, 2, 2, (1,), 64, image_size=64, window_size=3, channels=32, decoder_attention_width=16
)


def tensors() -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in Sam(SIZES).state_dict().items()}


def test_any_size_loads_without_a_name(tmp_path: Path) -> None:
    sam = build_sam(tensors())
    save_sam(sam, tmp_path / "mine.safetensors")
    loaded = load_sam(tmp_path / "mine.safetensors", device="cpu")
    assert loaded.config == SIZES
    assert loaded.name.startswith("mine-") and loaded.name.endswith("-float32-samkit")
    for name, tensor in sam.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_the_name_tells_other_weights_apart(tmp_path: Path) -> None:
    names = []
    for _ in range(2):
        save_sam(build_sam(tensors()), tmp_path / "mine.pth")
        names.append(load_sam(tmp_path / "mine.pth", device="cpu").name)
    assert names[0] != names[1]
    assert load_sam(tmp_path / "mine.pth", device="cpu").name == names[1]


class RunsCode:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_pickled_code_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"weights": RunsCode(tmp_path / "was_run")}, tmp_path / "evil.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(RunsCode(tmp_path / "was_run")))
    for name in ("evil.pth", "plain.pth"):
        with pytest.raises(ValueError, match=name):
            load_sam(tmp_path / name, device="cpu")
    assert not (tmp_path / "was_run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("image_encoder.neck.0.weight"), "image_encoder.neck.0.weight is missing"),
        (lambda t: t.update(extra=torch.zeros(1)), "extra is not a SAM's"),
        (
            lambda t: t.update({"mask_decoder.mask_tokens.weight": torch.zeros(4, 31)}),
            r"mask_tokens.weight has shape \(4, 31\), expected \(4, 32\)",
        ),
        (lambda t: t.pop("image_encoder.pos_embed"), "not a SAM checkpoint.*pos_embed"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, change: object, message: str) -> None:
    content = tensors()
    change(content)  # type: ignore[operator]
    save_file(content, tmp_path / "odd.safetensors")
    with pytest.raises(ValueError, match=message):
        load_sam(tmp_path / "odd.safetensors", device="cpu")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("keep", [0, 100, -1])
def test_damaged_files_are_refused(tmp_path: Path, suffix: str, keep: int) -> None:
    path = tmp_path / f"weights{suffix}"
    save_sam(build_sam(tensors()), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="no file of tensors, or a damaged one"):
        load_sam(path, device="cpu")


def test_missing_weights_say_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"sam_vit_h_4b8939\.pth and give its path"):
        load_sam("vit_h")
    with pytest.raises(FileNotFoundError, match="no weights at .*nowhere"):
        load_sam(tmp_path / "nowhere.pth")
    with pytest.raises(ValueError, match="dtype is one of float32"):
        load_sam("tiny", dtype="int8")
    with pytest.raises(ValueError, match="saved as .safetensors or .pth"):
        save_sam(build_sam(tensors()), tmp_path / "weights.bin")
