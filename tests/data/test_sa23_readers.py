"""data.sa23: every dataset of the 23, read from the layout that its owner ships."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from samkit.data import coco, sa23
from samkit.data.sa23 import DATASETS
from samkit.ops import rle
from tests.data import sa23_layouts as layouts
from tests.data.sa23_layouts import LOW, RING, SIZE, SQUARE, WRITERS


def lay_out(root, name):
    if name == "hypersim":
        pytest.importorskip("h5py")
    return WRITERS[name](root / name)


@pytest.mark.parametrize("name", DATASETS)
def test_pictures_and_masks_of_each_dataset(tmp_path, name):
    expected = lay_out(tmp_path, name)
    dataset = sa23(name, tmp_path)
    assert dataset.ids == list(expected)
    for sample, masks in zip(dataset, expected.values(), strict=True):
        truth = sample.annotations
        assert sample.image.shape == (*truth.size, 3)
        assert np.array_equal(truth.binary(), np.array(masks).reshape(-1, *truth.size))
        assert truth.areas.tolist() == [mask.sum() for mask in masks]
    assert sa23(name, tmp_path, limit=1).ids == list(expected)[:1]


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "visor"])
def test_broken_missing_and_wrong_pictures_are_their_samples_own_errors(tmp_path, name):
    expected = lay_out(tmp_path, name)
    samples = list(sa23(name, tmp_path))
    files = layouts.pictures(tmp_path / name)
    assert len(files) >= len(expected)
    for file in files:
        layouts.picture(file, (12, 9))
    for sample in samples:
        with pytest.raises(ValueError, match=r"is \(12, 9\) \(height, width\).*\(12, 16\)"):
            sample.image  # noqa: B018
    for file in files:
        file.write_bytes(b"no picture")
    for sample in samples:
        with pytest.raises(ValueError, match=f"cannot read {tmp_path / name}"):
            sample.image  # noqa: B018
    for file in files:
        file.unlink()
    for sample in samples:
        with pytest.raises(FileNotFoundError, match=str(tmp_path / name)):
            sample.image  # noqa: B018


def test_pictures_in_a_zip(tmp_path):
    layouts.visor(tmp_path / "visor")
    packed, loose = sa23("visor", tmp_path)
    root = tmp_path / "visor/GroundTruth-SparseAnnotations/rgb_frames/val"
    with zipfile.ZipFile(root / "P01/P01_107.zip", "w") as archive:
        archive.write(layouts.picture(tmp_path / "a.jpg", (9, 9)), packed.id)
    with pytest.raises(ValueError, match=r"P01_107.zip is \(9, 9\).*\(1080, 1920\)"):
        packed.image  # noqa: B018
    with zipfile.ZipFile(root / "P01/P01_107.zip", "w") as archive:
        archive.writestr("other.jpg", b"")
    with pytest.raises(ValueError, match=f"cannot read {packed.id} in .*P01_107.zip"):
        packed.image  # noqa: B018
    (root / "P01/P01_107.zip").write_bytes(b"no ZIP")
    with pytest.raises(ValueError, match=f"cannot read {packed.id} in .*P01_107.zip"):
        packed.image  # noqa: B018
    (root / "P02/P02_1/P02_1_frame_1.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"P02_1.zip"):
        loose.image  # noqa: B018


def test_two_points_enclose_nothing(tmp_path):
    layouts.ndd20(tmp_path / "ndd20")
    below = sa23("ndd20", tmp_path)[1].annotations
    assert below.areas.tolist() == [LOW.sum(), 0]


def test_regions_that_cannot_be_read_name_file_and_picture(tmp_path):
    layouts.ndd20(tmp_path / "ndd20")
    path = tmp_path / "ndd20/NDD20/ABOVE_LABELS.json"
    content = json.loads(path.read_text())
    content["7.jpg5"]["regions"].append({"shape_attributes": {"name": "circle", "cx": 3}})
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"ABOVE_LABELS.json, 7.jpg: a region is a circle"):
        sa23("ndd20", tmp_path)[0]
    del content["7.jpg5"]["regions"][0]["shape_attributes"]["all_points_y"]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"ABOVE_LABELS.json, 7.jpg.*all_points_y"):
        sa23("ndd20", tmp_path)[0]


def test_a_turned_photograph_has_its_upright_size(tmp_path):
    layouts.streets(tmp_path / "streets")
    path = tmp_path / "streets/vehicleannotations/images/main-and-5th-1.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (SIZE[0], SIZE[1])).save(path, exif=exif)
    [sample] = sa23("streets", tmp_path)
    assert sample.annotations.size == SIZE == sample.image.shape[:2]


def test_tracks_are_absent_where_they_are_null(tmp_path):
    layouts.ovis(tmp_path / "ovis")
    first, second = sa23("ovis", tmp_path)
    assert (first.annotations.ids.tolist(), second.annotations.ids.tolist()) == ([1, 2], [2])
    assert first.annotations.class_names == {2: "Sheep"}
    path = tmp_path / "ovis/annotations_train.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["segmentations"].pop()
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="track 1 has 1 segmentations, its video 2 frames"):
        sa23("ovis", tmp_path)


def test_holes_and_sixteen_bits(tmp_path):
    layouts.ishape(tmp_path / "ishape")
    truth = sa23("ishape", tmp_path)[0].annotations
    assert truth.ids.tolist() == [700, 65535]
    assert not truth.binary()[1][8, 11:13].any()
    # The owners' COCO file tells the same masks by run lengths.
    content = layouts.coco_content("1.jpg")
    path = layouts.text(tmp_path / "rle/instances.json", content)
    layouts.picture(tmp_path / "rle/1.jpg")
    assert np.array_equal(coco(path, images=path.parent)[0].annotations.binary()[1], RING)


def test_sets_whose_names_have_spaces(tmp_path):
    top = tmp_path / "doors/DOORS/Regression/Te1_5000_b_2022-08-02 11.16.00"
    layouts.picture(top / "img/1.png")
    layouts.label(top / "Rock_all/1.png", RING * 255)
    [sample] = sa23("doors", tmp_path, split="Regression")
    assert sample.id == "Te1_5000_b_2022-08-02 11.16.00/img/1.png"
    assert np.array_equal(sample.annotations.binary(), RING[None])


def test_lvis_v1_has_no_file_name(tmp_path):
    layouts.lvis(tmp_path / "lvis")
    content = layouts.coco_content("", frequency="r")
    del content["images"][0]["file_name"]
    content["images"][0]["coco_url"] = layouts.URL.format(1)
    layouts.text(tmp_path / "lvis/annotations/lvis_v1_val.json", content)
    [sample] = sa23("lvis", tmp_path, split="v1_val")
    assert sample.image.shape == (*SIZE, 3)
    with pytest.raises(FileNotFoundError, match=r"no split v2 .*there: v0.5_val, v1_val"):
        sa23("lvis", tmp_path, split="v2")


def test_hands_that_touch_at_a_corner_are_one(tmp_path):
    layouts.gtea(tmp_path / "gtea")
    stairs = np.zeros(SIZE, bool)
    stairs[2:4, 2:4] = stairs[4:6, 4:6] = True
    layouts.label(tmp_path / "gtea/GTEA_GAZE_PLUS/Masks/a.png", (stairs | RING) * 255)
    truth = sa23("gtea", tmp_path)[1].annotations
    assert np.array_equal(truth.binary(), [stairs, RING])


def test_what_does_not_count(tmp_path):
    layouts.cityscapes(tmp_path / "cityscapes")
    layouts.dram(tmp_path / "dram")
    [street], [painting] = sa23("cityscapes", tmp_path), sa23("dram", tmp_path)
    truth = street.annotations
    assert truth.ids.tolist() == [7, 26, 24000, 26001]
    assert truth.class_ids.tolist() == [7, 26, 24, 26]
    assert truth.is_crowd.tolist() == [False, True, False, False]
    for sample in (street, painting):
        [ignored] = rle.decode([sample.annotations.ignored])
        assert ignored.sum() == 16 and ignored[0].all()
    assert [painting.annotations.class_names[c] for c in painting.annotations.class_ids] == [
        "bird",
        "person",
    ]


def test_parts_know_their_whole(tmp_path):
    layouts.ade20k(tmp_path / "ade20k")
    truth = sa23("ade20k", tmp_path)[0].annotations
    assert truth.parents.tolist() == [-1, -1, 1]
    mask = tmp_path / (
        "ade20k/ADE20K_2021_17_01/images/ADE/validation/urban/street/ADE_val_1/"
        "instance_002_ADE_val_1.png"
    )
    layouts.label(mask, SQUARE[:5] * 255)
    with pytest.raises(ValueError, match=r"instance_002.*\(5, 16\).*\(12, 16\)"):
        sa23("ade20k", tmp_path)[0]
    mask.unlink()
    with pytest.raises(FileNotFoundError, match="instance_002"):
        sa23("ade20k", tmp_path)[0]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("timberseg", "y5npsm3gkj-2/prescaled/coco_annotation.json"),
        ("ndd20", "NDD20/ABOVE_LABELS.json"),
        ("ovis", "annotations_train.json"),
        ("visor", "GroundTruth-SparseAnnotations/annotations/val/P02_1.json"),
        ("woodscape", "instance_annotations/00001_FV.json"),
        (
            "ade20k",
            "ADE20K_2021_17_01/images/ADE/validation/urban/street/ADE_val_1.json",
        ),
        ("dram", "DRAM_processed/labels/realism/corot/1.png"),
        ("egohos", "train/label/ego4d_1.png"),
        ("gtea", "GTEA_GAZE_PLUS/Masks/a.png"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"[1]", b'{"a": 1}'])
def test_broken_truth_is_told_by_its_file(tmp_path, name, file, content):
    WRITERS[name](tmp_path / name)
    (tmp_path / name / file).write_bytes(content)
    with pytest.raises(ValueError, match=str(tmp_path / name / file)):
        list(sa23(name, tmp_path))


def test_a_broken_hdf5_is_told_by_its_file(tmp_path):
    pytest.importorskip("h5py")
    layouts.hypersim(tmp_path / "hypersim")
    [path] = (tmp_path / "hypersim").glob("ai_001*/images/*/*.hdf5")
    path.write_bytes(b"no HDF5")
    with pytest.raises(ValueError, match=str(path)):
        sa23("hypersim", tmp_path)[0]
    path.unlink()
    with pytest.raises(FileNotFoundError, match=str(path)):
        sa23("hypersim", tmp_path)[0]
