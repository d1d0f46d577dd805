"""Small datasets on disk, laid out as the owners of the 23 lay out theirs; for tests."""

import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from samkit.ops import rle

SIZE = (12, 16)
SQUARE = np.zeros(SIZE, bool)
SQUARE[2:6, 3:8] = True
RING = np.zeros(SIZE, bool)
RING[6:11, 9:15] = True
RING[8, 11:13] = False
SQUARE_XY = [[3, 2], [8, 2], [8, 6], [3, 6]]
LOW = np.zeros(SIZE, bool)
LOW[8:11, 1:5] = True
LOW_XY = [[1, 8], [5, 8], [5, 11], [1, 11]]
URL = "http://images.cocodataset.org/val2017/{:012d}.jpg"


def picture(path: Path, size=SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size[1], size[0]), (40, 90, 60)).save(path)
    return path


def pictures(root: Path) -> list[Path]:
    """The files that `picture` wrote, unless they are packed: no map of labels has one colour."""
    found = []
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in (".jpg", ".png"):
            pixels = np.array(Image.open(path).convert("RGB"))
            if pixels.any() and (pixels == pixels[0, 0]).all():
                found.append(path)
    return found


def label(path: Path, values, dtype=np.uint8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values).astype(dtype)).save(path)
    return path


def text(path: Path, content) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def two(first=1, second=2):
    """A map with the square and the ring."""
    return np.where(SQUARE, first, np.where(RING, second, 0))


def flat(xy):
    return [coordinate for corner in xy for coordinate in corner]


def coco_content(*names, **more):
    """COCO: every picture has the square as a polygon and the ring as run lengths."""
    [ring] = rle.encode(RING[None])
    height, width = SIZE
    images = [
        {"id": n, "file_name": name, "height": height, "width": width}
        for n, name in enumerate(names, start=1)
    ]
    return {
        "images": images,
        "annotations": [
            {"id": 10 * image["id"] + n, "image_id": image["id"], "category_id": 3, **shape}
            for image in images
            for n, shape in enumerate([{"segmentation": [flat(SQUARE_XY)]}, {"segmentation": ring}])
        ],
        "categories": [{"id": 3, "name": "car", **more}],
    }


def via_region(xy):
    x, y = zip(*xy, strict=True)
    shape = {"name": "polygon", "all_points_x": list(x), "all_points_y": list(y)}
    return {"shape_attributes": shape, "region_attributes": {"object": "dolphin"}}


def ppdls(root):
    for name in ("Ara2012/ara2012_plant001", "Tobacco/tobacco_plant002"):
        picture(root / "Plant_Phenotyping_Datasets/Plant" / f"{name}_rgb.png")
    picture(root / "Plant_Phenotyping_Datasets/Plant/Ara2012/ara2012_plant009_rgb.png")
    plant = root / "Plant_Phenotyping_Datasets/Plant"
    label(plant / "Ara2012/ara2012_plant001_label.png", two())
    colours = np.zeros((*SIZE, 3))
    colours[RING], colours[SQUARE] = (0, 255, 0), (200, 0, 0)
    label(plant / "Tobacco/tobacco_plant002_label.png", colours)
    label(plant / "Ara2012/ara2012_plant001_fg.png", two() > 0)
    return {
        "Ara2012/ara2012_plant001_rgb.png": [SQUARE, RING],
        "Tobacco/tobacco_plant002_rgb.png": [RING, SQUARE],
    }


def bbbc038v1(root):
    picture(root / "stage1_train/ab12/images/ab12.png")
    label(root / "stage1_train/ab12/masks/1.png", SQUARE * 255)
    label(root / "stage1_train/ab12/masks/2.png", RING * 255)
    return {"ab12": [SQUARE, RING]}


def doors(root):
    for name in ("000001.png", "000002.png"):
        picture(root / "DOORS/Segmentation/DS1/DS/img" / name)
        label(root / "DOORS/Segmentation/DS1/DS/mask" / name, RING * 255)
    text(root / "DOORS/Segmentation/DS1/T_30000_b_2022-08-02 11.14.22.txt", "1 0 0")
    return {"img/000001.png": [RING], "img/000002.png": [RING]}


def timberseg(root):
    picture(root / "y5npsm3gkj-2/prescaled/000.png")
    content = coco_content("000.png")
    text(root / "y5npsm3gkj-2/prescaled/coco_annotation.json", content)
    content["annotations"][0]["bbox"] = [5, 4, 5, 4, 0.5]
    text(root / "y5npsm3gkj-2/prescaled/coco_annotation_rotated.json", content)
    return {1: [SQUARE, RING]}


