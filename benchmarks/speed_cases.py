"""What the speed benchmark measures inside one process: each case is a call for every peer."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from speed_peers import Image, Official, Peer, Samkit

from samkit import Masks, Prompts, Sample
from samkit.data import Dataset
from samkit.ops import rle
from samkit.stages import Embed, Proposals, Segment

Calls = dict[str, Callable[[], Any]]
Agreement = Callable[[Any, Any], dict[str, float]]


def encode(peers: Sequence[Peer], count: int) -> tuple[Calls, Agreement]:
    """`count` square photographs to embeddings: nothing of the model's square is padding."""
    images = [photograph(1024, 1024, turn) for turn in range(count)]
    calls: Calls = {
        peer.name: lambda peer=peer: [peer.embedding(e) for e in peer.encode(images)]  # type: ignore[misc]
        for peer in peers
    }
    return calls, lambda ours, theirs: {"embeddings differ by": apart(ours, theirs)}


def prompts(peers: Sequence[Peer], count: int) -> tuple[Calls, Agreement]:
    """`count` one-point prompts on a ready embedding to low-resolution logits."""
    xy = np.random.default_rng(0).uniform(0, 1024, (count, 2)).astype(np.float32)
    calls: Calls = {peer.name: partial(peer.decode, encoded(peer), xy) for peer in peers}
    return calls, logits_agree


def boxes(peers: Sequence[Peer], count: int) -> tuple[Calls, Agreement]:
    """`count` boxes on a ready embedding of a 480 x 640 photograph to run lengths of the best of three.

    The official package as its readme has it: the predictor in a loop, pycocotools for run lengths.
    """
    image = photograph(480, 640)
    low = np.random.default_rng(0).uniform(0, (480, 320), (count, 2))
    xyxy = np.concatenate([low, low + np.array([120, 150])], axis=1).astype(np.float32)
    calls: Calls = {}
    for peer in peers:
        if isinstance(peer, Samkit):
            [embedding] = peer.encode([image])
            sample = Sample(
                id=0, image=image, embedding=embedding, prompts=Prompts.from_boxes(xyxy)
            )
            calls[peer.name] = partial(one_masks, Segment(peer.sam), sample)
        elif isinstance(peer, Official):
            from segment_anything import SamPredictor

            predictor = SamPredictor(peer.model)
            predictor.set_image(image)
            calls[peer.name] = partial(loop, predictor, xyxy)
    return calls, masks_agree


def everything(peers: Sequence[Peer], side: int, filters: bool) -> tuple[Calls, Agreement]:
    """A grid of side x side points on a 1200 x 1800 photograph to run lengths, encoding included.

    filters: by predicted IoU; random weights pass none, so off for those.
    """
    image = photograph(1200, 1800)
    # tiny is less sure of its masks than an official SAM: the shipped 0.88 and 0.95 would leave none.
    kept: dict[str, Any] = {"points_per_side": side, "stability_score_thresh": 0.0}
    kept["pred_iou_thresh"] = 0.22 if filters else 0.0
    calls: Calls = {}
    for peer in peers:
        if isinstance(peer, Samkit):
            find = Embed(peer.sam) | Proposals(peer.sam, **kept)
            calls[peer.name] = partial(one_masks, find, Sample(id=0, image=image))
        elif isinstance(peer, Official):
            from segment_anything import SamAutomaticMaskGenerator

            generator = SamAutomaticMaskGenerator(peer.model, output_mode="coco_rle", **kept)
            calls[peer.name] = partial(generated, generator, image)
    return calls, masks_agree


def boxes_of_images(
    peers: Sequence[Peer], dataset: Dataset | None, count: int
) -> tuple[Calls, Agreement]:
    """Images with `count` boxes each, encoding included, to run lengths of the best of three.

    dataset: pictures with true boxes, of which each picture's first are taken, over again if it has
    fewer; None is four photographs of 480 x 640 with boxes anywhere.
    """
    samples = _with_boxes(dataset, count)
    calls: Calls = {}
    for peer in peers:
        if isinstance(peer, Samkit):
            calls[peer.name] = partial(all_masks, Embed(peer.sam) | Segment(peer.sam), samples)
        elif isinstance(peer, Official):
            from segment_anything import SamPredictor

            calls[peer.name] = partial(loop_images, SamPredictor(peer.model), samples)
    return calls, masks_agree


