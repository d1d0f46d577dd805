"""The core's own promises: dtypes, chunks, threads, clear errors."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from samkit import Prompts, load_sam
from samkit.sam import model as model_module
from samkit.sam.checkpoints import DTYPES
from samkit.sam.model import Sam
from samkit.types import ImageEmbedding


@pytest.fixture(scope="module")
def sam() -> Sam:
    return load_sam("tiny", device="cpu")


def scene(size: int = 96) -> np.ndarray:
    """A light disc on a dark ground, with noise."""
    y, x = np.mgrid[:size, :size]
    disc = (x - size / 2) ** 2 + (y - size / 2) ** 2 < (size / 4) ** 2
    noise = np.random.default_rng(0).normal(0, 8, (size, size, 3))
    return (np.where(disc[..., None], 210, 60) + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("dtype", ["mixed", "bfloat16", "float16"])
def test_half_precision_gives_nearly_the_same_answers(sam: Sam, dtype: str) -> None:
    half = load_sam("tiny", device="cpu", dtype=dtype)
    assert half.name == sam.name.replace("float32", dtype)
    prompts = Prompts.from_boxes([[20, 20, 76, 76]])
    [exact] = sam.decode(sam.encode([scene()]), [prompts])
    [rough] = half.decode(half.encode([scene()]), [prompts])
    assert rough.logits is not None and rough.logits.dtype == half.dtype
    assert exact.logits is not None
    off = (rough.logits.float() - exact.logits).abs().max() / exact.logits.abs().max()
    assert off < (0.02 if dtype == "mixed" else 0.05)
    assert (half.image_encoder.pos_embed.dtype, half.dtype) == DTYPES[dtype]
    assert (rough.binary() == exact.binary()).mean() > 0.98
    assert np.abs(exact.predicted_iou - rough.predicted_iou).max() < 0.05
    # Places would be off by pixels if they were worked out in half precision.
    assert half.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.dtype == torch.float32


def test_compiling_wants_a_compiler_and_is_told_in_the_name(
    sam: Sam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="g[+][+]"):
        load_sam("tiny", device="cpu", compile=True)
    monkeypatch.undo()
    if shutil.which("c++"):
        assert load_sam("tiny", device="cpu", compile=True).name == f"{sam.name}-compiled"


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("c++"), reason="needs a C++ compiler")
def test_a_compiled_encoder_gives_the_same_up_to_rounding(sam: Sam) -> None:
    compiled = load_sam("tiny", device="cpu", compile=True)
    assert compiled.state_dict().keys() == sam.state_dict().keys()
    for size in (96, 40):
        [quick], [exact] = (one.encode([scene(size)]) for one in (compiled, sam))
        a, b = (one["image_embedding"] for one in (quick, exact))
        assert not torch.equal(a, b), "it was not compiled at all"
        assert (a - b).abs().max() < 1e-5 * b.abs().max()


def test_answers_do_not_depend_on_the_chunk(sam: Sam, monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = sam.encode([scene(), scene(40)])
    prompts = [Prompts.from_points(np.random.default_rng(i).uniform(0, 40, (9, 2))) for i in (0, 1)]
    together = sam.decode(embeddings, prompts)
    monkeypatch.setitem(model_module.TOKENS_AT_ONCE, "cpu", 4 * sam.config.grid**2)
    pieces = list(sam.decode_chunks(embeddings, prompts))
    assert max(len(masks) for _, masks in pieces) <= 4 * 3
    for one, whole in zip(sam.decode(embeddings, prompts), together, strict=True):
        assert torch.allclose(one.logits, whole.logits, atol=1e-4)
        assert one.prompt_index.tolist() == np.repeat(np.arange(9), 3).tolist()
    for image in (0, 1):
        rows = np.concatenate([m.prompt_index for i, m in pieces if i == image])
        assert rows.tolist() == together[image].prompt_index.tolist()


@pytest.mark.parametrize(
    "counts", [[9], [1], [5, 1, 12]], ids=["one", "a single prompt", "several"]
)
def test_answers_do_not_depend_on_what_prompts_share(
    sam: Sam, counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one chunk and across chunks, and with mask prompts in between, which share nothing."""
    embeddings = sam.encode([scene(40 + 20 * i) for i in range(len(counts))])
    rng = np.random.default_rng(0)
    prompts = [Prompts.from_points(rng.uniform(0, 40, (n, 2))) for n in counts]
    side = sam.config.low_res_size
    drawn = torch.from_numpy(rng.normal(0, 5, (side, side)).astype(np.float32))
    prompts[0] = prompts[0].replace(masks=(drawn, *[None] * (counts[0] - 1)))
    shared = []
    whole = Sam.share
    monkeypatch.setattr(Sam, "share", lambda *given: shared.append(1) or whole(*given))
    monkeypatch.setitem(model_module.TOKENS_AT_ONCE, "cpu", sam.config.grid**2)
    apart = sam.decode(embeddings, prompts)
    assert not shared, "one prompt at a time"
    for chunk in (16, 3):
        monkeypatch.setitem(model_module.TOKENS_AT_ONCE, "cpu", chunk * sam.config.grid**2)
        for one, other in zip(sam.decode(embeddings, prompts), apart, strict=True):
            assert one.logits is not None and other.logits is not None
            bound = 1e-5 * float(other.logits.abs().max())
            assert torch.allclose(one.logits, other.logits, atol=bound)
    assert bool(shared) == (sum(counts) > 1) and len(shared) < 2 * sum(counts)


