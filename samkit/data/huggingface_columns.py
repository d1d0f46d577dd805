"""Which columns of a Hugging Face dataset hold pictures, masks, boxes, classes and ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MASKS = ("masks", "mask", "segmentation", "segmentations", "instance_mask", "instances")
MASK_PICTURES = (*MASKS, "annotation", "label", "labels", "label_map", "segmentation_mask")
BOXES = ("bbox", "bboxes", "boxes", "box")
CLASSES = ("category", "categories", "category_id", "class_id", "class_ids", "label", "labels")
IDS = ("image_id", "id", "file_name")
RUN_LENGTHS = {"size", "counts"}


@dataclass(frozen=True)
class Columns:
    """The chosen columns; those inside others as "objects.bbox". None: there is none.

    class_names: words of class ids, where the dataset knows them.
    """

    image: str
    masks: str | None
    boxes: str | None
    classes: str | None
    id: str | None
    class_names: Mapping[int, str]

    @property
    def used(self) -> list[str]:
        """All that a sample is made of."""
        names = (self.image, self.masks, self.boxes, self.classes)
        return [name for name in names if name is not None]


def find_columns(features: Mapping[str, Any], given: Mapping[str, str | None]) -> Columns:
    """The columns named in `given` by role, and where a name is None by kind and usual names.

    Raises ValueError that names the columns present: where a given name is none of them, where no
    picture or several are found, and where there are neither masks nor boxes.
    """
    leaves = flatten(features)
    present = f"columns are {', '.join(leaves)}"
    for role, name in given.items():
        if name is not None and name not in leaves:
            raise ValueError(f"there is no column {name!r} for {role}=; {present}")
    pictures = [name for name, leaf in leaves.items() if is_image(leaf)]
    found = dict(given)
    if found["masks"] is None:
        usual = [n for n in leaves if _last(n) in MASKS and not _is_number(leaves[n])]
        usual += [n for n in pictures if _last(n) in MASK_PICTURES and n not in usual]
        found["masks"] = _first(usual, but=(found["image"],))
    if found["image"] is None:
        others = [name for name in pictures if name != found["masks"]]
        others = [name for name in others if _last(name) == "image"] or others
        if len(others) != 1:
            told = f"{len(others)} columns could be the picture" if others else "no picture column"
            raise ValueError(f"{told}; {present}; name it by image=")
        [found["image"]] = others
    for role, usual_names in (("boxes", BOXES), ("classes", CLASSES), ("id", IDS)):
        if found[role] is None:
            taken = (found["image"], found["masks"])
            found[role] = _first([n for n in leaves if _last(n) in usual_names], but=taken)
    if found["masks"] is None and found["boxes"] is None:
        raise ValueError(f"neither masks nor boxes found; {present}; name one by masks= or boxes=")
    if found["classes"] is not None and not is_list(leaves[found["classes"]]):
        found["classes"] = None  # of the whole picture, not of its objects
    image = found["image"]
    assert image is not None
    class_names = _class_names(leaves[found["classes"]]) if found["classes"] else {}
    return Columns(
        image, found["masks"], found["boxes"], found["classes"], found["id"], class_names
    )


def flatten(features: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Features by dotted name; what a list of records holds becomes a list under its name."""
    leaves: dict[str, Any] = {}
    for name, feature in features.items():
        inner = feature.feature if is_list(feature) else feature
        if isinstance(inner, Mapping) and set(inner) != RUN_LENGTHS:
            for key, leaf in flatten(inner, f"{prefix}{name}.").items():
                leaves[key] = _ListOf(leaf) if is_list(feature) else leaf
        else:
            leaves[f"{prefix}{name}"] = feature
    return leaves


def value_of(row: Mapping[str, Any], name: str) -> Any:
    """A row's value at a dotted name: of one record, or a list of those of a list of records."""
    value: Any = row
    for key in name.split("."):
        value = [one[key] for one in value] if isinstance(value, list) else value[key]
    return value


@dataclass(frozen=True)
class _ListOf:
    """A list that is told as a record of lists, or inside a list of records."""

    feature: Any


def is_list(feature: Any) -> bool:
    return isinstance(feature, list) or hasattr(feature, "feature")


def is_image(feature: Any) -> bool:
    """Whether it is a column of pictures, one a row."""
    return type(feature).__name__ == "Image"


def _is_number(feature: Any) -> bool:
    return hasattr(feature, "dtype") and not is_list(feature) and not is_image(feature)


def _class_names(feature: Any) -> dict[int, str]:
    while is_list(feature):
        feature = feature[0] if isinstance(feature, list) else feature.feature
    return dict(enumerate(getattr(feature, "names", None) or ()))


def _last(name: str) -> str:
    return name.rsplit(".", 1)[-1].lower()


def _first(names: Sequence[str], but: Sequence[str | None]) -> str | None:
    return next((name for name in names if name not in but), None)
