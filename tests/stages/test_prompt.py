"""Prompts from the truth, from the image's size, from a results file."""

import json

import numpy as np
import pytest

from samkit.ops import rle
from samkit.stages.boxes_file import BoxesFromFile
from samkit.stages.prompt import CenterPoint, Grid, GroundTruthBoxes
from samkit.testing import check_stage, example_samples
from samkit.types import Annotations, Sample


def crowded():
    """An L, a crowd over everything, and one pixel in the corner."""
    masks = np.zeros((3, 6, 8), dtype=bool)
    masks[0, :, :2] = masks[0, 4:, :5] = masks[1] = masks[2, 5, 7] = True
    annotations = Annotations(
        size=(6, 8),
        boxes=np.array([[0, 0, 5, 6], [0, 0, 8, 6], [7, 5, 8, 6]], dtype=np.float32),
        class_ids=np.array([18, 1, 90]),
        run_lengths=tuple(rle.encode(masks)),
        is_crowd=np.array([False, True, False]),
    )
    return Sample(7, np.zeros((6, 8, 3), np.uint8), annotations)


@pytest.mark.parametrize("stage", [GroundTruthBoxes(), CenterPoint(), Grid(3)])
def test_laws(stage):
    check_stage(stage)


def test_true_boxes_without_crowds_and_without_scores():
    [sample] = GroundTruthBoxes()([crowded()])
    assert sample.prompts.boxes.tolist() == [[0, 0, 5, 6], [7, 5, 8, 6]]
    assert sample.prompts.class_ids.tolist() == [18, 90]
    assert sample.prompts.scores is None
    [sample] = GroundTruthBoxes(include_crowd=True)([crowded()])
    assert sample.prompts.class_ids.tolist() == [18, 1, 90]


def test_settings_are_part_of_the_source():
    assert repr(GroundTruthBoxes()) == "GroundTruthBoxes()"
    assert repr(CenterPoint(include_crowd=True)) == "CenterPoint(include_crowd=True)"
    assert repr(Grid(16)) == "Grid(16)"


def test_centre_points():
    [sample] = CenterPoint()([crowded()])
    # The corner of the L is its widest place.
    assert [points.tolist() for points in sample.prompts.points] == [[[1, 4]], [[7, 5]]]
    assert [labels.tolist() for labels in sample.prompts.labels] == [[1], [1]]
    assert sample.prompts.class_ids.tolist() == [18, 90]


def test_an_object_without_a_centre_is_named():
    sample = crowded()
    empty = rle.encode(np.zeros((1, 6, 8), dtype=bool))
    truth = sample.annotations
    holed = Annotations(truth.size, truth.boxes, truth.class_ids, (*truth.run_lengths[:2], *empty))
    with pytest.raises(ValueError, match="object 2 of sample 7 has no pixel"):
        CenterPoint()([sample.replace(annotations=holed)])
    boxes_only = Annotations(truth.size, truth.boxes, truth.class_ids)
    with pytest.raises(ValueError, match="sample 7 has boxes only"):
        CenterPoint()([sample.replace(annotations=boxes_only)])


def test_a_sample_without_truth_is_named():
    with pytest.raises(ValueError, match="'landscape' has no annotations"):
        GroundTruthBoxes()([example_samples()[0].replace(annotations=None)])


def test_grid_spans_each_picture():
    [sample] = Grid(2)([crowded()])
    assert [points.tolist() for points in sample.prompts.points] == [
        [[2, 1.5]],
        [[6, 1.5]],
        [[2, 4.5]],
        [[6, 4.5]],
    ]
    assert (np.concatenate(sample.prompts.labels) == 1).all()
    with pytest.raises(ValueError, match="at least 1"):
        Grid(0)


