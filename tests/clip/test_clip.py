"""CLIP behind two functions, beside open_clip itself."""

import contextlib
import json
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from samkit.clip import Clip, load_clip
from samkit.clip.load import tiny_files
from samkit.clip.words import Words
from samkit.data import shapes
from samkit.data.shapes.phrases import held_out
from samkit.ops.huggingface import from_hub, hub_answers
from samkit.training.captions import right
from tests.clip_models import CONFIG, small_clip

open_clip = pytest.importorskip("open_clip")
RNG = np.random.default_rng(0)
PICTURES = [
    RNG.integers(0, 256, (h, w, 3)).astype(np.uint8)
    for h, w in ((32, 32), (40, 70), (90, 33), (1, 1))
]


def test_embeddings_are_those_of_open_clip() -> None:
    clip = small_clip()
    to_input = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(**CONFIG["preprocess"]), is_train=False
    )
    inputs = torch.stack([to_input(Image.fromarray(picture)) for picture in PICTURES])
    with torch.no_grad():
        images = clip.model.encode_image(inputs, normalize=True)
        texts = clip.model.encode_text(clip.tokenizer(["a red disc", "sea"]), normalize=True)
    torch.testing.assert_close(clip.images(PICTURES), images)
    torch.testing.assert_close(clip.texts(["a red disc", "sea"]), texts)


def test_batches_change_nothing() -> None:
    clip = small_clip()
    many = PICTURES * 9
    alone = torch.cat([clip.images([picture]) for picture in many])
    torch.testing.assert_close(clip.images(many), alone, atol=1e-6, rtol=0)
    words = [f"a red disc {i}" for i in range(40)]
    alone = torch.cat([clip.texts([word]) for word in words])
    torch.testing.assert_close(clip.texts(words), alone, atol=1e-6, rtol=0)
    assert clip.images([]).shape == (0, 16) and len(clip.texts([])) == 0


def test_templates_are_averaged() -> None:
    clip = small_clip()
    forms = ["a {}", "the red {}"]
    sides = [clip.texts(["a disc"]), clip.texts(["the red disc"])]
    mean = torch.nn.functional.normalize(sum(sides), dim=-1)
    torch.testing.assert_close(clip.texts(["disc"], forms), mean)
    with pytest.raises(ValueError, match="where the phrase goes"):
        clip.texts(["disc"], ["a"])


@pytest.mark.parametrize("phrase", ["", "  ", 3])
def test_an_empty_phrase_is_refused(phrase: object) -> None:
    with pytest.raises(ValueError, match="at least one word"):
        small_clip().texts(["a disc", phrase])  # type: ignore[list-item]


def test_words_known_spelled_and_cut_off() -> None:
    words = Words(["a", "disc"], length=6)
    assert words(["A disc!", "cab"]).tolist() == [
        [259, 257, 258, 260, 0, 0],
        [259, 100, 98, 99, 260, 0],
    ]
    long = words(["a disc " * 9])
    assert long.shape == (1, 6) and long[0, -1] == 260  # the end is there all the same
    assert len(words) == 261 and words(["a b"]).max() < len(words)


def test_a_folder_of_open_clip(tmp_path) -> None:
    """open_clip's own layout: a configuration and weights."""
    settings = json.loads(json.dumps(CONFIG["model"]))
    torch.manual_seed(1)
    model = open_clip.CLIP(**settings)  # with the usual vocabulary
    about = {"model_cfg": CONFIG["model"], "preprocess_cfg": CONFIG["preprocess"]}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(about))
    save_file(model.state_dict(), tmp_path / "open_clip_model.safetensors")
    clip = load_clip(str(tmp_path), device="cpu")
    ids = open_clip.get_tokenizer("ViT-B-32")(["a dog"])[:, :12]
    with torch.no_grad():
        expected = model.eval().encode_text(ids, normalize=True)
    torch.testing.assert_close(clip.texts(["a dog"]), expected)
    half = load_clip(str(tmp_path), device="cpu", dtype="bfloat16")
    assert half.dtype == torch.bfloat16 and half.name != clip.name
    torch.testing.assert_close(half.images(PICTURES), clip.images(PICTURES), atol=0.05, rtol=0)


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match="no model 'ViT-Q'.*ViT-B-32|no model 'ViT-Q'"):
        load_clip("ViT-Q")
    with pytest.raises(ValueError, match="no weights 'mine' for ViT-B-32.*openai"):
        load_clip("ViT-B-32", "mine")
    with pytest.raises(ValueError, match="dtype is one of"):
        load_clip("tiny", dtype="int8")
    with pytest.raises(ValueError, match="there is no device"):
        load_clip("tiny", device="cuda:99")


def test_no_network_is_told_within_five_seconds(no_hub) -> None:
    open_clip.list_models()
    since = time.monotonic()
    with pytest.raises(
        OSError, match="the weights openai of ViT-B-32: the Hugging Face hub cannot"
    ):
        load_clip("ViT-B-32", device="cpu")
    assert time.monotonic() - since < 5


def test_a_network_that_swallows_everything_is_not_waited_for(monkeypatch) -> None:
    def swallow(*_: object) -> None:
        time.sleep(2)
        raise OSError("timed out")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(socket, "create_connection", swallow)
    since = time.monotonic()
    assert not hub_answers(0.2) and time.monotonic() - since < 1.5
    monkeypatch.setattr(socket, "create_connection", lambda *_: contextlib.nullcontext())
    assert hub_answers(5)


def test_errors_of_a_hub_that_answers_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samkit.ops.huggingface.hub_answers", lambda: True)

    def refuse() -> None:
        raise RuntimeError("no such repository\nand much more")

    with pytest.raises(OSError, match="cannot load the detector x: no such repository. Give"):
        from_hub(refuse, "the detector x")


def test_offline_only_while_it_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr("samkit.ops.huggingface.hub_answers", lambda: False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert from_hub(lambda: constants.HF_HUB_OFFLINE, "it") is True
    assert constants.HF_HUB_OFFLINE is False


def test_importing_samkit_imports_no_open_clip() -> None:
    code = "import samkit.stages, samkit.clip, sys; assert 'open_clip' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=200)


def test_the_shipped_pair_is_small_and_knows_shapes() -> None:
    assert sum(path.stat().st_size for path in tiny_files()) < 8e6
    since = time.process_time()
    clip = load_clip("tiny", device="cpu")
    assert time.process_time() - since < 5
    assert clip.name.startswith("tiny-") and clip.name.endswith("-float32-open_clip")
    assert right(clip, list(shapes(12))) > 0.6  # chance is about .09


def test_one_in_ten_combinations_is_held_out() -> None:
    captions = [caption for sample in shapes(40) for caption in sample.annotations.captions]
    assert 0.05 < np.mean([held_out(caption) for caption in captions]) < 0.15
    assert held_out("a red disc") and held_out("a red striped disc")
    assert not held_out("a disc") and not held_out("a photo-textured disc")


def test_a_clip_has_a_name_and_a_temperature() -> None:
    clip = small_clip()
    assert repr(clip) == "<Clip small-0>" and isinstance(clip, Clip)
    assert clip.temperature == pytest.approx(0.07) and clip.width == 16
