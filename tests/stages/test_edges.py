"""Edges: one made-up case per step of the paper, each with a known answer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from samkit.data.edge_maps import write_edge_map
from samkit.stages import Edges, EdgesFromFiles
from samkit.testing import check_stage
from samkit.types import Frame, Masks, Sample

SIZE = (64, 96)
MODEL, LOW = 256, 64


def grid():
    """Rows and columns, in the image's pixels, of the middles of the low-resolution logits."""
    scale = max(SIZE) / LOW
    return np.meshgrid(*[(np.arange(LOW) + 0.5) * scale - 0.5] * 2, indexing="ij")


def disc(row=30, column=40, radius=18.0, steep=1.0):
    y, x = grid()
    return (radius - np.hypot(y - row, x - column)) * steep


def left_of(column):
    return column - grid()[1]


def sample(*logits, size=SIZE):
    frame = Frame.fit(size, MODEL)
    stack = np.stack(logits) if logits else np.zeros((0, LOW, LOW))
    masks = Masks(frame, logits=torch.tensor(stack, dtype=torch.float32))
    return Sample("s", np.zeros((*size, 3), np.uint8), masks=masks)


def edges_of(*logits, **settings):
    [answer] = Edges(**settings)([sample(*logits)])
    assert answer.edges.dtype == np.float32 and answer.edges.shape == SIZE
    assert answer.edges.min() >= 0 and answer.edges.max() <= 1
    return answer.edges


def distance(row=30, column=40):
    y, x = np.indices(SIZE)
    return np.hypot(y - row, x - column)


@pytest.mark.parametrize("steep", [0.3, 2.0, 20.0])
@pytest.mark.parametrize(
    "settings",
    [{}, {"sigma": 0.0}, {"interpolation": "nearest"}, {"kernel_size": 5}, {"resize": "probabilities"}],
)  # fmt: skip
def test_a_disc_becomes_a_closed_thin_ring_where_it_ends(steep, settings):
    ring = edges_of(disc(steep=steep), **settings) > 0.2
    away = distance()[ring] - 18
    assert np.abs(away).max() < 1.1 and abs(away.mean()) < 0.3
    # One inside, one outside: the ring has no gap; and it is a pixel thin along each ray.
    assert ndimage.label(~ring)[1] == 2
    assert ring.sum() < 1.5 * 2 * np.pi * 18 * 0.9


@pytest.mark.parametrize(("side", "offset"), [("inner", -0.5), ("outer", 0.5), ("both", 0)])
def test_the_ring_lies_on_the_side_that_is_asked_for(side, offset):
    ring = edges_of(disc(), side=side, sigma=0.0) > 0.2
    assert distance()[ring].mean() - 18 == pytest.approx(offset, abs=0.35)


def test_probabilities_inside_a_mask_are_no_edge() -> None:
    """The logits fall from 9 to 1 in the mask's middle: a slope, but not on its outline."""
    logits = np.where(disc(radius=8) > 0, 1.0, 9.0)
    logits[disc(radius=25) < 0] = -9
    inner = distance() < 15
    assert not edges_of(logits)[inner].any()
    assert edges_of(logits, width=12, side="inner", sigma=0.0)[inner].any()


def test_two_masks_that_touch_share_one_line() -> None:
    edges = edges_of(left_of(47.5), -left_of(47.5))
    columns = [np.flatnonzero(row) for row in edges]
    assert {len(found) for found in columns} == {1} and set(np.concatenate(columns)) <= {47, 48}


def test_a_mask_cut_by_the_border_has_no_edge_there() -> None:
    cut = disc(row=0, column=40, radius=20)
    edges = edges_of(cut)
    assert not edges[0:3, 24:57].any() and edges[18:22, 40].any()
    assert edges_of(cut, border="zeros")[0, 30:50].all()
    assert not edges_of(np.full((LOW, LOW), 5.0)).any()  # a mask that is the whole image


