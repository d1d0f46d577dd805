"""The paper's numbers (Segment Anything, arXiv 2304.02643v1), each with its place.

Fractions under the names that our metrics give, so that a summary can print one beside the other.
"""

from collections.abc import Mapping

Numbers = Mapping[str, float]

# Table 5: instance segmentation, mask AP on COCO val2017 and LVIS v1 val. Boxes of ViTDet-H prompt
# SAM ViT-H (section 7.4, appendix D.4); "ViTDet-H" are that detector's own masks.
COCO_INSTANCE_SEGMENTATION: Mapping[str, Numbers] = {
    "SAM": {"AP": 0.465, "APs": 0.308, "APm": 0.510, "APl": 0.617},
    "ViTDet-H": {"AP": 0.510, "APs": 0.320, "APm": 0.543, "APl": 0.689},
}
LVIS_INSTANCE_SEGMENTATION: Mapping[str, Numbers] = {
    "SAM": {"AP": 0.447, "APs": 0.325, "APm": 0.576, "APl": 0.655},
    "ViTDet-H": {"AP": 0.466, "APs": 0.350, "APm": 0.580, "APl": 0.663},
}

# Table 4: object proposals on LVIS v1 val, mask AR at 1000 proposals (section 7.3, appendix D.3).
LVIS_PROPOSALS: Mapping[str, Numbers] = {
    "SAM": {
        "AR@1000": 0.593,
        "ARs@1000": 0.455,
        "ARm@1000": 0.816,
        "ARl@1000": 0.869,
        "ARf@1000": 0.591,
        "ARc@1000": 0.639,
        "ARr@1000": 0.658,
    },
    "SAM single output": {
        "AR@1000": 0.549,
        "ARs@1000": 0.428,
        "ARm@1000": 0.767,
        "ARl@1000": 0.744,
        "ARf@1000": 0.547,
        "ARc@1000": 0.598,
        "ARr@1000": 0.620,
    },
    "ViTDet-H": {
        "AR@1000": 0.630,
        "ARs@1000": 0.517,
        "ARm@1000": 0.808,
        "ARl@1000": 0.870,
        "ARf@1000": 0.631,
        "ARc@1000": 0.633,
        "ARr@1000": 0.583,
    },
}

# Table 3: zero-shot edges on BSDS500 (section 7.2, appendix D.2). HED and EDETR were trained on it.
BSDS500_EDGES: Mapping[str, Numbers] = {
    "SAM": {"ODS": 0.768, "OIS": 0.786, "AP": 0.794, "R50": 0.928},
    "HED": {"ODS": 0.788, "OIS": 0.808, "AP": 0.840, "R50": 0.923},
    "EDETR": {"ODS": 0.840, "OIS": 0.858, "AP": 0.896, "R50": 0.930},
    "Felz-Hutt": {"ODS": 0.610, "OIS": 0.640, "AP": 0.560},
    "Canny": {"ODS": 0.600, "OIS": 0.640, "AP": 0.580},
    "Sobel": {"ODS": 0.539},
}

# Clicks to masks, mean IoU over 23 datasets after 1 and 5 clicks, the first in the centre (section
# 7.1). This paper has only a plot (figure 9); these are printed in SAM 2 (arXiv 2408.00714), tables
# 6 and 15.
SA23_POINTS: Mapping[str, Numbers] = {
    "ViT-H": {"mIoU@1": 0.581, "mIoU@5": 0.813},
    "ViT-B": {"mIoU@1": 0.559, "mIoU@5": 0.809},
}

# Clicks that RITM needs to an IoU of .85 and .90, at most 20: HRNet-32 with iterative training on
# COCO and LVIS (`coco_lvis_h32_itermask`), from the README of SamsungLabs/ritm_interactive_segmentation.
# By dataset; each is the whole one.
RITM_CLICKS: Mapping[str, Numbers] = {
    "grabcut": {"NoC@85": 1.46, "NoC@90": 1.56},
    "berkeley_interactive": {"NoC@90": 2.10},
    "davis_interactive": {"NoC@85": 4.11, "NoC@90": 5.34},
    "coco_mval": {"NoC@90": 2.97},
}
