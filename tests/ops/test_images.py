"""Picture files of every kind a camera, a scanner or a web page makes, as RGB pixels."""

import struct
import tracemalloc
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samkit import Prompts, Sample, load_sam
from samkit.ops import images
from samkit.ops.images import read_image

# Upper left red, upper right green, lower left blue, lower right white; each a block of 8 pixels,
# so that JPEG keeps them apart.
CORNERS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
SCENE = CORNERS.repeat(8, axis=0).repeat(16, axis=1)  # 16 x 32


def saved(folder: Path, name: str, picture: Image.Image, **options: Any) -> Path:
    picture.save(folder / name, **options)
    return folder / name


def corners(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    return pixels[[[height // 4], [3 * height // 4]], [[width // 4, 3 * width // 4]]]


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.png", "a.webp", "a.tif", "a.bmp", "a.gif"])
def test_every_format_is_rgb(tmp_path: Path, name: str) -> None:
    lossless = {"lossless": True} if name == "a.webp" else {}
    pixels = read_image(saved(tmp_path, name, Image.fromarray(SCENE), **lossless))
    assert (pixels.shape, pixels.dtype) == ((16, 32, 3), np.uint8)
    assert pixels.flags.writeable
    tolerance = 6 if "jp" in name.lower() else 0
    assert np.abs(corners(pixels).astype(int) - CORNERS).max() <= tolerance


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_upright(tmp_path: Path, name: str, orientation: int) -> None:
    # What a camera turned like that would have stored of the same upright scene.
    stored = {
        1: SCENE,
        2: SCENE[:, ::-1],
        3: SCENE[::-1, ::-1],
        4: SCENE[::-1],
        5: SCENE.transpose(1, 0, 2),
        6: np.rot90(SCENE, 1),
        7: SCENE[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(SCENE, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(np.ascontiguousarray(stored))
    pixels = read_image(saved(tmp_path, name, picture, exif=exif))
    assert pixels.shape == SCENE.shape
    assert np.abs(corners(pixels).astype(int) - CORNERS).max() <= 12


def test_grey_and_one_bit(tmp_path: Path) -> None:
    grey = np.array([[0, 100, 255]], np.uint8)
    expected = np.repeat(grey[..., None], 3, axis=2).tolist()
    assert read_image(saved(tmp_path, "l.png", Image.fromarray(grey))).tolist() == expected
    with_alpha = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(grey)])
    assert read_image(saved(tmp_path, "la.png", with_alpha)).tolist() == expected
    bits = Image.fromarray(grey > 50)
    assert read_image(saved(tmp_path, "1.png", bits)).tolist() == [[[0] * 3, [255] * 3, [255] * 3]]


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_transparency_is_dropped_and_not_laid_over_white(tmp_path: Path, name: str) -> None:
    pixels = np.dstack([SCENE, np.full(SCENE.shape[:2], 128, np.uint8)])
    pixels[:8, :, 3] = 0
    options = {"lossless": True, "exact": True} if name == "a.webp" else {}
    read = read_image(saved(tmp_path, name, Image.fromarray(pixels), **options))
    np.testing.assert_array_equal(read, SCENE)


@pytest.mark.parametrize("transparency", [0, b"\x00\x80\xff\x40"])
def test_palettes_with_and_without_transparency(tmp_path: Path, transparency: Any) -> None:
    picture = Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8)).convert("P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    expected = [[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]]
    assert read_image(saved(tmp_path, "p.png", picture)).tolist() == expected
    path = saved(tmp_path, "t.png", picture, transparency=transparency)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path).tolist() == expected


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bit_grey_keeps_its_high_byte(tmp_path: Path, name: str) -> None:
    values = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    read = read_image(saved(tmp_path, name, Image.fromarray(values)))
    assert read[0, :, 0].tolist() == [0, 0, 1, 128, 255]
    assert (read == read[..., :1]).all()


def test_big_endian_sixteen_bit_grey(tmp_path: Path) -> None:
    values = np.array([[0, 256, 65535]], ">u2")
    picture = Image.frombytes("I;16B", (3, 1), values.tobytes())
    assert read_image(saved(tmp_path, "a.tif", picture))[0, :, 0].tolist() == [0, 1, 255]


def test_sixteen_bit_colour_is_like_sixteen_bit_grey(tmp_path: Path) -> None:
    row = b"\x00" + struct.pack(">6H", 0, 255, 256, 32768, 65535, 511)
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 1, row, depth=16, colour=2))
    assert read_image(path).tolist() == [[[0, 0, 1], [128, 255, 1]]]


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_values_of_unknown_range_are_refused(tmp_path: Path, dtype: Any) -> None:
    path = saved(tmp_path, "a.tif", Image.fromarray(np.ones((2, 3), dtype)))
    with pytest.raises(ValueError, match=r"a\.tif as a picture: .*unknown range; scale them"):
        read_image(path)


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_cmyk(tmp_path: Path, name: str) -> None:
    pixels = read_image(saved(tmp_path, name, Image.fromarray(SCENE).convert("CMYK")))
    assert np.abs(corners(pixels).astype(int) - CORNERS).max() <= 12


@pytest.mark.parametrize("name", ["a.gif", "a.tif", "a.webp", "a.png"])
def test_the_first_of_several_frames(tmp_path: Path, name: str) -> None:
    others = [Image.fromarray(SCENE[::-1]), Image.fromarray(SCENE[:, ::-1])]
    path = saved(tmp_path, name, Image.fromarray(SCENE), save_all=True, append_images=others)
    assert np.abs(corners(read_image(path)).astype(int) - CORNERS).max() <= 6


def png(width: int, height: int, rows: bytes, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG file of these raw rows, whatever its header claims."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


class TestPixelLimit:
    def test_a_bomb_is_refused_before_it_is_decoded(self, tmp_path: Path) -> None:
        path = tmp_path / "bomb.png"
        path.write_bytes(png(50_000, 50_000, bytes(1 << 20)))
        tracemalloc.start()
        with pytest.raises(ValueError, match=r"bomb\.png has more than 89478485 pixels"):
            read_image(path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
        tracemalloc.stop()

    def test_it_can_be_set_and_the_error_says_how(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = saved(tmp_path, "a.png", Image.fromarray(SCENE))
        with pytest.raises(ValueError, match=r"than 511 .*max_pixels= or .* SAMKIT_MAX_PIXELS"):
            read_image(path, max_pixels=511)
        assert read_image(path, max_pixels=512).shape == SCENE.shape
        monkeypatch.setenv("SAMKIT_MAX_PIXELS", "511")
        with pytest.raises(ValueError, match="more than 511 pixels"):
            Sample.open(path).image  # noqa: B018
        assert read_image(path, max_pixels=512).shape == SCENE.shape
        monkeypatch.setenv("SAMKIT_MAX_PIXELS", "many")
        with pytest.raises(ValueError, match="is a number of pixels, got 'many'"):
            read_image(path)

    def test_raising_it_goes_past_pillows_own_and_leaves_that_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = saved(tmp_path, "a.png", Image.fromarray(SCENE))
        monkeypatch.setattr(images, "MAX_PIXELS", 100)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        with pytest.raises(ValueError, match="more than 100 pixels"):
            read_image(path)
        assert read_image(path, max_pixels=1000).shape == SCENE.shape
        assert Image.MAX_IMAGE_PIXELS == 100


class TestDamagedFiles:
    @pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.bmp", "a.gif"])
    @pytest.mark.filterwarnings("ignore:Truncated File Read")
    @pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.9])
    def test_truncated(self, tmp_path: Path, name: str, kept: float) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        path = saved(tmp_path, name, Image.fromarray(noise))
        content = path.read_bytes()
        path.write_bytes(content[: int(kept * len(content))])
        with pytest.raises(ValueError, match=rf"cannot read .*{name} as a picture"):
            read_image(path)

    @pytest.mark.parametrize("text", ["", "not a picture", "%!PS-Adobe-3.0 EPSF-3.0\n", "P4 "])
    def test_text_named_png(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "a.png"
        path.write_text(text)
        with pytest.raises(ValueError, match=r"cannot read .*a\.png as a picture"):
            read_image(path)

    def test_a_picture_of_no_pixels(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(png(0, 5, b""))
        with pytest.raises(ValueError, match=r"cannot read .*a\.png"):
            read_image(path)

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            read_image(tmp_path / "a.png")
        with pytest.raises(ValueError, match="cannot read"):
            read_image(tmp_path)


@pytest.mark.parametrize("size", [(1, 1), (8, 20_000), (20_000, 8)])
def test_extreme_shapes_go_through_a_model(tmp_path: Path, size: tuple[int, int]) -> None:
    height, width = size
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    pixels = read_image(saved(tmp_path, "a.png", Image.fromarray(noise)))
    np.testing.assert_array_equal(pixels, noise)
    sam = load_sam("tiny", device="cpu")
    prompts = Prompts.from_boxes([[0, 0, width, height], [0, 0, width / 2, height / 2]])
    [masks] = sam.decode(sam.encode([pixels]), [prompts])
    assert masks.binary().shape == (6, *size)
    assert np.isfinite(masks.predicted_iou).all()
    assert bool(masks.logits.isfinite().all())
