"""Everything mode beside the official generator: the same masks in the same order.

`benchmarks/proposals_parity.py` does it on many photographs; here it is three small cases.
"""

from typing import Any

import numpy as np
import pytest
import skimage.data

from samkit import Sample, load_sam
from samkit.ops import rle
from samkit.stages import Embed, Proposals

pytest.importorskip("segment_anything", reason="parity needs the extra `official`")
pytest.importorskip("cv2", reason="the official generator cleans masks with OpenCV")

from segment_anything import SamAutomaticMaskGenerator

from samkit.sam.official import OfficialSam

CASES: dict[str, dict[str, Any]] = {
    # 7 * 7 points are not a multiple of the batch: the last, partial batch counts too.
    "grid": {"points_per_side": 7, "points_per_batch": 20},
    "crops, small regions": {
        "points_per_side": 4,
        "crop_n_layers": 2,
        "crop_n_points_downscale_factor": 2,
        "crop_nms_thresh": 0.95,  # so that the last suppression, by the larger bound, has a say
        "min_mask_region_area": 100,
    },
    "own points, odd thresholds": {
        "points_per_side": None,
        "point_grids": [np.random.default_rng(0).random((30, 2)) for _ in range(2)],
        "crop_n_layers": 1,
        "crop_overlap_ratio": 0.1,
        "stability_score_offset": 0.5,
        "box_nms_thresh": 0.6,
        "crop_nms_thresh": 0.5,
    },
}


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_the_same_masks_in_the_same_order(settings: dict[str, Any]) -> None:
    sam = load_sam("tiny", device="cpu")
    image = skimage.data.astronaut()[60:360:2, 100:400:2]
    [sample] = Embed(sam)([Sample(id=1, image=image)])
    thresholds = {"pred_iou_thresh": 1e-3, "stability_score_thresh": 1e-3}
    [everything] = Proposals(sam, points_per_side=4, **thresholds)([sample])
    # Chosen for the number of masks alone: about half pass each.
    thresholds = {
        "pred_iou_thresh": float(np.quantile(everything.masks.predicted_iou, 0.3)),
        "stability_score_thresh": float(np.quantile(everything.masks.stability_score, 0.3)),
    }
    [found] = Proposals(sam, **settings, **thresholds)([sample])
    generator = SamAutomaticMaskGenerator(
        OfficialSam.twin_of(sam).model, output_mode="coco_rle", **settings, **thresholds
    )
    records = generator.generate(image)
    masks = found.masks
    print(len(masks), "masks")
    assert 5 <= len(records) == len(masks)
    theirs = rle.decode([record["segmentation"] for record in records])
    assert (masks.binary() != theirs).mean(axis=(1, 2)).max() < 1e-4
    for ours, name in ((masks.predicted_iou, "predicted_iou"), (masks.points, "point_coords")):
        expected = np.array([record[name] for record in records]).reshape(ours.shape)
        np.testing.assert_allclose(ours, expected, atol=1e-4)
    # One pixel within rounding of a cut is allowed.
    apart = np.abs(masks.stability - [record["stability_score"] for record in records])
    assert (apart < 1e-4 + 1.01 / np.maximum(masks.areas(), 1)).all()
    for ours, name in ((masks.boxes(), "bbox"), (masks.crop_boxes, "crop_box")):
        xywh = np.concatenate([ours[:, :2], ours[:, 2:] - ours[:, :2]], axis=1)
        np.testing.assert_array_equal(xywh, [record[name] for record in records])
