"""The core: a SAM is two pure functions, `encode` and `decode`."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from samkit.sam.config import SamConfig
from samkit.sam.decoding import Chunk, chunks, refuse_outside
from samkit.sam.image_encoder import ImageEncoder
from samkit.sam.mask_decoder import MaskDecoder, SharedImages
from samkit.sam.preprocess import preprocess
from samkit.sam.prompt_encoder import PromptEncoder
from samkit.types import ImageEmbedding, Masks, Prompts
from samkit.types.sample import check_image

# Images that go through the encoder together, and image tokens (prompts x embedding cells) through
# the decoder. Fixed per kind of device, not by free memory, so that answers don't vary by machine.
# On a CPU one image alone, so that its embedding is the same to the bit whatever comes along; and one
# prompt of an official model, or sixteen of `tiny`, take the least time each: no cache holds sixteen of
# the former.
IMAGES_AT_ONCE = {"cpu": 1, "cuda": 8, "mps": 1}
TOKENS_AT_ONCE = {"cpu": 1 << 12, "cuda": 1 << 19, "mps": 1 << 16}


class Sam(nn.Module):
    """Segment Anything: images to embeddings once, prompts to masks as often as you like.

    Tensors have the official names. Stateless: safe to call from several threads. `name` identifies
    model, weights, dtype and backend; `load_sam` sets it. `taught` is what its embeddings are marked with.
    """

    taught = ""

    def __init__(self, config: SamConfig, name: str = "unnamed") -> None:
        super().__init__()
        self.config = config
        self.name = name
        self.image_encoder = ImageEncoder(
            config.image_size,
            config.patch_size,
            config.width,
            config.depth,
            config.num_heads,
            config.mlp_dim,
            config.window_size,
            config.global_blocks,
            config.channels,
        )
        self.prompt_encoder = PromptEncoder(
            config.channels, config.image_size, config.grid, config.mask_channels
        )
        self.mask_decoder = MaskDecoder(
            config.channels,
            config.decoder_depth,
            config.decoder_heads,
            config.decoder_mlp_dim,
            config.decoder_attention_width,
            config.num_mask_tokens,
            config.iou_head_depth,
            config.iou_head_hidden,
        )

    def __repr__(self) -> str:
        return f"<Sam {self.name}>"

    @property
    def device(self) -> torch.device:
        return self.mask_decoder.iou_token.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Of decoder and answers; the image encoder's may be another."""
        return self.mask_decoder.iou_token.weight.dtype

    @torch.no_grad()
    def encode(self, images: Sequence[NDArray[np.uint8]]) -> list[ImageEmbedding]:
        """One embedding per image, of shape (channels, grid, grid), with its frame.

        images: (H, W, 3) uint8 RGB, of any sizes together. Raises ValueError for anything else.
        """
        embeddings: list[ImageEmbedding] = []
        encoder_dtype = next(self.image_encoder.parameters()).dtype
        step = IMAGES_AT_ONCE.get(self.device.type, 1)
        for start in range(0, len(images), step):
            inputs = [
                preprocess(check_image(image), self.config.image_size)
                for image in images[start : start + step]
            ]
            pixels = torch.stack([pixels for pixels, _ in inputs]).to(self.device, encoder_dtype)
            for tensor, (_, frame) in zip(self.image_encoder(pixels), inputs, strict=True):
                embeddings.append(ImageEmbedding({"image_embedding": tensor}, frame, self.taught))
        return embeddings

    def decode(
        self,
        embeddings: Sequence[ImageEmbedding],
        prompts: Sequence[Prompts],
        multimask_output: bool = True,
    ) -> list[Masks]:
        """Masks for every prompt of every image.

        embeddings: one per image. prompts: one `Prompts` per image, each with any number of prompts,
        none included. Returns one `Masks` per image: three masks a prompt (one where multimask_output
        is False), prompt after prompt, as low-resolution logits with their predicted IoU.

        Raises ValueError for unequal lengths, for mask prompts or embeddings of a wrong size, for image
        embeddings of a SAM whose encoder was taught otherwise, and for a prompt that lies wholly outside
        its image (the rule is in `samkit.sam.decoding`).
        """
        per_prompt = self.config.num_mask_tokens - 1 if multimask_output else 1
        side, device, dtype = self.config.low_res_size, self.device, self.dtype
        counts = [len(asked) * per_prompt for asked in prompts]
        logits = [torch.empty(n, side, side, device=device, dtype=dtype) for n in counts]
        predicted_iou = [np.empty(n, dtype=np.float32) for n in counts]
        for image, masks in self.decode_chunks(embeddings, prompts, multimask_output):
            # A prompt's masks stand together, so its first place is its index times their number.
            places = np.repeat(masks.prompt_index[::per_prompt], per_prompt) * per_prompt
            places += np.tile(np.arange(per_prompt), len(masks) // per_prompt)
            logits[image][torch.from_numpy(places).to(device)] = masks.logits  # type: ignore[assignment]
            predicted_iou[image][places] = masks.predicted_iou
        return [
            _masks(embedding, asked, *answer, np.repeat(np.arange(len(asked)), per_prompt))
            for embedding, asked, answer in zip(
                embeddings, prompts, zip(logits, predicted_iou, strict=True), strict=True
            )
        ]

    @torch.no_grad()
    def decode_chunks(
        self,
        embeddings: Sequence[ImageEmbedding],
        prompts: Sequence[Prompts],
        multimask_output: bool = True,
    ) -> Iterator[tuple[int, Masks]]:
        """What `decode` gives, piece by piece as (index of the image, some of its masks).

        For when all logits at once would be too much: no more than one chunk of them exists here at
        a time. `prompt_index` tells which prompts a piece answers; like prompts come in order.
        """
        if len(embeddings) != len(prompts):
            raise ValueError(
                f"{len(embeddings)} embeddings but {len(prompts)} prompts: give one each"
            )
        for embedding in embeddings:
            if embedding.taught != self.taught:
                raise ValueError(
                    f"{self.name} cannot read this image embedding, which is of "
                    f"{f'the encoder of {embedding.taught}' if embedding.taught else 'the plain encoder'}: "
                    "give Embed the SAM that Segment has"
                )
        frames = [embedding.frame for embedding in embeddings]
        refuse_outside(frames, prompts)
        self._check(prompts)
        wanted = slice(1, None) if multimask_output else slice(0, 1)
        size = max(1, TOKENS_AT_ONCE.get(self.device.type, 1 << 16) // self.config.grid**2)
        positions = self.prompt_encoder.dense_positions()
        before: list[int] = []
        shared: SharedImages | None = None
        for chunk in chunks(frames, prompts, size):
            images = sorted(set(chunk.images.tolist()))
            if images != before:
                stacked = torch.stack([embeddings[i]["image_embedding"] for i in images])
                # As the decoder's first layer wants them: turned here, once, not for every prompt.
                stacked = stacked.contiguous(memory_format=torch.channels_last)
                before, shared = images, None
            # Not by how many prompts there are: answers would depend on it, by rounding.
            if chunk.masks is None and shared is None and size > 1:
                shared = self.share(stacked, positions)
            which = torch.from_numpy(np.searchsorted(images, chunk.images))
            seen = shared if chunk.masks is None and shared is not None else stacked
            logits, predicted_iou = self.predict(seen, which, chunk, positions, wanted)
            for image in images:
                own = np.flatnonzero(chunk.images == image)
                rows = np.repeat(chunk.rows[own], logits.shape[1])
                yield (
                    image,
                    _masks(
                        embeddings[image],
                        prompts[image],
                        logits[own[0] : own[-1] + 1].flatten(0, 1),
                        predicted_iou[own[0] : own[-1] + 1].flatten().float().cpu().numpy(),
                        rows,
                    ),
                )

    def share(self, image_embeddings: torch.Tensor, positions: torch.Tensor) -> SharedImages:
        """What prompts without a mask share of their (I, C, grid, grid) images; for `predict`."""
        images = image_embeddings.to(self.device, self.dtype) + self.prompt_encoder.embed_no_mask()
        return self.mask_decoder.share(images, positions)

    def predict(
        self,
        image_embeddings: torch.Tensor | SharedImages,
        which: torch.Tensor,
        chunk: Chunk,
        positions: torch.Tensor,
        mask_tokens: slice,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (B, M, h, w) and predicted IoU (B, M) for a chunk of B prompts; differentiable.

        image_embeddings: (I, C, grid, grid), or `share` of them. which: (B,) the image of each prompt.
        positions: `prompt_encoder.dense_positions()`.
        """
        device, dtype = self.device, self.dtype
        encoder = self.prompt_encoder
        sparse = encoder.embed_points(chunk.xy.to(device), chunk.kinds.to(device))
        if chunk.embeddings is not None:
            sparse = torch.cat([sparse, chunk.embeddings.to(device, dtype)], dim=1)
        which, images = which.to(device), image_embeddings
        if isinstance(images, torch.Tensor):
            if chunk.masks is None:
                dense = encoder.embed_no_mask()
            else:
                dense = encoder.embed_masks(chunk.masks.to(device, dtype))
            images = images.to(device, dtype)
            if len(images) == 1:
                images = (images + dense).expand(len(which), -1, -1, -1)
            else:
                images = images[which] + dense
        answer: tuple[torch.Tensor, torch.Tensor] = self.mask_decoder(
            images, positions, sparse, mask_tokens, which
        )
        return answer

    def _check(self, prompts: Sequence[Prompts]) -> None:
        side, channels = self.config.low_res_size, self.config.channels
        for asked in prompts:
            for mask in asked.masks or ():
                if mask is not None and tuple(mask.shape) != (side, side):
                    raise ValueError(
                        f"a mask prompt for {self.name} is ({side}, {side}) low-resolution logits of an "
                        f"earlier answer (Masks.logits), got {tuple(mask.shape)}"
                    )
            for embedding in asked.embeddings or ():
                if embedding is not None and embedding.shape[1] != channels:
                    raise ValueError(
                        f"prompt embeddings for {self.name} are (tokens, {channels}), "
                        f"got {tuple(embedding.shape)}"
                    )


def _masks(
    embedding: ImageEmbedding,
    prompts: Prompts,
    logits: torch.Tensor,
    predicted_iou: NDArray[np.float32],
    prompt_index: NDArray[np.int64],
) -> Masks:
    return Masks(
        embedding.frame,
        logits=logits,
        predicted_iou=predicted_iou,
        prompt_index=prompt_index,
        scores=predicted_iou if prompts.scores is None else prompts.scores[prompt_index],
        class_ids=None if prompts.class_ids is None else prompts.class_ids[prompt_index],
    )