def test_a_holes_rim_is_an_edge_only_if_asked_for() -> None:
    hollow = np.minimum(disc(radius=24), -disc(radius=8))
    rim, outside = np.abs(distance() - 8) < 2, np.abs(distance() - 24) < 2
    outer, both = edges_of(hollow), edges_of(hollow, holes=True)
    assert not outer[rim].any() and outer[outside].any()
    assert both[rim].max() > 0.5 and np.array_equal(both[outside] > 0, outer[outside] > 0)


def test_duplicate_masks_change_nothing() -> None:
    one, other = disc(), disc(row=20, column=70, radius=10, steep=0.5)
    assert np.array_equal(edges_of(one, other), edges_of(one, other, one, other, other))


def test_the_strongest_mask_counts_at_each_pixel() -> None:
    """A faint disc is fainter than a sharp one, and takes nothing from it."""
    faint = disc(row=30, column=70, radius=12, steep=0.1)
    sharp = disc(row=30, column=25, radius=14, steep=5)
    edges = edges_of(sharp, faint)
    assert edges[:, :42].max() == 1 and 0 < edges[:, 55:].max() < 0.5
    assert np.allclose(edges[:, :42], edges_of(sharp)[:, :42])
    assert np.array_equal(edges, edges_of(faint, sharp))


def test_smoothing_joins_near_duplicates() -> None:
    """Masks of one object, two pixels apart: a line each without smoothing, one with it."""
    masks = [left_of(40.5), left_of(42.5)]
    lines = [(edges_of(*masks, sigma=sigma)[32] > 0).sum() for sigma in (0.0, 2.0)]
    assert lines == [2, 1]


def test_no_masks_give_zeros() -> None:
    for given in (sample(), sample(np.full((LOW, LOW), -5.0))):
        [answer] = Edges()([given])
        assert answer.edges.shape == SIZE and not answer.edges.any()


def test_memory_is_that_of_a_few_masks(monkeypatch) -> None:
    """Full-size maps that exist at one time do not grow with the masks, nor does the answer change."""
    from samkit.stages import edges as module

    most, whole = [], module.upscale_logits

    def counted(logits, *sizes):
        most.append(len(logits))
        return whole(logits, *sizes)

    monkeypatch.setattr(module, "upscale_logits", counted)
    masks = [disc(column=20 + i % 60) for i in range(80)]
    answer = edges_of(*masks)
    assert max(most) == module.PIXELS_AT_ONCE // MODEL**2 < 80 == sum(most)
    monkeypatch.setattr(module, "PIXELS_AT_ONCE", 10 * MODEL**2)
    assert np.array_equal(edges_of(*masks), answer)


def test_run_lengths_win_over_logits() -> None:
    """A mask that was cleaned is no longer its logits: an island's outline is gone."""
    both = sample(np.maximum(disc(radius=12), disc(row=50, column=80, radius=6)))
    cleaned = both.masks.binary()
    cleaned[0, 40:, 70:] = False
    kept = Masks.from_binary(cleaned).run_lengths
    [answer] = Edges()([both.replace(masks=both.masks.replace(run_lengths=kept))])
    assert not answer.edges[40:, 70:].any() and answer.edges[:40, :60].any()


def test_a_crops_masks_lie_where_the_crop_does() -> None:
    masks = sample(disc()).masks
    frame = masks.frame.cropped_from((100, 150), 30, 20)
    whole = Sample(1, np.zeros((100, 150, 3), np.uint8), masks=masks.replace(frame=frame))
    [answer] = Edges()([whole])
    assert np.array_equal(answer.edges[20:84, 30:126], edges_of(disc()))
    assert (
        answer.edges.shape == (100, 150)
        and (answer.edges > 0).sum() == (edges_of(disc()) > 0).sum()
    )


