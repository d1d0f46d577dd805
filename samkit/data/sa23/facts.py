"""What is known of the 23 datasets: where they are, how they are stored, what the paper did with them.

From table 7 (appendix D.1) and figure 9a of Segment Anything, arXiv 2304.02643; layouts and licences
as their owners state them, or as published code reads them. Ask the owner before you rely on a
licence: "not stated" means that none was found, not that there is none.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """One dataset of the suite.

    name: its folder under the suite's root, and its name on the command line. title, domain: whose
        and what it is. mask_type: "instance", "panoptic" or "semantic", as the paper says.
    paper_split: the part that the paper used, in its words; split: the same as `sa23` takes it.
    images, masks: how many the paper used. delta: its figure 9a, by how many points of mean IoU SAM
        is above RITM after one click in the centre.
    home, licence: where to get it, on what terms. layout: paths inside the folder, one a line.
    masks_are: by which rule one mask is told from the next.
    seen: whether the reader was held against real files; else against documentation only.
    """

    name: str
    title: str
    domain: str
    mask_type: str
    paper_split: str
    split: str
    images: int
    masks: int
    delta: float
    home: str
    licence: str
    layout: str
    masks_are: str
    seen: bool = False


# In the order of figure 9a: by how much SAM is above RITM.
# fmt: off
_TABLE = (
    Facts(
        "ppdls", "Plant Phenotyping Datasets Leaf Segmentation", "plants", "instance",
        "all", "all", 182, 2347, 46.9,
        "https://www.plant-phenotyping.org/datasets-home", "research and education",
        "Plant/SET/*_rgb.png\n"
        "Plant/SET/*_label.png",
        "each value or colour of the label picture but 0",
    ),
    Facts(
        "bbbc038v1", "Broad Bioimage 038 v1, nuclei", "microscopy", "instance",
        "train", "train", 227, 10506, 44.7,
        "https://bbbc.broadinstitute.org/BBBC038", "CC0",
        "stage1_train/ID/images/ID.png\n"
        "stage1_train/ID/masks/*.png",
        "one file a nucleus", seen=True,
    ),
    Facts(
        "doors", "Dataset fOr bOuldeRs Segmentation", "boulders", "instance",
        "DS1", "DS1", 10000, 10000, 41.1,
        "https://zenodo.org/record/7107409", "CC BY 4.0",
        "Segmentation/DS1/DS/img/*.png\n"
        "Segmentation/DS1/DS/mask/*.png",
        "one boulder a picture, what is not 0",
    ),
    Facts(
        "timberseg", "TimberSeg 1.0", "logs", "instance",
        "all", "all", 220, 2487, 28.9,
        "https://data.mendeley.com/datasets/y5npsm3gkj", "CC BY 4.0, unverified",
        "prescaled/*.png\n"
        "prescaled/coco_annotation.json",
        "each annotation",
    ),
    Facts(
        "ndd20", "Northumberland Dolphin Dataset 2020", "underwater", "instance",
        "all", "all", 4402, 6100, 21.1,
        "https://doi.org/10.25405/data.ncl.c.4982342", "CC BY-NC-SA 4.0",
        "ABOVE/*.jpg\n"
        "ABOVE_LABELS.json\n"
        "BELOW/*.jpg\n"
        "BELOW_LABELS.json",
        "each region; three of two points enclose nothing",
    ),
    Facts(
        "lvis", "LVIS v0.5", "scenes", "instance",
        "validation v0.5", "v0.5_val", 945, 9642, 18.5,
        "https://www.lvisdataset.org", "annotations CC BY 4.0",
        "annotations/lvis_v0.5_val.json\n"
        "val2017/*.jpg (COCO's pictures)",
        "each annotation", seen=True,
    ),
    Facts(
        "streets", "STREETS", "traffic cameras", "instance",
        "all", "all", 819, 9854, 17.3,
        "https://databank.illinois.edu/datasets/IDB-3671567", "not stated",
        "vehicleannotations/images/*.jpg\n"
        "vehicleannotations/annotations/vehicle-annotations.json",
        "each region",
    ),
    Facts(
        "zerowaste", "ZeroWaste-f", "recycling", "instance",
        "train", "train", 2947, 6155, 9.1,
        "https://ai.bu.edu/zerowaste", "CC BY-NC 4.0",
        "splits_final_deblurred/train/data/*.PNG\n"
        "splits_final_deblurred/train/labels.json",
        "each annotation", seen=True,
    ),
    Facts(
        "ishape", "iShape", "irregular shapes", "instance",
        "validation", "val", 754, 9742, 8.8,
        "https://ishape.github.io", "CC0",
        "SUBSET/val/image/*.jpg\n"
        "SUBSET/val/instance_map/*.png (SUBSET: antenna, branch, ...)",
        "each value of the 16-bit map but 0",
    ),
    Facts(
        "ade20k", "ADE20K 2021_17_01", "scenes", "instance",
        "validation", "validation", 302, 10128, 7.8,
        "https://groups.csail.mit.edu/vision/datasets/ADE20K", "non-commercial",
        "images/ADE/validation/GROUP/SCENE/NAME.jpg\n"
        "images/ADE/validation/GROUP/SCENE/NAME.json\n"
        "images/ADE/validation/GROUP/SCENE/NAME/instance_NNN_NAME.png",
        "each object and each part, its visible pixels (255)", seen=True,
    ),
    Facts(
        "ovis", "Occluded Video Instance Segmentation", "video", "instance",
        "train", "train", 2044, 10011, 7.0,
        "https://songbai.site/ovis", "non-commercial",
        "train/VIDEO/img_NNNNNNN.jpg\n"
        "annotations_train.json",
        "each track in each frame where it is seen",
    ),
    Facts(
        "hypersim", "Hypersim", "simulation", "instance",
        "Evermotion Archinteriors volumes 1-55 without 20, 25, 40, 49", "all", 338, 9445, 6.1,
        "https://github.com/apple/ml-hypersim", "CC BY-SA 3.0",
        "ai_VVV_NNN/images/scene_cam_XX_final_preview/frame.IIII.tonemap.jpg\n"
        "ai_VVV_NNN/images/scene_cam_XX_geometry_hdf5/frame.IIII.semantic_instance.hdf5",
        "each instance id above 0", seen=True,
    ),
    Facts(
        "ndispark", "Night and Day Instance Segmented Park", "parking lots", "instance",
        "train", "train", 111, 2577, 2.7,
        "https://zenodo.org/record/6560823", "not stated",
        "train/imgs/*.jpg\n"
        "train/train_coco_annotations.json",
        "each annotation",
    ),
    Facts(
        "visor", "EPIC-KITCHENS VISOR", "egocentric", "instance",
        "validation", "val", 1864, 10141, 1.8,
        "https://epic-kitchens.github.io/VISOR", "CC BY-NC 4.0",
        "GroundTruth-SparseAnnotations/annotations/val/VIDEO.json\n"
        "GroundTruth-SparseAnnotations/rgb_frames/val/PXX/VIDEO.zip (or unpacked as VIDEO/*.jpg)",
        "each annotation, its polygons together",
    ),
    Facts(
        "plittersdorf", "Plittersdorf", "camera traps", "instance",
        "train, val and test", "all", 187, 546, 1.5,
        "https://timm.haucke.xyz/datasets/plittersdorf", "not stated",
        "images/*.jpg\n"
        "train.json\n"
        "val.json\n"
        "test.json",
        "each annotation",
    ),
    Facts(
        "egohos", "Egocentric Hand-Object Segmentation", "egocentric", "instance",
        "train, only Ego4D and THU-READ", "train", 2940, 9961, 0.8,
        "https://github.com/owenzlz/EgoHOS", "not stated; videos have their own terms",
        "train/image/*.jpg\n"
        "train/label/*.png",
        "each value of the label picture but 0",
    ),
    Facts(
        "ibd", "InstanceBuilding 2D", "drones", "instance",
        "train, 2D annotations", "train", 467, 11953, -0.3,
        "https://californiachen.github.io/datasets/InstanceBuilding", "not stated",
        "train/*.png\n"
        "train_labels/*.png",
        "each value or colour of the label picture but 0",
    ),
    Facts(
        "woodscape", "WoodScape", "fisheye driving", "instance",
        "Set 1", "all", 107, 10266, -0.6,
        "https://woodscape.valeo.com/home", "non-commercial",
        "rgb_images/NNNNN_XX.png\n"
        "instance_annotations/NNNNN_XX.json",
        "each annotation",
    ),
    Facts(
        "cityscapes", "Cityscapes", "driving", "panoptic",
        "validation", "val", 293, 9973, -2.0,
        "https://www.cityscapes-dataset.com", "non-commercial",
        "leftImg8bit/val/CITY/*_leftImg8bit.png\n"
        "gtFine/val/CITY/*_gtFine_instanceIds.png",
        "each panoptic segment of the 19 classes; groups are crowds, the rest is ignored",
    ),
    Facts(
        "pidray", "PIDray", "X-ray", "instance",
        "test (hard)", "hard", 3733, 8892, -5.8,
        "https://github.com/bywang2018/security-dataset", "not stated",
        "hard/xray_*.png\n"
        "annotations/xray_test_hard.json",
        "each annotation",
    ),
    Facts(
        "dram", "DRAM", "paintings", "semantic",
        "test", "test", 718, 1179, -6.5,
        "https://faculty.runi.ac.il/arik/site/artseg/Dram-Dataset.html", "research only",
        "test/MOVEMENT/ARTIST/*.jpg\n"
        "labels/MOVEMENT/ARTIST/*.png (or the PNG beside its picture)",
        "each class in a picture; 0 is background, 255 ignored",
    ),
    Facts(
        "trashcan", "TrashCan 1.0", "underwater", "instance",
        "train, instance version", "train", 5936, 9540, -15.0,
        "https://conservancy.umn.edu/handle/11299/214865", "academic",
        "instance_version/train/*.jpg\n"
        "instance_version/instances_train_trashcan.json",
        "each annotation",
    ),
    Facts(
        "gtea", "Georgia Tech Egocentric Activity, hands", "egocentric", "instance",
        "train, hand segmentation", "all", 652, 1208, -21.4,
        "https://cbs.ic.gatech.edu/fpv", "not stated",
        "GTEA_GAZE_PLUS/Images/*.jpg\n"
        "GTEA_GAZE_PLUS/Masks/*.png",
        "each connected component of the hands",
    ),
)
# fmt: on
DATASETS: dict[str, Facts] = {facts.name: facts for facts in _TABLE}
