"""data.sa23 on real files, where SAMKIT_TEST_DATA has them."""

import json

import numpy as np
import pytest
from PIL import Image

from samkit.data import sa23, sample_images
from samkit.ops import rle
from tests.data import sa23_layouts as layouts


def test_nuclei(test_data):
    dataset = sa23("bbbc038v1", test_data)
    assert len(dataset) == 40
    drawn = sample_images(dataset, limit=2)
    files = sum(
        len(list((test_data / "bbbc038v1/stage1_train" / str(id) / "masks").iterdir()))
        for id in drawn.dataset.ids
    )
    assert drawn.masks == files and drawn.dataset[0].image.ndim == 3


def test_scenes_with_parts(test_data):
    with pytest.raises(FileNotFoundError, match="no split validation .*there: training"):
        sa23("ade20k", test_data)
    street, other = sa23("ade20k", test_data, split="training")
    assert (len(street.annotations), len(other.annotations)) == (70, 37)
    for sample in (street, other):
        truth = sample.annotations
        # The picture of all wholes tells the class of each pixel: what is visible of an object.
        root = test_data / "ade20k/full_2021_17_01/ADE20K_2021_17_01/images/ADE/training"
        path = root / str(sample.id).replace(".jpg", "_seg.png")
        colours = np.asarray(Image.open(path)).astype(int)
        classes = colours[..., 0] // 10 * 256 + colours[..., 1]
        for row in np.flatnonzero(truth.parents == -1):
            [mask] = rle.decode([truth.run_lengths[row]])
            agreeing = (classes[mask] == truth.class_ids[row]).mean() if mask.any() else 1
            assert agreeing > 0.98, truth.ids[row]
    content = json.loads((root / street.id.replace(".jpg", ".json")).read_text())
    objects = content["annotation"]["object"]
    parts = [i for i, one in enumerate(objects) if one["parts"]["part_level"]]
    assert np.flatnonzero(street.annotations.parents >= 0).tolist() == parts
    whole = objects[street.annotations.parents[parts[0]]]
    assert objects[parts[0]]["id"] in np.atleast_1d(whole["parts"]["hasparts"])


def test_lvis(test_data):
    dataset = sa23("lvis", test_data, split="val_subset")
    drawn = sample_images(dataset)
    # One of the fourteen pictures has no annotation.
    assert (len(drawn.dataset), drawn.masks, drawn.without_objects) == (13, 96, 1)


def test_zerowaste_labels(test_data, tmp_path):
    folder = tmp_path / "zerowaste/splits_final_deblurred/train"
    layouts.picture(folder / "data/09_frame_002000.PNG", (1080, 1920))
    (folder / "labels.json").symlink_to(test_data / "format_samples/zerowaste_labels/labels.json")
    dataset = sa23("zerowaste", tmp_path)
    assert len(dataset) == 1245
    first, second = dataset[:2]
    assert first.image.shape == (1080, 1920, 3)
    assert first.annotations.class_names[int(first.annotations.class_ids[0])] == "cardboard"
    # The file states each polygon's own area.
    assert np.allclose(rle.areas(first.annotations.run_lengths), first.annotations.areas, rtol=0.02)
    with pytest.raises(FileNotFoundError, match="no picture "):
        second.image  # noqa: B018


def test_hypersim_from_the_owners_preview(test_data, tmp_path):
    h5py = pytest.importorskip("h5py")
    scene = test_data / "format_samples/hypersim_1img/ai_001_001"
    palette_file = scene / "_detail/mesh/metadata_semantic_instance_colors.hdf5"
    with h5py.File(palette_file) as file:
        palette = np.asarray(file["dataset"])
    preview = scene / "images/scene_cam_00_geometry_preview/_frame.0000.semantic_instance.png"
    colours = np.asarray(Image.open(preview).convert("RGB"))
    values = np.full(colours.shape[:2], -1, np.int16)
    for id, colour in enumerate(palette):
        if id > 0 and colour.min() >= 0:
            values[(colours == colour).all(axis=2)] = id
    images = tmp_path / "hypersim/ai_001_001/images"
    for camera in ("scene_cam_00_final_preview", "scene_cam_00_geometry_hdf5"):
        (images / camera).mkdir(parents=True)
    (images / "scene_cam_00_final_preview/frame.0000.tonemap.jpg").symlink_to(
        scene / "images/scene_cam_00_final_preview/_frame.0000.tonemap.jpg"
    )
    path = images / "scene_cam_00_geometry_hdf5/frame.0000.semantic_instance.hdf5"
    with h5py.File(path, "w") as file:
        file["dataset"] = values
    [sample] = sa23("hypersim", tmp_path)
    truth = sample.annotations
    assert truth.size == sample.image.shape[:2] == (768, 1024)
    assert len(truth) == 30
    for id, mask in zip(truth.ids, truth.binary(), strict=True):
        assert (colours[mask] == palette[id]).all()
        assert mask.sum() == (values == id).sum()