def ndd20(root):
    picture(root / "NDD20/ABOVE/7.jpg")
    picture(root / "NDD20/BELOW/7.jpg")
    for part, regions in {"ABOVE": [SQUARE_XY], "BELOW": [LOW_XY, LOW_XY[:2]]}.items():
        entry = {"filename": "7.jpg", "size": 5, "regions": [via_region(xy) for xy in regions]}
        text(root / f"NDD20/{part}_LABELS.json", {"7.jpg5": entry})
    return {"ABOVE/7.jpg": [SQUARE], "BELOW/7.jpg": [LOW, np.zeros(SIZE, bool)]}


def lvis(root):
    picture(root / "val2017/000000000001.jpg")
    content = coco_content("COCO_val2014_000000000001.jpg", frequency="r")
    content["images"][0]["coco_url"] = URL.format(1)
    text(root / "annotations/lvis_v0.5_val.json", content)
    return {1: [SQUARE, RING]}


def streets(root):
    picture(root / "vehicleannotations/images/main-and-5th-1.jpg")
    regions = {"0": via_region(SQUARE_XY), "1": via_region(LOW_XY)}
    entry = {"fileref": "", "size": 9, "filename": "main-and-5th-1.jpg", "regions": regions}
    path = root / "vehicleannotations/annotations/vehicle-annotations.json"
    text(path, {"main-and-5th-1.jpg9": entry})
    return {"main-and-5th-1.jpg": [SQUARE, LOW]}


def zerowaste(root):
    picture(root / "splits_final_deblurred/train/data/01_frame_1.PNG")
    text(root / "splits_final_deblurred/train/labels.json", coco_content("01_frame_1.PNG"))
    return {1: [SQUARE, RING]}


def ishape(root):
    expected = {}
    for subset in ("antenna", "wire"):
        picture(root / f"ishape_dataset/{subset}/val/image/1.jpg")
        values = two(700, 65535)  # more than eight bits
        label(root / f"ishape_dataset/{subset}/val/instance_map/1.png", values, np.uint16)
        expected[f"{subset}/val/image/1.jpg"] = [SQUARE, RING]
    return expected


def ade20k(root):
    scene = root / "ADE20K_2021_17_01/images/ADE/validation/urban/street"
    picture(scene / "ADE_val_1.jpg")
    part = np.zeros(SIZE, bool)
    part[3:5, 4:6] = True
    objects = []
    # Ids have gaps: objects were deleted while people annotated.
    for id, mask, whole in [(0, RING, []), (2, SQUARE, []), (5, part, 2)]:
        hidden = 128 * (np.roll(mask, 1, axis=1) & ~mask)
        name = f"ADE_val_1/instance_{id:03d}_ADE_val_1.png"
        label(scene / name, 255 * mask + hidden)
        parts = {"hasparts": 5 if id == 2 else [], "ispartof": whole, "part_level": int(id == 5)}
        one = {"id": id, "name": "car", "name_ndx": 401, "parts": parts, "instance_mask": name}
        objects.append(one)
    picture_of = {"filename": "ADE_val_1.jpg", "imsize": [*SIZE, 3], "object": objects}
    text(scene / "ADE_val_1.json", {"annotation": picture_of})
    return {"urban/street/ADE_val_1.jpg": [RING, SQUARE, part]}


def ovis(root):
    names = [f"3d04522a/img_000000{n}.jpg" for n in (1, 6)]
    for name in names:
        picture(root / "train" / name)
    [square], [ring] = rle.encode(SQUARE[None]), rle.encode(RING[None])
    tracks = [[square, None], [ring, ring]]
    content = {
        "videos": [
            {"id": 4, "height": 12, "width": 16, "length": 2, "file_names": names},
        ],
        "annotations": [
            {"id": n, "video_id": 4, "category_id": 2, "iscrowd": 0, "segmentations": track}
            for n, track in enumerate(tracks, start=1)
        ],
        "categories": [{"id": 2, "name": "Sheep"}],
    }
    text(root / "annotations_train.json", content)
    return {names[0]: [SQUARE, RING], names[1]: [RING]}


def hypersim(root):
    import h5py

    for volume in ("001", "020"):
        images = root / f"ai_{volume}_001/images"
        picture(images / "scene_cam_00_final_preview/frame.0000.tonemap.jpg")
        path = images / "scene_cam_00_geometry_hdf5/frame.0000.semantic_instance.hdf5"
        path.parent.mkdir(parents=True)
        with h5py.File(path, "w") as file:
            file["dataset"] = np.where(two() == 0, -1, two(5, 300)).astype(np.int16)
    id = "ai_001_001/images/scene_cam_00_final_preview/frame.0000.tonemap.jpg"
    return {id: [SQUARE, RING]}


def ndispark(root):
    picture(root / "train/imgs/64_1.jpg")
    picture(root / "train/imgs/65_1.jpg")
    content = coco_content("64_1.jpg", "65_1.jpg")
    content["annotations"] = content["annotations"][:2]  # the second one shows no car
    text(root / "train/train_coco_annotations.json", content)
    return {1: [SQUARE, RING], 2: []}