def test_masks_of_several_crops_lie_in_their_own() -> None:
    """Two crops with a ring each, of which one ends where its crop does: no edge along that side."""
    frame = Frame.fit((100, 200), MODEL)
    crops = [[10, 20, 106, 84], [104, 36, 200, 100]]
    cut = left_of(40)  # ends at column 40 of its crop, and where the crop begins
    masks = Masks(
        frame,
        logits=torch.tensor(np.stack([disc(), cut]), dtype=torch.float32),
        crop_boxes=np.array(crops, np.float32),
    )
    run_lengths = [run for part in masks.by_crop() for run in part.rle()]
    whole = Sample(1, np.zeros((100, 200, 3), np.uint8), masks=masks)
    for given in (whole, whole.replace(masks=masks.replace(run_lengths=tuple(run_lengths)))):
        for border in ("replicate", "zeros"):
            [answer] = Edges(border=border, sigma=0.0)([given])
            ring, alone = answer.edges[20:84, 10:103], edges_of(disc(), sigma=0.0)[:, :93]
            np.testing.assert_allclose(ring / ring.max(), alone, atol=1e-5)
            line = answer.edges[40:98, 107:]
            columns = line.argmax(axis=1) + 3  # of the crop
            assert (columns == columns[0]).all() and abs(columns[0] - 39.5) <= 1
            assert (line > 0.2).sum() == len(line)
            assert not answer.edges[:19].any() and not answer.edges[36:98, 103:106].any()
    for use in (lambda: next(masks.full_logits()), masks.rle, masks.binary):
        with pytest.raises(ValueError, match=r"Masks.by_crop"):
            use()


def test_it_obeys_the_laws() -> None:
    pixel = sample(disc(), size=(1, 1)).replace(id="pixel")
    samples = [sample(disc(), left_of(30)), pixel, sample().replace(id="none")]
    for number, one in enumerate(samples):
        samples[number] = one.replace(id=number)
    check_stage(Edges(), samples=samples)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"side": "middle"}, "side is one of .*, got 'middle'"),
        ({"kernel_size": 4}, "kernel_size is one of"),
        ({"width": 0}, "width is 1 pixel or more"),
        ({"sigma": -1.0}, "sigma is 0"),
        ({"sigma": float("nan")}, "sigma is 0"),
    ],
)
def test_mistaken_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Edges(**settings)


def test_masks_without_logits_are_refused_with_the_cure() -> None:
    bare = sample(disc())
    with pytest.raises(ValueError, match="'s'.*keep_logits=True"):
        Edges()([bare.replace(masks=bare.masks.with_run_lengths())])


def test_maps_from_files(tmp_path: Path) -> None:
    edges = edges_of(disc())
    write_edge_map(edges, tmp_path / "s.png")
    stage = EdgesFromFiles(tmp_path)
    [answer] = stage([sample()])
    assert np.abs(answer.edges - edges).max() <= 0.5 / 255 + 1e-6
    check_stage(stage, samples=[sample()])
    before = repr(stage)
    write_edge_map(edges / 2, tmp_path / "s.png")
    assert before.startswith("EdgesFromFiles('") and repr(EdgesFromFiles(tmp_path)) != before
    with pytest.raises(ValueError, match=r"s\.png is \(64, 96\).*\(9, 9\)"):
        stage([Sample("s", np.zeros((9, 9, 3), np.uint8))])
    with pytest.raises(FileNotFoundError, match="no edge map other"):
        stage([sample().replace(id="other")])
    with pytest.raises(FileNotFoundError, match="no folder of edge maps"):
        EdgesFromFiles(tmp_path / "nowhere")


def test_a_guide_moves_the_ring_onto_the_picture_s_edge():
    given = sample(disc(column=45))
    picture = np.where((distance() < 18)[..., None], (200, 70, 60), (60, 80, 150)).astype(np.uint8)
    given = given.replace(image=picture)
    away = {}
    for guided in (None, 0.06):
        [answer] = Edges(guided=guided)([given])
        away[guided] = np.abs(distance()[answer.edges > 0.3] - 18).mean()
    assert away[None] > 2 and away[0.06] < 0.7


def test_a_guide_wants_the_picture_and_a_radius_that_can_be():
    assert Edges().reads == ("masks",) and Edges(guided=0.03).reads == ("image", "masks")
    check_stage(
        Edges(guided=0.05), samples=[sample(disc()), sample(disc(column=60), disc(radius=9))]
    )
    [nothing] = Edges(guided=0.05)([sample()])
    assert not nothing.edges.any()
    for value in (0, 1, -0.1, float("nan")):
        with pytest.raises(ValueError, match="guided lies between 0 and 1"):
            Edges(guided=value)
