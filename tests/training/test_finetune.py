"""What learns, and that low-rank matrices become part of plain official weights."""

import pytest
import torch

from samkit.training.finetune import choose_trained, merged
from tests.training.small import gradients, small_batch, small_sam


def trained(sam: torch.nn.Module) -> set[str]:
    return {name.partition(".")[0] for name, p in sam.named_parameters() if p.requires_grad}


def test_all_or_the_decoder() -> None:
    assert trained(choose_trained(small_sam(), "all")) == {
        "image_encoder",
        "prompt_encoder",
        "mask_decoder",
    }
    assert trained(choose_trained(small_sam(), "decoder")) == {"prompt_encoder", "mask_decoder"}
    with pytest.raises(ValueError, match="all, decoder or low-rank"):
        choose_trained(small_sam(), "encoder")  # type: ignore[arg-type]


@pytest.mark.slow
def test_low_rank_matrices_start_as_nothing_learn_and_merge() -> None:
    pytest.importorskip("peft")
    from samkit.training.step import Loss, backward

    pixels = torch.randn(1, 3, 64, 64)
    plain = small_sam().eval()
    sam = choose_trained(small_sam().eval(), "low-rank", rank=2)
    expected = plain.image_encoder(pixels)
    assert torch.allclose(sam.image_encoder(pixels), expected, atol=1e-6)
    encoder = [p for n, p in sam.image_encoder.named_parameters() if p.requires_grad]
    assert 0 < sum(p.numel() for p in encoder) < 1000
    backward(sam.train(), small_batch(), Loss())
    learned = {name for name in gradients(sam) if name.startswith("image_encoder")}
    assert learned and all("lora_" in name for name in learned)
    with torch.no_grad():
        for parameter in encoder:
            parameter.add_(torch.randn_like(parameter) * 0.1)
    changed = sam.eval().image_encoder(pixels)
    assert not torch.allclose(changed, expected, atol=1e-3)
    assert list(merged(sam).state_dict()) == list(plain.state_dict())
    assert torch.allclose(sam.image_encoder(pixels), changed, atol=1e-4)