def visor(root):
    size = (1080, 1920)
    top = root / "GroundTruth-SparseAnnotations"
    path = picture(root / "P01_107_frame_0000000263.jpg", size)
    archive = top / "rgb_frames/val/P01/P01_107.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(path, path.name)
    path.unlink()
    picture(top / "rgb_frames/val/P02/P02_1/P02_1_frame_1.jpg", size)
    for video, name in [("P01_107", path.name), ("P02_1", "P02_1_frame_1.jpg")]:
        hand = {"id": "a", "name": "left hand", "segments": [SQUARE_XY, LOW_XY], "class_id": 300}
        frame = {"image": {"name": name, "video": video}, "annotations": [hand]}
        text(top / f"annotations/val/{video}.json", {"video_annotations": [frame]})
    large = np.zeros(size, bool)
    large[: SIZE[0], : SIZE[1]] = SQUARE | LOW
    return {path.name: [large], "P02_1_frame_1.jpg": [large]}


def plittersdorf(root):
    inner = root / "plittersdorf_instance_segmentation_coco"
    for name in ("train", "val", "test"):
        picture(inner / f"images/{name}.jpg")
        text(inner / f"{name}.json", coco_content(f"{name}.jpg"))
    return {f"{name}/1": [SQUARE, RING] for name in ("train", "val", "test")}


def egohos(root):
    for name in ("ego4d_1", "thu-read_1", "epic_1"):
        picture(root / f"train/image/{name}.jpg")
        label(root / f"train/label/{name}.png", two(2, 8))
    return {f"image/{name}.jpg": [SQUARE, RING] for name in ("ego4d_1", "thu-read_1")}


def ibd(root):
    picture(root / "train/1.png")
    label(root / "train_labels/1.png", two(9, 4))
    return {"train/1.png": [RING, SQUARE]}


def woodscape(root):
    picture(root / "rgb_images/00001_FV.png")
    picture(root / "rgb_images/00002_FV.png")  # the owners' test set has no annotation
    outlines = [{"tags": ["car"], "states": {}, "segmentation": xy} for xy in (SQUARE_XY, LOW_XY)]
    inner = {"image_width": SIZE[1], "image_height": SIZE[0], "annotation": outlines}
    text(root / "instance_annotations/00001_FV.json", {"00001_FV.json": inner})
    return {"rgb_images/00001_FV.png": [SQUARE, LOW]}


def cityscapes(root):
    picture(root / "leftImg8bit/val/ulm/ulm_000000_000019_leftImg8bit.png")
    values = np.full(SIZE, 7)
    values[0] = 3  # what lies outside of the rectified picture
    values[1] = 26  # a group of cars
    values[SQUARE], values[RING] = 26001, 24000
    path = root / "gtFine/val/ulm/ulm_000000_000019_gtFine_instanceIds.png"
    label(path, values, np.uint16)
    id = "leftImg8bit/val/ulm/ulm_000000_000019_leftImg8bit.png"
    return {id: [values == 7, values == 26, RING, SQUARE]}


def pidray(root):
    picture(root / "pidray/hard/xray_00001.png")
    content = coco_content("xray_00001.jpg")  # the pictures are PNG
    text(root / "pidray/annotations/xray_test_hard.json", content)
    return {1: [SQUARE, RING]}


def dram(root):
    picture(root / "DRAM_processed/test/realism/corot/1.jpg")
    values = two(15, 3)
    values[0], values[1] = 255, 18  # ignored; a sofa is background
    label(root / "DRAM_processed/labels/realism/corot/1.png", values)
    return {"test/realism/corot/1.jpg": [RING, SQUARE]}


def trashcan(root):
    picture(root / "dataset/instance_version/train/vid_000001_frame0000001.jpg")
    content = coco_content("vid_000001_frame0000001.jpg")
    text(root / "dataset/instance_version/instances_train_trashcan.json", content)
    return {1: [SQUARE, RING]}


def gtea(root):
    for name in ("a", "Ahmad_Burger/b"):
        picture(root / f"GTEA_GAZE_PLUS/Images/{name}.jpg")
        label(root / f"GTEA_GAZE_PLUS/Masks/{name}.png", (SQUARE | RING) * 255)
    return {f"Images/{name}.jpg": [SQUARE, RING] for name in ("Ahmad_Burger/b", "a")}


WRITERS = {
    writer.__name__: writer
    for writer in (
        *(
            ppdls,
            bbbc038v1,
            doors,
            timberseg,
            ndd20,
            lvis,
            streets,
            zerowaste,
            ishape,
            ade20k,
            ovis,
        ),
        *(
            hypersim,
            ndispark,
            visor,
            plittersdorf,
            egohos,
            ibd,
            woodscape,
            cityscapes,
            pidray,
            dram,
        ),
        *(trashcan, gtea),
    )
}
