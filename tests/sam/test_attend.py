"""Attention, however it is worked out for few or many tokens and in however many pieces, is attention."""

import pytest
import torch
import torch.nn.functional as F

from samkit.sam.image_encoder import RelativeAttention, window_places
from samkit.sam.mask_decoder import Attention


@pytest.mark.parametrize(
    ("queries", "keys"),
    [(256, 7), (7, 256), (64, 16), (16, 64), (9, 256), (7, 7), (1, 30), (30, 1)],
)
def test_it_is_attention_and_so_are_its_gradients(queries: int, keys: int) -> None:
    torch.manual_seed(0)
    layer = Attention(24, 32, 2)
    q, k, v = (torch.randn(3, n, 24, requires_grad=True) for n in (queries, keys, keys))
    ours = layer(q, k, v)
    heads = (
        linear(x).unflatten(-1, (2, -1)).transpose(1, 2)
        for linear, x in ((layer.q_proj, q), (layer.k_proj, k), (layer.v_proj, v))
    )
    theirs = layer.out_proj(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))
    torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=0)
    with torch.no_grad():
        torch.testing.assert_close(layer(q, k, v), theirs, atol=2e-6, rtol=0)
    weights = torch.randn(theirs.shape)
    # The bias of the keys' projection changes nothing, so its gradient is nothing but rounding.
    learnt = [p for name, p in layer.named_parameters() if name != "k_proj.bias"]
    pairs = zip(
        torch.autograd.grad((ours * weights).sum(), (q, k, v, *learnt)),
        torch.autograd.grad((theirs * weights).sum(), (q, k, v, *learnt)),
        strict=True,
    )
    for a, b in pairs:
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("window", [0, 3])
def test_the_encoders_in_pieces_as_in_one(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many logits exist together; how many changes nothing."""
    torch.manual_seed(0)
    layer = RelativeAttention(24, 4, 8, window).eval()
    for table in (layer.rel_pos_h, layer.rel_pos_w):
        torch.nn.init.normal_(table)
    tokens = torch.randn(2, 8, 8, 24)
    whole = layer(tokens)
    for limit in (1, 1100, 3000):
        monkeypatch.setattr("samkit.sam.image_encoder.LOGITS_AT_ONCE", {"cpu": limit})
        torch.testing.assert_close(layer(tokens), whole, atol=1e-6, rtol=0)


def test_every_token_stands_in_one_window() -> None:
    places = window_places(5, 7, 3, torch.device("cpu"))
    assert places.shape == (6, 9)
    real = places[places < 35]
    assert sorted(real.tolist()) == list(range(35)) and (places == 35).sum() == 6 * 9 - 35
    assert places[1].tolist() == [3, 4, 5, 10, 11, 12, 17, 18, 19]
