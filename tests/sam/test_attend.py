"""The decoder's attention, however it is worked out for few or many queries and keys, is attention."""

import pytest
import torch
import torch.nn.functional as F

from samkit.sam.mask_decoder import Attention


@pytest.mark.parametrize(("queries", "keys"), [(256, 7), (64, 16), (64, 17), (9, 256), (7, 7)])
def test_it_is_attention(queries: int, keys: int) -> None:
    torch.manual_seed(0)
    layer = Attention(32, 16, 2)
    q, k, v = (torch.randn(3, n, 32) for n in (queries, keys, keys))

    def heads(x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (2, 8)).transpose(1, 2)

    expected = F.scaled_dot_product_attention(
        heads(layer.q_proj(q)), heads(layer.k_proj(k)), heads(layer.v_proj(v))
    )
    expected = layer.out_proj(expected.transpose(1, 2).flatten(2))
    for gradients in (torch.enable_grad(), torch.no_grad()):
        with gradients:
            torch.testing.assert_close(layer(q, k, v), expected, atol=2e-6, rtol=0)