def test_threads_share_one_model(sam: Sam) -> None:
    images = [scene(size) for size in (40, 56, 72, 96)]
    prompts = [Prompts.from_points([[size / 2, size / 2]]) for size in (40, 56, 72, 96)]

    def segment(i: int) -> np.ndarray:
        return sam.decode(sam.encode([images[i]]), [prompts[i]])[0].predicted_iou

    alone = [segment(i) for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert all(
            np.allclose(a, b, atol=1e-5)
            for a, b in zip(alone, pool.map(segment, range(4)), strict=True)
        )


def test_text_tokens_are_sparse_prompts(sam: Sam) -> None:
    """Embeddings stand beside points like any token: one equal to a point's gives that point's mask."""
    [embedding] = sam.encode([scene()])
    xy = torch.tensor([[[128.0, 100.0], [0.0, 0.0]]])
    with torch.no_grad():
        tokens = sam.prompt_encoder.embed_points(xy, torch.tensor([[1, -1]]))[0]
    scale = 96 / sam.config.image_size
    [by_token] = sam.decode([embedding], [Prompts(embeddings=[tokens])])
    [by_point] = sam.decode([embedding], [Prompts.from_points([[128 * scale, 100 * scale]])])
    assert torch.allclose(by_token.logits, by_point.logits, atol=1e-4)


def test_no_prompts_give_no_masks(sam: Sam) -> None:
    [masks] = sam.decode(sam.encode([scene()]), [Prompts()])
    assert len(masks) == 0 and masks.binary().shape == (0, 96, 96) and masks.rle() == []


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_image_is_refused(sam: Sam, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
        sam.encode([image])


def test_sizes_that_do_not_fit_are_refused(sam: Sam) -> None:
    embeddings: list[ImageEmbedding] = sam.encode([scene()])
    with pytest.raises(ValueError, match=r"\(64, 64\).*got \(96, 96\)"):
        sam.decode(embeddings, [Prompts(masks=[torch.zeros(96, 96)])])
    with pytest.raises(ValueError, match=r"\(tokens, 128\), got \(1, 512\)"):
        sam.decode(embeddings, [Prompts(embeddings=[torch.zeros(1, 512)])])
    with pytest.raises(ValueError, match="1 embeddings but 2 prompts"):
        sam.decode(embeddings, [Prompts(), Prompts()])


@pytest.mark.gpu
def test_cuda_answers_like_the_cpu(sam: Sam) -> None:
    cuda = load_sam("tiny", device="cuda")
    prompts = Prompts.from_points([[48, 48], [10, 10]])
    [expected] = sam.decode(sam.encode([scene()]), [prompts])
    [masks] = cuda.decode(cuda.encode([scene()]), [prompts])
    assert (masks.binary() == expected.binary()).mean() > 0.999
