"""The transformers library's `SamModel` and samkit with the same random weights, both ways."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from samkit import Prompts, load_sam
from samkit.sam.checkpoints import build_sam
from samkit.sam.config import SamConfig
from samkit.sam.hub import HUB_POSITIONS, POSITIONS, hub_names, official_names
from samkit.sam.hub_model import hub_model
from samkit.sam.model import Sam as OurSam
from samkit.sam.preprocess import preprocess

pytest.importorskip("transformers", reason="this needs the extra `bench`")
pytest.importorskip("segment_anything", reason="tests.parity needs the extra `official`")

from tests.parity.models import SMALL, randomise

# Depths and widths other than the official ones; the library fixes the decoder's eight heads.
ODD = SamConfig(
    48, 3, 3, (2,), 96, image_size=192, window_size=7, channels=64, mask_channels=8, decoder_depth=3,
    decoder_mlp_dim=96, decoder_attention_width=32, num_mask_tokens=5, iou_head_depth=4,
    iou_head_hidden=40,
)  # fmt: skip
PICTURE = np.random.default_rng(1).integers(0, 256, (90, 120, 3), np.uint8)


def random_tensors(config: SamConfig) -> dict[str, torch.Tensor]:
    """Every tensor at random, under the official names."""
    model = OurSam(config)
    randomise(model, seed=3)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def cases(config: SamConfig) -> Iterator[tuple[Prompts, dict[str, torch.Tensor]]]:
    """Prompts in both forms, in pixels of a picture that fills the model's width."""
    scale = config.image_size / 120
    points, labels, box = [[30.0, 40.0], [90.0, 20.0]], [1, 0], [10.0, 15.0, 100.0, 80.0]
    theirs = {
        "input_points": torch.tensor([[points]]) * scale,
        "input_labels": torch.tensor([[labels]]),
    }
    boxes = {"input_boxes": torch.tensor([[box]]) * scale}
    mask = torch.randn(config.low_res_size, config.low_res_size)
    yield Prompts(points=[points], labels=[labels]), theirs
    yield Prompts(boxes=[box]), boxes
    yield Prompts(points=[points], labels=[labels], boxes=[box]), {**theirs, **boxes}
    yield (
        Prompts(points=[points], labels=[labels], masks=[mask]),
        {**theirs, "input_masks": mask[None, None]},
    )
    yield Prompts(embeddings=[torch.zeros(0, config.channels)]), {}  # no prompt at all


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


def assert_agree(ours: OurSam, theirs: torch.nn.Module) -> None:
    pixels, _ = preprocess(PICTURE, ours.config.image_size)
    [embedding] = ours.encode([PICTURE])
    with torch.no_grad():
        expected = theirs.get_image_embeddings(pixels[None])
    worst = [difference(embedding["image_embedding"], expected[0])]
    for prompts, inputs in cases(ours.config):
        for multimask in (True, False):
            with torch.no_grad():
                answer = theirs(
                    image_embeddings=expected.clone(), multimask_output=multimask, **inputs
                )
            [masks] = ours.decode([embedding], [prompts], multimask)
            worst.append(difference(masks.logits, answer.pred_masks[0, 0]))
            iou = torch.from_numpy(masks.predicted_iou)
            worst.append(difference(iou, answer.iou_scores[0, 0]))
    print(f"largest difference {max(worst):.1e} of the largest magnitude")
    assert len(worst) == 21 and max(worst) <= 1e-4, worst


@pytest.mark.parametrize("config", [SMALL, ODD], ids=["small", "odd"])
def test_samkit_loads_a_file_of_the_library(config: SamConfig, tmp_path: Path) -> None:
    theirs = hub_model(config)
    randomise(theirs, seed=4)
    theirs.tie_weights()
    theirs.save_pretrained(tmp_path)
    ours = load_sam(tmp_path / "model.safetensors", device="cpu")
    assert ours.config == config
    assert_agree(ours, theirs)


@pytest.mark.parametrize("config", [SMALL, ODD], ids=["small", "odd"])
def test_the_library_loads_what_samkit_names_for_it(config: SamConfig) -> None:
    ours, theirs = build_sam(random_tensors(config)).eval(), hub_model(config)
    theirs.load_state_dict(hub_names(ours.state_dict()), strict=True)
    assert_agree(ours, theirs)


def test_there_and_back_nothing_is_lost() -> None:
    tensors = random_tensors(ODD)
    named = hub_names(tensors)
    assert set(named) == set(hub_model(ODD).state_dict())
    back = official_names(named)
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensors[name]) for name in tensors)
    assert official_names(tensors) == tensors


def test_the_matrix_of_positions_may_stand_once_but_not_twice_unlike() -> None:
    named = hub_names(random_tensors(ODD))
    for name in HUB_POSITIONS:
        alone = {key: value for key, value in named.items() if key != name}
        assert torch.equal(official_names(alone)[POSITIONS], named[name])
    named[HUB_POSITIONS[1]] += 1
    with pytest.raises(ValueError, match="shared_image_embedding.*differ"):
        official_names(named)


def test_what_is_missing_is_named_officially(tmp_path: Path) -> None:
    named = hub_names(random_tensors(ODD))
    del named["vision_encoder.neck.conv1.weight"]
    with pytest.raises(ValueError, match="image_encoder.neck.0.weight is missing"):
        build_sam(official_names(named))
