"""BoundaryF: matching and counts with known answers, and the official benchmark's own numbers."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from samkit.data.bsds500 import bsds500
from samkit.data.edge_maps import read_edge_map
from samkit.evaluation import evaluate
from samkit.metrics import BoundaryF
from samkit.metrics.boundary_match import UNMATCHED, matched_pixels, pairs_within
from samkit.metrics.boundary_plot import plot_curves
from samkit.metrics.boundary_score import Counts, average_precision, recall_at_half_precision
from samkit.pipeline import Pipeline
from samkit.types import Annotations, Sample


def pixels(*places, size=(20, 30)):
    image = np.zeros(size, dtype=bool)
    for row, column in places:
        image[row, column] = True
    return image


def counts(recall, precision):
    """Counts of 100 true and 100 found pixels at each threshold."""
    hundred = np.full(len(recall), 100.0)
    return Counts(np.multiply(recall, 100.0), hundred, np.multiply(precision, 100.0), hundred)


def sample(edges, boundaries, id="s"):
    size = boundaries.shape[1:]
    none = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    truth = Annotations(size, *none, boundaries=boundaries)
    return Sample(id, np.zeros((*size, 3), np.uint8), annotations=truth, edges=edges)


@pytest.mark.parametrize(
    ("found", "drawn", "matched"),
    [
        pytest.param([(5, 5)], [(5, 5)], [(5, 5)], id="the same pixel"),
        pytest.param([(5, 5)], [(5, 7)], [(5, 5)], id="at the radius"),
        pytest.param([(5, 5)], [(6, 7)], [], id="sqrt(5) is beyond 2"),
        pytest.param([(5, 5), (5, 6)], [(5, 5)], [(5, 5)], id="the nearer of two"),
        pytest.param(
            [(5, 4), (5, 5)], [(5, 5), (5, 7)], [(5, 4), (5, 5)], id="both, though farther"
        ),
        pytest.param([(0, 0), (19, 29)], [(0, 2), (17, 29)], [(0, 0), (19, 29)], id="in corners"),
        pytest.param([(4, 0)], [(3, 29)], [], id="not around the image's side"),
        pytest.param([], [(5, 5)], [], id="nothing found"),
        pytest.param([(5, 5)], [], [], id="nothing drawn"),
    ],
)
def test_pixels_find_one_partner_each_within_the_radius(found, drawn, matched):
    answer = matched_pixels(pixels(*found), pairs_within(pixels(*drawn), 2.0))
    assert list(zip(*np.nonzero(answer), strict=True)) == sorted(matched)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("density", [0.02, 0.15])
def test_the_matching_is_the_cheapest_of_the_largest(seed, density):
    """A dense solver over all pairs at once has as many matches and the same sum of distances."""
    rng = np.random.default_rng(seed)
    found, drawn = rng.random((2, 24, 31)) < [[[density]], [[density * rng.uniform(0.3, 3)]]]
    radius = 3.2
    ours, theirs = np.argwhere(found), np.argwhere(drawn)
    apart = np.linalg.norm(ours[:, None] - theirs[None], axis=2)
    cost = np.where(apart <= radius, apart, UNMATCHED * radius)
    pairs = linear_sum_assignment(cost)
    good = apart[pairs] <= radius

    answer = matched_pixels(found, pairs_within(drawn, radius))
    assert answer.sum() == good.sum() > 0
    assert not (answer & ~found).any()
    # Those that were chosen can be matched among themselves as cheaply as the best.
    chosen = np.linalg.norm(np.argwhere(answer)[:, None] - theirs[None], axis=2)
    chosen = np.where(chosen <= radius, chosen, UNMATCHED * radius)
    assert chosen[linear_sum_assignment(chosen)].sum() == pytest.approx(apart[pairs][good].sum())


def test_counts_of_two_annotators() -> None:
    """One annotator drew the line that was found, the other one far away."""
    edges = np.zeros((20, 30), np.float32)
    edges[5, 2:28] = 0.6
    first, second = edges > 0, np.zeros((20, 30), bool)
    second[15, 2:12] = True
    row = BoundaryF(num_thresholds=9).score(sample(edges, np.stack([first, second])))
    assert row["true"] == [36] * 9
    assert row["found"] == row["recalled"] == row["correct"] == [26] * 6 + [0] * 3
    got = BoundaryF(num_thresholds=9).summarise([row])
    recall = 26 / 36
    assert [got["ODS"], got["OIS"]] == pytest.approx([2 * recall / (1 + recall)] * 2)
    assert got["ODS_precision"] == 1 and got["R50"] == pytest.approx(recall)


def test_a_pixel_counts_once_for_precision_and_per_annotator_for_recall() -> None:
    edges = np.zeros((20, 30), np.float32)
    edges[5, 2:28] = 1.0
    row = BoundaryF(num_thresholds=1).score(sample(edges, np.stack([edges > 0] * 3)))
    assert row == {"recalled": [78], "true": [78], "correct": [26], "found": [26]}


def test_a_thick_edge_is_thinned_before_it_is_counted() -> None:
    drawn = np.zeros((1, 40, 60), bool)
    drawn[0, 20, 5:55] = True
    edges = np.zeros((40, 60), np.float32)
    edges[18:23, 5:55] = 1
    thinned = BoundaryF(num_thresholds=1, max_distance=0.03).score(sample(edges, drawn))
    thick = BoundaryF(num_thresholds=1, max_distance=0.03, thin=False).score(sample(edges, drawn))
    assert thick["found"] == [250] and thick["correct"] == [50]
    assert 45 <= thinned["found"][0] <= 50 and thinned["correct"] == thinned["found"]


def test_the_distance_is_a_share_of_the_diagonal() -> None:
    drawn, edges = np.zeros((1, 30, 40), bool), np.zeros((30, 40), np.float32)  # a diagonal of 50
    drawn[0, 10, 10:20] = True
    edges[13, 10:20] = 1
    near, far = (
        BoundaryF(num_thresholds=1, max_distance=share).score(sample(edges, drawn))
        for share in (0.059, 0.06)
    )
    assert near["recalled"] == [0] and far["recalled"] == [10]


def test_an_edge_is_what_reaches_the_threshold() -> None:
    edges = np.array([[0.25, 0.5, 0.75]], np.float32)
    row = BoundaryF(num_thresholds=3, thin=False).score(sample(edges, np.ones((1, 1, 3), bool)))
    assert row["found"] == [3, 2, 1]


def test_eight_bits_score_as_the_file_does(tmp_path: Path) -> None:
    from samkit.data.edge_maps import write_edge_map

    rng = np.random.default_rng(3)
    edges, drawn = rng.random((20, 30)).astype(np.float32) ** 3, rng.random((2, 20, 30)) < 0.1
    write_edge_map(edges, tmp_path / "a.png")
    metric = BoundaryF(num_thresholds=19, eight_bit=True)
    before = metric.score(sample(edges, drawn))
    assert before == metric.score(sample(read_edge_map(tmp_path / "a.png"), drawn))
    assert before != BoundaryF(num_thresholds=19).score(sample(edges, drawn))


def test_ods_has_one_threshold_for_all_and_ois_one_for_each() -> None:
    """The first image is best at its low threshold, the second at its high one."""
    low = {"recalled": [90, 10], "true": [100, 100], "correct": [90, 10], "found": [100, 10]}
    high = {"recalled": [90, 80], "true": [100, 100], "correct": [90, 80], "found": [900, 80]}
    metric = BoundaryF(num_thresholds=2)
    got = metric.summarise([low, high])
    recall, precision = 170 / 200, 170 / 180
    assert got["OIS"] == pytest.approx(2 * recall * precision / (recall + precision))
    assert got["ODS"] > got["ODS_plain"] == pytest.approx(0.9 / 1.45)
    assert 1 / 3 < got["ODS_threshold"] < 2 / 3
    assert got == metric.summarise([high, low])


def test_average_precision_is_not_drawn_beyond_the_ends() -> None:
    straight = counts(recall=[0.8, 0.5, 0.2], precision=[0.4, 0.4, 0.4])
    assert average_precision(straight) == pytest.approx(61 * 0.4 / 100)
    assert average_precision(counts([0.5], [0.9])) == 0


@pytest.mark.parametrize(
    ("recall", "precision", "expected"),
    [
        ([0.8, 0.4], [0.4, 0.8], 0.7),
        ([0.8, 0.4], [0.6, 0.8], 0.8),
        ([0.8, 0.4], [0.1, 0.4], float("nan")),
    ],
)
def test_recall_at_half_precision(recall, precision, expected):
    got = recall_at_half_precision(counts(recall, precision))
    assert got == pytest.approx(expected, nan_ok=True)


@pytest.mark.slow
def test_processes_count_the_same() -> None:
    rng = np.random.default_rng(5)
    edges, drawn = rng.random((30, 40)).astype(np.float32), rng.random((2, 30, 40)) < 0.1
    one, two = BoundaryF(num_thresholds=9), BoundaryF(num_thresholds=9, workers=2)
    assert one.score(sample(edges, drawn)) == two.score(sample(edges, drawn))
    assert one == two and repr(one) == repr(two)  # so that either resumes the other's run


@pytest.mark.parametrize(
    ("edges", "boundaries", "message"),
    [
        (None, np.ones((1, 4, 4), bool), "has no edges; the pipeline needs an Edges"),
        (np.zeros((4, 5), np.float32), np.ones((1, 4, 4), bool), r"'a7'.*\(4, 5\).*\(1, 4, 4\)"),
        (np.zeros((4, 4), np.float32), np.ones((0, 4, 4), bool), "one annotator or more"),
        (np.full((4, 4), np.nan, np.float32), np.ones((1, 4, 4), bool), "'a7'.*NaN at 16 pixels"),
        (np.full((4, 4), 1.5, np.float32), np.ones((1, 4, 4), bool), "from 0 to 1.5; divide it"),
        (np.full((4, 4), -0.5, np.float32), np.ones((1, 4, 4), bool), "from -0.5 to 0"),
        (np.zeros((4, 4), np.uint8), np.ones((1, 4, 4), bool), "floats, got .4, 4. uint8"),
    ],
)
def test_what_cannot_be_scored_is_refused_by_its_name(edges, boundaries, message):
    with pytest.raises(ValueError, match=message):
        BoundaryF().score(sample(edges, boundaries, id="a7"))


def test_mistaken_settings_and_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="num_thresholds is at least 1"):
        BoundaryF(num_thresholds=0)
    with pytest.raises(ValueError, match="share of the image's diagonal"):
        BoundaryF(max_distance=4.3)
    row = BoundaryF(num_thresholds=9).score(
        sample(np.zeros((4, 4), np.float32), np.ones((1, 4, 4), bool))
    )
    with pytest.raises(ValueError, match="9 thresholds, the metric 99"):
        BoundaryF().summarise([row])
    with pytest.raises(ValueError, match="no boundaries"):
        BoundaryF().score(Sample(1, np.zeros((4, 4, 3), np.uint8)))


def test_nothing_found_anywhere_is_zero_and_not_an_error() -> None:
    row = BoundaryF().score(sample(np.zeros((8, 8), np.float32), np.ones((1, 8, 8), bool)))
    got = BoundaryF().summarise([row])
    assert got["ODS"] == got["OIS"] == got["AP"] == 0 and np.isnan(got["R50"])


def test_a_run_resumes(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    samples = [
        sample(rng.random((20, 30), np.float32), rng.random((2, 20, 30)) < 0.1, id=i)
        for i in range(3)
    ]
    metric = BoundaryF(num_thresholds=9)
    whole = evaluate(samples, Pipeline(), metric, progress=False)
    evaluate(samples, Pipeline(), metric, out=tmp_path, progress=False)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    resumed = evaluate(samples, Pipeline(), metric, out=tmp_path, progress=False)
    assert resumed["metrics"] == whole["metrics"] and 0 < whole["metrics"]["ODS"] < 1


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    from PIL import Image

    plot_curves({"ours": (np.array([0.0, 0.5]), np.array([0.0, 0.9]))}, tmp_path / "curve.png")
    assert np.asarray(Image.open(tmp_path / "curve.png").convert("L")).std() > 0


@pytest.mark.parametrize(
    ("inputs", "eight_bit", "expected"), [("ucm2", False, "test_1"), ("png", True, "test_2")]
)
def test_the_official_benchmarks_own_examples(test_data, inputs, eight_bit, expected):
    """Five pictures, five thresholds; with the PNGs one threshold falls on a grey value."""
    bench = test_data / "bsds500/bench/data"
    metric = BoundaryF(num_thresholds=5, eight_bit=eight_bit)
    suffix = {"ucm2": "mat", "png": "png"}[inputs]
    rows = [
        metric.score(s.replace(edges=read_edge_map(bench / inputs / f"{s.id}.{suffix}")))
        for s in bsds500(bench, split=None)
    ]
    got = metric.summarise(rows)
    official = np.loadtxt(bench / expected / "eval_bdry.txt")
    assert got["ODS_threshold"] == pytest.approx(official[0], abs=1e-6)
    assert got["ODS"] == pytest.approx(official[3], abs=0.0002)  # asked for: .001
    assert got["OIS"] == pytest.approx(official[6], abs=0.0002)  # asked for: .0015
    assert got["AP"] == pytest.approx(official[7], abs=0.0002)  # asked for: .001
    recall, precision = metric.curve(rows)
    per_threshold = np.loadtxt(bench / expected / "eval_bdry_thr.txt")
    assert recall == pytest.approx(per_threshold[:, 1], abs=0.0006)
    assert precision == pytest.approx(per_threshold[:, 2], abs=0.0008)


@pytest.mark.slow
def test_the_authors_scores_of_their_own_maps(test_data: Path) -> None:
    """Recall and precision of each picture at the authors' best threshold for it."""
    root = test_data / "bsds500"
    with open(root / "per_image_ucm2_scores.csv", newline="") as file:
        official = {row["image_id"]: row for row in csv.DictReader(file)}
    metric = BoundaryF()
    apart = []
    for one in bsds500(root):
        edges = read_edge_map(root / f"BSDS500/ucm2/test/{one.id}.mat")
        image = Counts.of(metric.score(one.replace(edges=edges)), 99)
        theirs = {name: float(value) for name, value in official[one.id].items()}
        ours = [
            np.interp(theirs["best_threshold"], metric.thresholds, values)
            for values in (image.recall, image.precision)
        ]
        apart.append([ours[0] - theirs["recall"], ours[1] - theirs["precision"]])
    recall, precision = np.abs(apart).max(axis=0)
    assert len(apart) == 25 and recall < 0.001 and precision < 0.003  # asked for: .001, .010
    assert np.abs(np.mean(apart, axis=0)).max() < 0.0005  # asked for: .002
