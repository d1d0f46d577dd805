"""Means of weights."""

import pytest
import torch

from samkit.sam.mask_refiner import MaskRefiner
from samkit.training.soup import blend_back, mean_of, measure_norms

SMALL = {"side": 16, "widths": (4, 6), "blocks": (0, 1)}


def test_each_weight_is_the_mean() -> None:
    models = [MaskRefiner(**SMALL) for _ in range(3)]
    with torch.no_grad():
        models[1].stem[1].num_batches_tracked += 7
    soup = mean_of(models)
    for name, tensor in soup.state_dict().items():
        parts = [model.state_dict()[name] for model in models]
        assert tensor.dtype == parts[0].dtype
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, sum(parts) / 3)
    assert soup is not models[0] and not torch.equal(soup.draw.weight, models[0].draw.weight)
    with pytest.raises(ValueError, match="give some"):
        mean_of([])
    with pytest.raises(ValueError, match=r"model 1 has \S+ of shape .* models of one shape"):
        mean_of([models[0], MaskRefiner(16, (4, 8), (0, 1))])


def test_part_of_what_was_learned_is_kept() -> None:
    weights = [torch.nn.Parameter(torch.tensor([1.0, 5.0])), torch.full((2,), 8.0)]
    blend_back(weights, [torch.tensor([3.0, 1.0]), torch.zeros(2)], 0.25)
    assert weights[0].tolist() == [2.5, 2.0] and weights[1].tolist() == [2.0, 2.0]
    assert weights[0].requires_grad


def test_norms_are_measured_on_what_is_given() -> None:
    refiner = MaskRefiner(**SMALL).eval()
    with torch.no_grad():
        refiner.stem[1].running_mean += 5
    batches = [(torch.rand(4, 3, 16, 16), torch.rand(4, 16, 16)) for _ in range(3)]
    seen = []
    hook = refiner.stem[0].register_forward_hook(lambda *call: seen.append(call[2].detach()))
    measure_norms(refiner, batches)
    hook.remove()
    means = torch.stack([one.mean(dim=(0, 2, 3)) for one in seen]).mean(dim=0)
    torch.testing.assert_close(refiner.stem[1].running_mean, means)
    assert not refiner.training and refiner.stem[1].momentum == 0.1
