"""The BSDS500 reader and edge map files: the release's layout, and what is refused by its name."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from samkit.data import bsds500
from samkit.data.bsds500 import read_boundaries
from samkit.data.edge_maps import find_edge_map, read_edge_map, write_edge_map


def annotator(boundaries):
    return {"Segmentation": np.ones(boundaries.shape, np.uint16), "Boundaries": boundaries}


def save_truth(path: Path, annotators: list[object]) -> Path:
    cells = np.empty((1, len(annotators)), dtype=object)
    for number, one in enumerate(annotators):
        cells[0, number] = one
    savemat(path, {"groundTruth": cells})
    return path


def line(row, size=(6, 8)):
    boundaries = np.zeros(size, np.uint8)
    boundaries[row] = 1
    return boundaries


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Two test pictures in the release's layout."""
    images, truth = (
        tmp_path / "BSDS500/data" / part / "test" for part in ("images", "groundTruth")
    )
    for folder in (images, truth):
        folder.mkdir(parents=True)
    (images / "Thumbs.db").write_bytes(b"left by somebody's computer")
    for id in ("9", "10"):
        Image.fromarray(np.full((6, 8, 3), 90, np.uint8)).save(images / f"{id}.jpg")
        save_truth(truth / f"{id}.mat", [annotator(line(2)), annotator(line(4))])
    return tmp_path


@pytest.mark.parametrize("below", ["", "BSDS500", "BSDS500/data"])
def test_each_annotators_boundaries_are_read(release: Path, below: str) -> None:
    dataset = bsds500(release / below)
    assert dataset.ids == ["10", "9"] and dataset.name == "bsds500(test, 2 images)"
    truth = dataset[0].annotations
    assert truth is not None and truth.boundaries is not None and len(truth) == 0
    assert truth.boundaries.shape == (2, 6, 8) and truth.boundaries.dtype == bool
    assert [np.flatnonzero(one.any(axis=1)).tolist() for one in truth.boundaries] == [[2], [4]]
    assert dataset[0].image.shape == (6, 8, 3)
    assert len(bsds500(release, limit=1)) == 1


def test_missing_parts_are_named(release: Path) -> None:
    with pytest.raises(FileNotFoundError, match="images.train.*unpack"):
        bsds500(release, split="train")
    (release / "BSDS500/data/groundTruth/test/9.mat").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 2 pictures have no truth.*9\.mat"):
        bsds500(release)


def test_a_picture_of_another_size_is_named(release: Path) -> None:
    path = release / "BSDS500/data/images/test/9.jpg"
    Image.fromarray(np.zeros((8, 6, 3), np.uint8)).save(path)
    with pytest.raises(ValueError, match=r"9\.jpg is \(8, 6\)"):
        _ = bsds500(release)[1].image


@pytest.mark.parametrize(
    ("annotators", "message"),
    [
        ([annotator(line(1)), np.zeros((0, 0))], "annotator 2 has no Boundaries"),
        ([{"Segmentation": line(1)}], "annotator 1 has no Boundaries.*Segmentation"),
        ([annotator(line(1)), annotator(line(1, (8, 6)))], r"differ in size.*\(6, 8\)"),
        ([annotator(line(1) * 7)], "annotator 1 are not all 0 or 1"),
        ([annotator(np.zeros((2, 6, 8)))], "a map of 0 and 1, got .2, 6, 8"),
        ([], "a cell of annotators"),
    ],
)
def test_other_truth_is_refused_by_its_file(tmp_path: Path, annotators, message: str) -> None:
    path = save_truth(tmp_path / "17.mat", annotators)
    with pytest.raises(ValueError, match=rf"17\.mat.*{message}"):
        read_boundaries(path)


def test_other_files_are_refused_by_their_name(tmp_path: Path) -> None:
    path = tmp_path / "17.mat"
    savemat(path, {"ucm2": np.zeros((5, 5))})
    with pytest.raises(ValueError, match=r"17\.mat has no groundTruth, only ucm2"):
        read_boundaries(path)
    savemat(path, {"groundTruth": np.zeros((5, 5))})
    with pytest.raises(ValueError, match=r"17\.mat: groundTruth is a cell of annotators, got"):
        read_boundaries(path)
    save_truth(path, [annotator(line(1))])
    whole = path.read_bytes()
    for damaged in (b"", b"hello" * 50, whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"17\.mat"):
            read_boundaries(path)
    with pytest.raises(FileNotFoundError, match="nowhere.mat"):
        read_boundaries(tmp_path / "nowhere.mat")


def test_a_png_holds_an_edge_map_to_half_a_level(tmp_path: Path) -> None:
    edges = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)
    write_edge_map(edges, tmp_path / "a.png")
    back = read_edge_map(tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").mode == "L" and back.dtype == np.float32
    assert np.abs(back - edges).max() <= 0.5 / 255 + 1e-6 and (back.min(), back.max()) == (0, 1)


def test_the_contours_right_of_and_below_each_pixel_are_taken_of_a_ucm(tmp_path: Path) -> None:
    ucm = np.zeros((13, 17))
    ucm[2 * 3 + 2, :] = 0.5  # below pixel row 3
    savemat(tmp_path / "a.mat", {"ucm2": ucm})
    edges = read_edge_map(tmp_path / "a.mat")
    assert edges.shape == (6, 8) and np.flatnonzero(edges.any(axis=1)).tolist() == [3]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((4, 5), np.nan), "20 values of the edge map are NaN"),
        (np.full((4, 5), 255.0), "from 0 to 255"),
        (np.full((4, 5), -1.0), "from -1 to 0"),
        (np.zeros((4, 5, 3)), "2-d floats"),
        (np.array([[object()]]), "cannot be read"),  # would be unpickled
    ],
)
def test_what_is_no_edge_map_is_refused_by_its_file(tmp_path: Path, values, message: str) -> None:
    np.save(tmp_path / "a.npy", values, allow_pickle=True)
    with pytest.raises(ValueError, match=rf"a\.npy.*{message}"):
        read_edge_map(tmp_path / "a.npy")


def test_other_edge_files(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: an edge map has one channel.*RGB"):
        read_edge_map(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.bmp: edge maps are read from"):
        read_edge_map(tmp_path / "a.bmp")
    with pytest.raises(FileNotFoundError, match="no edge map 7.png or .mat or .npy in"):
        find_edge_map(tmp_path, 7)


def test_the_release_itself(test_data: Path) -> None:
    dataset = bsds500(test_data / "bsds500")
    people = [sample.annotations.boundaries for sample in dataset]
    assert len(dataset) == 25 and sum(map(len, people)) == 129
    assert {one.shape[1:] for one in people} == {(321, 481), (481, 321)}
    assert dataset[0].image.shape[:2] == people[0].shape[1:]


def test_a_packed_file_that_would_fill_the_memory_is_not_unpacked(tmp_path: Path) -> None:
    packed = zlib.compressobj()
    zeros = bytes(1 << 24)
    inner = b"".join(packed.compress(zeros) for _ in range(17)) + packed.flush()
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    file = tmp_path / "bomb.mat"
    file.write_bytes(header + struct.pack("<II", 15, len(inner)) + inner)
    assert file.stat().st_size < 1 << 19
    with pytest.raises(ValueError, match=r"bomb\.mat .* holds more than 268435456 bytes unpacked"):
        read_boundaries(file)
