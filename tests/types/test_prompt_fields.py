"""Prompts of every wrong kind are refused in our own words, with what was expected and what came."""

from typing import Any

import numpy as np
import pytest
import torch

from samkit.types import Prompts

POINT = {"labels": [[1]]}
NUMPYS_OWN = ("setting an array", "inhomogeneous", "could not convert", "reshape", "convert float")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"points": 5, "labels": 5}, "points hold one entry per prompt, got 5"),
        ({"points": "ab", "labels": [[1]]}, "points hold one entry per prompt, got 'ab'"),
        ({"points": np.float32(1), "labels": [[1]]}, "points hold one entry per prompt"),
        ({"points": [[["1", "2"]]], **POINT}, "expected numbers, got text"),
        ({"points": [[[1, 2j]]], **POINT}, "expected numbers, got complex128"),
        ({"points": [[[True, False]]], **POINT}, "expected numbers, got bool"),
        ({"points": [[[1, None]]], **POINT}, "expected numbers, got object"),
        ({"points": [[[1, {}]]], **POINT}, "expected numbers, got object"),
        ({"points": [[[1, 2], [3]]], **POINT}, "rows are of different lengths"),
        ({"points": [[[1, 2]], [[3]]], "labels": [[1], [1]]}, r"prompt 1: .* got \(1, 1\)"),
        ({"points": [[[1e300, 2]]], **POINT}, "at most 16777216 from 0, got .*1e.300"),
        ({"points": [[[-np.inf, 2]]], **POINT}, "finite numbers.*-inf"),
        ({"points": [[[1, 10**30]]], **POINT}, "expected numbers, got object"),
        ({"points": [[[1, 2]]], "labels": [["1"]]}, "expected numbers, got text"),
        ({"points": [[[1, 2]]], "labels": [[True]]}, "labels .*expected numbers, got bool"),
        ({"points": [[[1, 2]]], "labels": [[0.5]]}, r"0 \(background\), got \[0.5\]"),
        ({"points": [[[1, 2]]], "labels": [[np.nan]]}, "got .nan."),
        ({"boxes": 5}, r"shape \(N, 4\), got \(\)"),
        ({"boxes": "abcd"}, "boxes: expected numbers, got text"),
        ({"boxes": [["a"] * 4]}, "boxes: expected numbers, got text"),
        ({"boxes": [[0, 0, 1, 1], [0, 0, 1]]}, "boxes: rows are of different lengths"),
        ({"boxes": [[0, 0, 1, 1j]]}, "boxes: expected numbers, got complex"),
        ({"boxes": [[0, 0, 2**24 + 1, 1]]}, "at most 16777216 from 0, got .*16777217"),
        ({"boxes": [[0, 5, 1, 1]]}, r"y0 <= y1, got \[0, 5, 1, 1\]"),
        ({"boxes": torch.zeros(1, 4, requires_grad=True)}, "tensor on cpu with requires_grad=True"),
        ({"masks": ["a"]}, "prompt 0: expected mask logits .* got 'a'"),
        ({"masks": [np.zeros((4, 4), complex)]}, "of floats, got .*complex128"),
        ({"embeddings": [object()]}, "expected an embedding .* got <object"),
        ({"boxes": [[0, 0, 1, 1]], "class_ids": ["cat"]}, "class_ids: expected numbers, got text"),
        ({"boxes": [[0, 0, 1, 1]], "class_ids": [1.5]}, r"whole numbers, got \[1.5\]"),
        ({"boxes": [[0, 0, 1, 1]], "class_ids": [np.nan]}, "whole numbers"),
        ({"boxes": [[0, 0, 1, 1]], "class_ids": [1e300]}, "whole numbers"),
        ({"boxes": [[0, 0, 1, 1]], "scores": [np.nan]}, r"scores are finite numbers, got \[nan\]"),
        (
            {"boxes": [[0, 0, 1, 1]], "scores": [1e300]},
            r"scores are finite numbers, got \[1e\+300\]",
        ),
        ({"boxes": [[0, 0, 1, 1]], "scores": [None]}, "scores: expected numbers, got object"),
        ({"boxes": [[0, 0, 1, 1]], "scores": 0.5}, r"scores has shape \(N,\), got \(\)"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_wrong_kinds(given: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        Prompts(**given)
    assert not any(text in str(caught.value) for text in NUMPYS_OWN)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize(
    ("field", "told"),
    [("masks", r"mask logits \(h, w\)"), ("embeddings", r"an embedding \(tokens, D\)")],
)
def test_tensors_that_are_not_finite(
    field: str, told: str, kind: Any, dtype: Any, value: float
) -> None:
    wrong = np.zeros((4, 5), dtype)
    wrong[2, 3] = wrong[3, 4] = value
    expected = f"prompt 1: expected {told} of finite floats, got 2 of 20 .*such as {value}"
    with pytest.raises(ValueError, match=expected):
        Prompts(**{field: [None, kind(wrong), kind(np.zeros((4, 5), dtype))]})
    with pytest.raises(ValueError, match="finite"):
        Prompts(boxes=[[0, 0, 1, 1]]).replace(**{field: [kind(wrong)]})


def test_tensors_beyond_float32_are_not_finite_to_a_model() -> None:
    with pytest.raises(ValueError, match="got 1 of 16 that are not, such as 1e.300"):
        Prompts(masks=[np.pad([[1e300]], (0, 3))])


@pytest.mark.parametrize(
    ("xy", "labels", "told"),
    [
        # These were silently cut into other points once.
        ([[1, 2, 3, 4]], None, r"\(N, 2\) or \(N, P, 2\), got \(1, 4\)"),
        (np.zeros((2, 3)), None, r"\(N, 2\) or \(N, P, 2\), got \(2, 3\)"),
        ([1, 2], None, r"shape \(P, 2\), got \(\)"),
        (5, None, "one entry per prompt, got 5"),
        ("ab", None, "one entry per prompt, got 'ab'"),
        ([["a", "b"]], None, "expected numbers, got text"),
        (np.zeros((1, 1, 2, 2)), None, r"shape \(P, 2\), got \(1, 2, 2\)"),
        ([[1, 2]], 1, "labels hold one entry per prompt, got 1"),
        ([[1, 2]], [1, 0], "share their length"),
        ([[1, 2]], ["fg"], "expected numbers, got text"),
    ],
)
def test_wrong_points(xy: Any, labels: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Prompts.from_points(xy, labels)


def test_whole_floats_and_other_widths_are_numbers_too() -> None:
    prompts = Prompts(
        points=[np.array([[1, 2]], np.uint8)],
        labels=[np.array([1.0])],
        boxes=torch.tensor([[0, 0, 4, 5]]),
        class_ids=np.array([3.0]),
        scores=[1],
    )
    assert prompts.points[0].dtype == prompts.boxes.dtype == prompts.scores.dtype == np.float32
    assert prompts.labels[0].tolist() == [1]
    assert prompts.class_ids.tolist() == [3]


def test_what_is_given_is_not_what_is_kept() -> None:
    boxes, points = np.zeros((1, 4), np.float32), np.zeros((1, 1, 2), np.float32)
    prompts = Prompts(points=points, labels=[[1]], boxes=boxes)
    boxes[:], points[:] = 7, 7
    assert prompts.boxes.tolist() == [[0, 0, 0, 0]]
    assert prompts.points[0].tolist() == [[0, 0]]
