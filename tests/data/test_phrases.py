"""What captions say, which objects they fit, and datasets that ask."""

import numpy as np
import pytest

from samkit.data import shapes
from samkit.data.phrases import asking, by_caption, by_class, captions
from samkit.data.shapes import render_scene
from samkit.data.shapes.phrases import WORDS, Attributes, attributes, fits, unique


def test_captions_are_read_back() -> None:
    for index in range(12):
        scene = render_scene(3, index)
        for caption, name, colour, texture in zip(
            scene.captions, scene.names, scene.colours, scene.textures, strict=True
        ):
            said = attributes(caption)
            assert said.name == name
            assert (said.colour or "mixed") == colour
            assert (said.texture or "flat") == texture
            assert set(caption.replace("-", " ").split()) <= set(WORDS)


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("a photo of a disc", Attributes("disc")),
        ("Blue OBJECT", Attributes(None, "blue")),
        ("a photo-textured mug", Attributes("mug", None, None, "photo")),
        ("a red and white striped mug", Attributes("mug", "red", "white", "striped")),
        ("the sea", Attributes()),
    ],
)
def test_what_a_phrase_says(phrase: str, said: Attributes) -> None:
    assert attributes(phrase) == said


def test_less_said_fits_more() -> None:
    striped = attributes("a red and white striped disc")
    assert fits(attributes("a red disc"), striped) and fits(Attributes(), striped)
    assert not fits(striped, attributes("a red disc"))
    assert not fits(attributes("a white disc"), striped)  # it is red first
    assert unique(["a disc", "a red disc"]) == [1]
    assert unique([]) == []


def test_a_dataset_asks_by_caption_and_by_class() -> None:
    plain = shapes(2)
    asked = by_caption(plain)
    truth = plain[1].annotations
    assert asked[1].phrases == truth.captions and asked.ids == plain.ids
    np.testing.assert_array_equal(asked[1].annotations.class_ids, np.arange(len(truth)))
    assert asked.name == f"captions of {plain.name}"

    sample = by_class(plain)[1]
    names = [truth.class_names[i] for i in truth.class_ids]
    assert sorted(sample.phrases) == sorted(set(names))
    for place, phrase in enumerate(sample.phrases):
        rows = sample.annotations.class_ids == place
        expected = truth.binary()[[name == phrase for name in names]]
        np.testing.assert_array_equal(sample.annotations.binary()[rows], expected)


def test_an_object_may_fit_two_phrases_and_a_phrase_none() -> None:
    dataset = asking(shapes(1), lambda truth: [("x", [0, 1]), ("y", [1]), ("z", [])], "letters")
    truth = dataset[0].annotations
    assert truth.class_ids.tolist() == [0, 0, 1] and dataset[0].phrases == ("x", "y", "z")
    assert truth.run_lengths[1] == truth.run_lengths[2]
    nobody = asking(shapes(1), lambda truth: [], "nothing")[0]
    assert nobody.phrases == () and len(nobody.annotations) == 0


def test_captions_are_needed_to_ask_by_them() -> None:
    from dataclasses import replace

    truth = replace(shapes(1)[0].annotations, captions=None)
    with pytest.raises(ValueError, match="no captions; ask by class"):
        captions(truth)