RECORDS = [
    {"image_id": 7, "category_id": 18, "bbox": [1, 2, 3.5, 0], "score": 0.25},
    {"image_id": "a/b.jpg", "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1},
    {
        "image_id": 7,
        "category_id": 90,
        "bbox": [0.5, 0, 2, 3],
        "score": 0.75,
        "segmentation": {"size": "not looked at"},
    },
]


def results(path, records=RECORDS):
    path.write_text(json.dumps(records))
    return path


def test_boxes_of_a_file_go_to_their_samples(tmp_path):
    stage = BoxesFromFile(results(tmp_path / "results.json"))
    image = np.zeros((6, 8, 3), np.uint8)
    seven, unknown, named = stage([Sample(7, image), Sample(8, image), Sample("a/b.jpg", image)])
    assert seven.prompts.boxes.tolist() == [[1, 2, 4.5, 2], [0.5, 0, 2.5, 3]]
    assert seven.prompts.class_ids.tolist() == [18, 90]
    assert seven.prompts.scores.tolist() == [0.25, 0.75]
    assert len(named.prompts) == 1
    assert unknown.prompts.boxes.shape == (0, 4)
    assert unknown.prompts.scores.shape == (0,)


def test_boxes_file_laws(tmp_path):
    records = [{**record, "image_id": "touching"} for record in RECORDS]
    check_stage(BoxesFromFile(results(tmp_path / "results.json", records)))
    check_stage(BoxesFromFile(results(tmp_path / "empty.json", [])))


def test_a_file_is_read_once_and_not_before_it_is_needed(tmp_path):
    path = results(tmp_path / "results.json")
    stage = BoxesFromFile(path)
    results(path, RECORDS[1:])
    first = stage([crowded()])[0].prompts
    path.unlink()
    assert len(first) == 1
    assert stage([crowded()])[0].prompts is first


def test_a_file_goes_by_its_content(tmp_path):
    (tmp_path / "else").mkdir()
    here = repr(BoxesFromFile(results(tmp_path / "r.json")))
    assert here == repr(BoxesFromFile(str(results(tmp_path / "else" / "r.json"))))
    assert here != repr(BoxesFromFile(results(tmp_path / "else" / "r.json", RECORDS[1:])))
    assert str(tmp_path) not in here
    assert here.startswith("BoxesFromFile('r.json', sha256='")


def test_a_file_for_other_data_is_told(tmp_path):
    stage = BoxesFromFile(results(tmp_path / "r.json"))
    stage.check([1, 7])
    with pytest.raises(ValueError, match=r"r\.json has no box for any of the 2 samples.*7, 'a/b"):
        stage.check(["7", 139])
    with pytest.raises(ValueError, match="image ids are like none"):
        BoxesFromFile(results(tmp_path / "empty.json", [])).check([7])


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (
            {"images": [], "annotations": []},
            "holds a dict, not a list of results.*GroundTruthBoxes",
        ),
        ([RECORDS[0], 5], r"r\.json, record 1: expected an object"),
        ([{"image_id": 1, "category_id": 1, "score": 1}], "record 0: it has no 'bbox'"),
        ([RECORDS[0], {**RECORDS[0], "bbox": [1, 2, 3]}], "record 1: bbox is .*got"),
        ([{**RECORDS[0], "bbox": [5, 5, -1, 2]}], "record 0: bbox is .*neither size negative"),
        ([{**RECORDS[0], "bbox": [5, 5, float("nan"), 2]}], "record 0: bbox is"),
        ([{**RECORDS[0], "score": "high"}], "record 0: .*'high'"),
        ([{**RECORDS[0], "score": float("inf")}], "record 0: score is a finite number"),
        ([{**RECORDS[0], "image_id": None}], "record 0: image_id is a number or a text"),
        ([{**RECORDS[0], "category_id": None}], "record 0: "),
    ],
)
def test_a_wrong_record_is_named(tmp_path, records, message):
    stage = BoxesFromFile(results(tmp_path / "r.json", records))
    with pytest.raises(ValueError, match=message):
        stage([crowded()])


def test_no_file_and_no_json(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file of boxes at .*nowhere\.json"):
        BoxesFromFile(tmp_path / "nowhere.json")
    (tmp_path / "r.json").write_text("[{")
    with pytest.raises(ValueError, match=r"r\.json is no JSON"):
        BoxesFromFile(tmp_path / "r.json")([crowded()])


def test_real_results_fit_their_data(test_data):
    generated = test_data / "eval_reference_coco" / "generated_on_val2017_subset"
    path = generated / "results_perturbed_gt.json"
    records = json.loads(path.read_text())
    ids = sorted({record["image_id"] for record in records})
    stage = BoxesFromFile(path)
    stage.check(ids)
    samples = stage([Sample(i, np.zeros((1, 1, 3), np.uint8)) for i in ids])
    assert sum(len(sample.prompts) for sample in samples) == len(records)