def _with_boxes(dataset: Dataset | None, count: int) -> list[Sample]:
    if dataset is not None:
        given = [(sample, sample.annotations.boxes) for sample in dataset if sample.annotations]
        return [
            Sample(
                id=sample.id,
                image=sample.image,
                prompts=Prompts.from_boxes(np.resize(boxes, (count, 4)).astype(np.float32)),
            )
            for sample, boxes in given
            if len(boxes)
        ]
    rng = np.random.default_rng(0)
    samples = []
    for turn in range(4):
        low = rng.uniform(0, (480, 320), (count, 2))
        xyxy = np.concatenate([low, low + np.array([120, 150])], axis=1).astype(np.float32)
        image = photograph(480, 640, turn)
        samples.append(Sample(id=turn, image=image, prompts=Prompts.from_boxes(xyxy)))
    return samples


def linear(sam: Any, counts: Sequence[int]) -> Iterator[tuple[int, Callable[[], None]]]:
    """samkit alone: ever more prompts on one embedding, chunk by chunk, so that none is kept."""
    [embedding] = sam.encode([photograph(1024, 1024)])
    for count in counts:
        xy = np.random.default_rng(0).uniform(0, 1024, (count, 2))
        asked = Prompts.from_points(xy)

        def walk(asked: Prompts = asked) -> None:
            for _, masks in sam.decode_chunks([embedding], [asked]):
                assert isinstance(masks, Masks)

        yield count, walk


@cache
def encoded(peer: Peer) -> Any:
    """Once for all numbers of prompts: at vit_b's size it takes longer than most of those."""
    return peer.encode([photograph(1024, 1024)])[0]


def one_masks(stage: Any, sample: Sample) -> list[Any]:
    run_lengths: list[Any] = stage([sample])[0].masks.rle()
    return run_lengths


def all_masks(stages: Any, samples: Sequence[Sample]) -> list[Any]:
    return [one for sample in stages.stream(samples) for one in sample.masks.rle()]


def loop(predictor: Any, xyxy: NDArray[np.float32]) -> list[Any]:
    """What the official readme does with boxes, and pycocotools' run lengths of the best of three."""
    from pycocotools import mask as coco_mask

    found = []
    for box in xyxy:
        masks, iou, _ = predictor.predict(box=box, multimask_output=True)
        found.append(coco_mask.encode(np.asfortranarray(masks[iou.argmax()])))
    return found


def loop_images(predictor: Any, samples: Sequence[Sample]) -> list[Any]:
    """The same, picture after picture."""
    found = []
    for sample in samples:
        assert sample.prompts is not None and sample.prompts.boxes is not None
        predictor.set_image(sample.image)
        found.extend(loop(predictor, sample.prompts.boxes))
    return found


def generated(generator: Any, image: Image) -> list[Any]:
    return [one["segmentation"] for one in generator.generate(image)]


def photograph(height: int, width: int, turn: int = 0) -> Image:
    """One of scikit-image's photographs, enlarged."""
    import skimage.data
    from PIL import Image as Pillow

    names = ("astronaut", "coffee", "chelsea", "rocket")
    image = Pillow.fromarray(getattr(skimage.data, names[turn % len(names)])())
    return np.asarray(image.resize((width, height), Pillow.Resampling.BICUBIC))


def apart(ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> float:
    """The largest difference as a share of the largest magnitude."""
    a, b = (torch.stack(list(side)).float().cpu() for side in (ours, theirs))
    return float((a - b).abs().max() / b.abs().max())


def logits_agree(ours: torch.Tensor, theirs: torch.Tensor) -> dict[str, float]:
    pixels = ((ours > 0) == (theirs.to(ours.device) > 0)).float().mean()
    return {"logits differ by": apart([ours], [theirs]), "same pixels": float(pixels)}


def masks_agree(ours: list[Any], theirs: list[Any]) -> dict[str, float]:
    """Mask by mask in order where they are equally many: the share of equal pixels, and the least IoU."""
    if len(ours) != len(theirs):
        return {"masks": len(ours), "their masks": len(theirs)}
    same, iou = [1.0], [1.0]
    for mine, other in zip(ours, theirs, strict=True):
        a, b = (pixels(one) for one in (mine, other))
        same.append(float((a == b).mean()))
        iou.append(float((a & b).sum() / max(1, (a | b).sum())))
    return {"masks": len(ours), "same pixels": float(np.mean(same)), "least IoU": min(iou)}


def pixels(run_lengths: Any) -> NDArray[np.bool_]:
    counts = run_lengths["counts"]
    counts = counts.decode() if isinstance(counts, bytes) else counts
    found: NDArray[np.bool_] = rle.decode([{**run_lengths, "counts": counts}])[0]
    return found
