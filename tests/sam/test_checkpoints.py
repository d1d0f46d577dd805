"""Weights: what loads, what is refused, what is never run."""

import pickle
import random
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from samkit import load_sam, save_sam
from samkit.sam import checkpoints
from samkit.sam.checkpoints import build_sam, read_tensors
from samkit.sam.config import SamConfig
from samkit.sam.model import Sam
from samkit.sam.remote import Remote, sha256

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
        (
            lambda t: t.update({"image_encoder.pos_embed": torch.zeros(4, 32)}),
            r"pos_embed has 4 dimensions, none of them 0, got \(4, 32\)",
        ),
        (
            lambda t: t.update({"image_encoder.blocks.0.attn.rel_pos_h": torch.zeros(5, 33)}),
            "heads of width 33 do not make up 32",
        ),
        (
            lambda t: t.update({"mask_decoder.iou_token.weight": torch.zeros(1, 32).int()}),
            "iou_token.weight holds torch.int32 .*not plain floats",
        ),
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


@pytest.mark.parametrize("content", [[1, 2], {"model": {}}, {7: torch.zeros(1)}, torch.zeros(2)])
def test_what_is_no_dict_of_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="something else than tensors by name"):
        load_sam(tmp_path / "other.pth", device="cpu")


def test_no_damage_gets_past_the_reader(tmp_path: Path) -> None:
    """Bytes changed at random in the three formats: they load, or a ValueError says what is wrong.

    torch's reader alone raises UnicodeDecodeError, KeyError, IndexError and TypeError on these.
    """
    content, rng = tensors(), random.Random(7)
    save_file(content, tmp_path / "0.safetensors")
    torch.save(content, tmp_path / "1.pth")
    torch.save(content, tmp_path / "2.pth", _use_new_zipfile_serialization=False)
    files = {path.suffix + path.stem: path.read_bytes() for path in sorted(tmp_path.iterdir())}
    outcomes = []
    for number in range(150):
        kind = sorted(files)[number % 3]
        damaged = bytearray(files[kind])
        for _ in range(rng.choice([1, 2, 5, 20])):
            damaged[rng.randrange(3000) * rng.choice([1, -1])] = rng.randrange(256)
        path = tmp_path / f"damaged{kind[:-1]}"
        path.write_bytes(damaged)
        try:
            build_sam(read_tensors(path))
            outcomes.append("loads")
        except ValueError as error:
            outcomes.append(str(error))
    refused = [told for told in outcomes if told != "loads"]
    assert 0 < len(refused) < len(outcomes)
    assert all(re.search("no file of tensors|SAM|something else", told) for told in refused)


def test_missing_weights_say_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match="no weights at .*nowhere.*tiny, vit_b, vit_l, vit_h"
    ):
        load_sam(tmp_path / "nowhere.pth")
    with pytest.raises(ValueError, match="dtype is one of float32"):
        load_sam("tiny", dtype="int8")
    with pytest.raises(ValueError, match="saved as .safetensors or .pth"):
        save_sam(build_sam(tensors()), tmp_path / "weights.bin")


def test_a_name_is_looked_up_checked_and_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine where the file is in the cache, with small weights in the place of ViT-B's."""
    monkeypatch.setenv("SAMKIT_HOME", str(tmp_path))
    file = tmp_path / "sam_vit_b_01ec64.pth"
    save_sam(build_sam(tensors()), file)
    remote = Remote(f"{checkpoints.ADDRESS}{file.name}", file.stat().st_size, sha256(file))
    monkeypatch.setitem(checkpoints.OFFICIAL, "vit_b", remote)
    with pytest.raises(ValueError, match="is a SAM but no vit_b: width is 32, expected 768; depth"):
        load_sam("vit_b", device="cpu")
    with pytest.raises(ValueError, match="is a SAM but no vit_b"):  # the name says so here too
        load_sam(file, device="cpu")
    monkeypatch.setitem(checkpoints.CONFIGS, "vit_b", SIZES)
    by_name, by_path = load_sam("vit_b", device="cpu"), load_sam(file, device="cpu")
    assert by_name.name.startswith("vit_b-") and by_name.name.endswith("-float32-samkit")
    assert by_name.name.removeprefix("vit_b-") == by_path.name.removeprefix("sam_vit_b_01ec64-")


def test_the_official_files_are_those_on_record() -> None:
    """Each name carries the first digits of the md5; sizes are the tensors' and a small header."""
    parameters = {"vit_b": 93_735_472, "vit_l": 312_342_832, "vit_h": 641_090_608}
    for name, remote in checkpoints.OFFICIAL.items():
        assert remote.address.startswith("https://") and name in remote.name
        assert 0 < remote.size - 4 * parameters[name] < 400_000
        assert re.fullmatch("[0-9a-f]{64}", remote.sha256)
