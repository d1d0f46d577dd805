"""Drop path and dropout are there while training, and nowhere else."""

import pytest
import torch

from samkit.training.regularise import regularise
from tests.training.small import small_sam


def test_inference_and_names_are_untouched() -> None:
    plain, regular = small_sam().eval(), small_sam().eval()
    regularise(regular, drop_path=0.5, dropout=0.3)
    pixels = torch.randn(2, 3, 64, 64)
    assert torch.equal(plain.image_encoder(pixels), regular.image_encoder(pixels))
    assert list(plain.state_dict()) == list(regular.state_dict())


def test_the_official_classes_load_what_was_regularised() -> None:
    pytest.importorskip("segment_anything")
    from samkit.sam.official import official_model

    sam = small_sam()
    regularise(sam, drop_path=0.5, dropout=0.3)
    official_model(sam.config).load_state_dict(sam.state_dict(), strict=True)


def test_a_dropped_path_leaves_an_images_tokens_as_they_are() -> None:
    """The last block at rate .5: half of images skip attention, half the MLP; the rest counts double."""
    torch.manual_seed(0)
    sam = small_sam()
    block = sam.image_encoder.blocks[1]
    regularise(sam, drop_path=0.5)
    tokens = torch.randn(400, 4, 4, 16)
    out = block.attn(tokens)
    dropped = (out == 0).flatten(1).all(dim=1)
    assert 160 < dropped.sum() < 240 and not (out == 0).flatten(1).any(dim=1)[~dropped].any()
    kept = block.eval().attn(tokens)[~dropped]
    assert torch.allclose(out[~dropped], 2 * kept, atol=1e-6)


def test_all_windows_of_an_image_go_together() -> None:
    torch.manual_seed(0)
    sam = small_sam()
    regularise(sam, drop_path=0.5)
    from samkit.training.regularise import _path_dropper

    windowed = sam.image_encoder.blocks[0].attn
    assert windowed.window
    windowed.register_forward_hook(_path_dropper(0.5))
    dropped = (windowed(torch.randn(40, 4, 4, 16)) == 0).flatten(1)
    assert 5 < dropped.all(dim=1).sum() < 35
    assert (dropped.all(dim=1) == dropped.any(dim=1)).all()


def test_dropout_is_in_the_decoder_while_training() -> None:
    torch.manual_seed(0)
    sam = small_sam()
    regularise(sam, dropout=0.5)
    layer = sam.mask_decoder.transformer.layers[0]
    tokens = torch.randn(4, 6, 32)
    for part, given in ((layer.mlp, (tokens,)), (layer.self_attn, (tokens, tokens, tokens))):
        assert 0.4 < (part(*given) == 0).float().mean() < 0.6
        assert not (part.eval()(*given) == 0).any()
        part.train()


def test_rates_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        regularise(small_sam(), drop_path=1.0)
