"""What a pipeline finds in pictures, to be looked at and to be read."""

import json
from pathlib import Path

from samkit.data.dataset import Dataset
from samkit.drawing import draw
from samkit.evaluation.each import write_each
from samkit.pipeline import Stage
from samkit.types import Sample
from samkit.types.sample import SampleId


def write_overlays(pictures: Dataset, find: Stage, out: Path, data: str) -> dict[SampleId, str]:
    """OUT/overlays/NAME.png, and OUT/masks/NAME.json: phrases, and masks as COCO's records with theirs.

    data: where the pictures come from, such as their folder. What is there already stays, and of which
    run it is stands in OUT/run.json. Returns why those failed that did, by id, as `write_each` does.
    """

    def content(sample: Sample) -> str:
        overlay = out / "overlays" / Path(str(sample.id)).with_suffix(".png")
        overlay.parent.mkdir(parents=True, exist_ok=True)
        draw(sample.replace(prompts=None)).save(overlay)
        assert sample.masks is not None and sample.phrases is not None
        records = sample.masks.to_coco(str(sample.id))
        for record in records:
            record["phrase"] = sample.phrases[record["category_id"]]
        return json.dumps({"phrases": sample.phrases, "masks": records}, allow_nan=False)

    def place(id: SampleId) -> Path:
        return out / "masks" / Path(str(id)).with_suffix(".json")

    return write_each(pictures, find, place, content, out / "run.json", str(Path(data).resolve()))
