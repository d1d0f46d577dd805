"""The recipes about text, run on next to nothing."""

import importlib.util
import itertools
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import typer
from PIL import Image

from samkit import load_sam
from samkit.clip import Clip, load_clip
from samkit.clip.projection import DECODER, TextProjection, load_text_prompt
from samkit.data import shapes
from samkit.data.phrased import phrased
from samkit.stages import Embed, Proposals, RankByText, Segment, TextPrompt, text_sam
from samkit.testing import example_samples

ROOT = Path(__file__).parents[2]
pytest.importorskip("open_clip")


def recipe(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "recipes" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("route", ["prompt", "rank"])
def test_shapes_are_asked_and_scored(route: str, tmp_path: Path, capsys) -> None:
    recipe("text_to_mask").main(route=route, limit=1, points_per_side=4, out=tmp_path, device="cpu")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["errors"] == 0 and summary["metrics"]["phrases"] > 2
    assert 0 <= summary["metrics"]["hit"] <= summary["metrics"]["reachable"] <= 1
    assert "mIoU" in capsys.readouterr().out
    guided, few = tmp_path / "guided", {"points_per_side": 4, "device": "cpu"}
    recipe("text_to_mask").main(route=route, limit=1, guided=0.2, out=guided, **few)
    again = json.loads((guided / "summary.json").read_text())
    assert "GuidedFilter(radius=0.2)" in again["run"]["pipeline"]
    assert again["metrics"]["mIoU"] != summary["metrics"]["mIoU"]
    recipe("text_to_mask").main(route=route, limit=1, crops=1, out=tmp_path / "crops", **few)
    closer = json.loads((tmp_path / "crops/summary.json").read_text())["run"]["pipeline"]
    assert ("SegmentCrops(" if route == "prompt" else "crop_n_layers=1") in closer
    if route == "prompt":
        with pytest.raises(typer.BadParameter, match="--zoom is for rank and detect"):
            recipe("text_to_mask").main(route=route, zoom=1.5)
        few |= {"crops": 1, "ranked": True, "out": tmp_path / "by"}
        recipe("text_to_mask").main(route=route, limit=1, **few)
        by_clip = json.loads((tmp_path / "by/summary.json").read_text())
        assert "several=True" in by_clip["run"]["pipeline"]
        assert "RankByText(" in by_clip["run"]["pipeline"] and not by_clip["errors"]
        few |= {"redraw": "tiny", "out": tmp_path / "drawn"}
        recipe("text_to_mask").main(route=route, limit=1, **few)
        drawn = json.loads((tmp_path / "drawn/summary.json").read_text())
        assert "Top(10, per='class') | RedrawMasks(" in drawn["run"]["pipeline"]
        assert "rescore=0.8" in drawn["run"]["pipeline"], "told the phrases, it knows what is there"
        assert drawn["metrics"]["mIoU"] != by_clip["metrics"]["mIoU"] and not drawn["errors"]
        few |= {"mirrored": True, "out": tmp_path / "twice"}
        recipe("text_to_mask").main(route=route, limit=1, **few)
        twice = json.loads((tmp_path / "twice/summary.json").read_text())
        assert "Together((Embed(" in twice["run"]["pipeline"]
        assert twice["run"]["pipeline"].count("mirrored=True") == 2, "when drawn, and when ranked"
        assert twice["metrics"]["mIoU"] != drawn["metrics"]["mIoU"] and not twice["errors"]
        few |= {"finder": "tiny", "mirrored": False, "out": tmp_path / "looked"}
        recipe("text_to_mask").main(route=route, limit=1, **few)
        looked = json.loads((tmp_path / "looked/summary.json").read_text())
        both = looked["run"]["pipeline"]
        assert "Top(10, per='class'), FindByText(" in both, "ten that the prompt found"
        assert "Top(3, per='class'))) | RedrawMasks(" in both, "and three that were looked for"
        assert "each='own', quality=0.4) | RankByFinder(" in both, "CLIP and finder choose"
        assert looked["metrics"]["mIoU"] != drawn["metrics"]["mIoU"] and not looked["errors"]
        alone = json.loads((tmp_path / "crops/summary.json").read_text())["metrics"]
        assert by_clip["metrics"]["mIoU"] != alone["mIoU"], "and CLIP's is another"
        return
    with pytest.raises(typer.BadParameter, match="--ranked is for the route prompt"):
        recipe("text_to_mask").main(route=route, ranked=True)
    with pytest.raises(typer.BadParameter, match="--finder is for the routes prompt and rank"):
        recipe("text_to_mask").main(route="detect", finder="tiny")
    recipe("text_to_mask").main(route=route, limit=1, redraw="tiny", out=tmp_path / "drawn", **few)
    drawn = json.loads((tmp_path / "drawn/summary.json").read_text())
    first, again = drawn["run"]["pipeline"].split("each='phrase'")
    assert "RedrawMasks(" not in first
    assert "Top(40, per='class') | RedrawMasks(" in again and "each='own'" in again
    assert drawn["metrics"]["mIoU"] != summary["metrics"]["mIoU"] and not drawn["errors"]
    few |= {"redraw": "tiny", "finder": "tiny"}
    recipe("text_to_mask").main(route=route, limit=1, out=tmp_path / "agreed", **few)
    agreed = json.loads((tmp_path / "agreed/summary.json").read_text())
    assert agreed["run"]["pipeline"].count("RankByFinder(") == 2, "of proposals, and when drawn"
    assert agreed["metrics"]["mIoU"] != drawn["metrics"]["mIoU"] and not agreed["errors"]
    few = {"points_per_side": 4, "device": "cpu"}
    with pytest.raises(typer.BadParameter, match="--mirrored is for the routes prompt and rank"):
        recipe("text_to_mask").main(route="detect", mirrored=True)
    recipe("text_to_mask").main(route=route, limit=1, mirrored=True, out=tmp_path / "two", **few)
    twice = json.loads((tmp_path / "two/summary.json").read_text())
    assert "Mirrored(Embed(" in twice["run"]["pipeline"] and not twice["errors"]
    assert twice["run"]["sam"] == summary["run"]["sam"] != ""
    row, plain = (
        json.loads((folder / "rows.jsonl").read_text().splitlines()[-1])["row"]
        for folder in (tmp_path / "two", tmp_path)
    )
    assert row["best"] != plain["best"], "other masks to choose from"
    recipe("text_to_mask").main(route=route, limit=1, zoom=1.5, out=tmp_path / "zoomed", **few)
    zoomed = json.loads((tmp_path / "zoomed/summary.json").read_text())
    assert "MaskBoxes() | SegmentZoomed(" in zoomed["run"]["pipeline"] and not zoomed["errors"]
    assert zoomed["metrics"]["mIoU"] != summary["metrics"]["mIoU"]


def test_unseen_phrases_are_some_of_all() -> None:
    every, unseen = phrased("shapes", 12), phrased("shapes", 12, unseen=True)
    counts = [sum(len(sample.phrases) for sample in some) for some in (every, unseen)]
    assert 0 < counts[1] < counts[0] / 3
    assert set(unseen[3].phrases) <= set(every[3].phrases)


def test_a_picture_and_phrases_give_masks_and_overlays(tmp_path: Path, capsys) -> None:
    path = tmp_path / "in" / "scene.png"
    path.parent.mkdir()
    Image.fromarray(shapes(1)[0].image).save(path)
    main, out = recipe("text_to_mask").main, tmp_path / "out"
    for data in (path, path.parent):
        main(
            ["a red disc", "a bar"],
            data=str(data),
            points_per_side=3,
            store=tmp_path / "store",
            out=out / data.name,
            device="cpu",
        )
        found = json.loads(next((out / data.name / "masks").iterdir()).read_text())
        assert found["phrases"] == ["a red disc", "a bar"]
        assert [m["phrase"] for m in found["masks"]] != [] and len(found["masks"]) == 2
        assert {m["phrase"] for m in found["masks"]} == {"a red disc", "a bar"}
        assert np.asarray(Image.open(out / data.name / "overlays" / "scene.png")).std() > 1
    kept = [path.name.partition(".")[2] for path in (tmp_path / "store").iterdir()]
    assert kept.count("embedding.safetensors") == 1 and kept.count("clip_embedding") > 1
    main(["a red disc", "a bar"], "prompt", data=str(path), top=3, out=out / "three", device="cpu")
    found = json.loads((out / "three/masks/scene.json").read_text())["masks"]
    assert sorted(m["phrase"] for m in found) == ["a bar"] * 3 + ["a red disc"] * 3
    assert len({m["score"] for m in found}) == 6
    (path.parent / "torn.png").write_bytes(path.read_bytes()[:900])
    with pytest.raises(typer.Exit) as stopped:
        main(["a bar"], data=str(path.parent), points_per_side=3, out=out / "torn", device="cpu")
    assert stopped.value.exit_code == 1
    told = capsys.readouterr().out
    assert "1 of 2 pictures are done" in told and "1 pictures failed; the same command" in told
    assert "torn.png: " in told and (out / "torn/masks/scene.json").exists()
    with pytest.raises(typer.BadParameter, match="--crops is for prompt and rank"):
        recipe("text_to_mask").main(route="detect", crops=1)
    with pytest.raises(typer.BadParameter, match="say what to look for"):
        main(data=str(path), out=out)
    with pytest.raises(typer.BadParameter, match="shapes has its own phrases"):
        main(["a bar"], data="shapes", out=out)


def test_likeness_is_drawn_and_measured(tmp_path: Path) -> None:
    module = recipe("mask_similarity")
    module.main(scenes=2, pictures=1, out=tmp_path, device="cpu")
    found = json.loads((tmp_path / "summary.json").read_text())
    assert set(found) == {"class", "texture", "class and texture"}
    assert all(0 <= numbers["AP"] <= 1 for numbers in found.values() if numbers["queries"])
    assert np.asarray(Image.open(tmp_path / "figure.png")).std() > 1


def test_average_precision_by_hand() -> None:
    precision = recipe("mask_similarity").precision
    alike = np.array([True, False, True, False])
    assert precision(np.array([4.0, 3.0, 2.0, 1.0]), alike) == pytest.approx((1 + 2 / 3) / 2)
    assert precision(np.array([1.0, 2.0, 3.0, 4.0]), alike) == pytest.approx((1 / 2 + 2 / 4) / 2)


SMALL_PAIR = {"pool": 3, "batch": 8, "validation": 2, "save_every": 1}


def test_a_pair_is_trained_kept_and_continued(tmp_path: Path, capsys) -> None:
    """Stopped after its first step and called again, it ends with the weights of an unbroken run."""
    module = recipe("train_clip")
    module.main(steps=2, out=tmp_path / "whole", **SMALL_PAIR)
    stop, module.pair_loss = module.pair_loss, stopping(module.pair_loss, after=1)
    with pytest.raises(KeyboardInterrupt):
        module.main(steps=2, out=tmp_path / "broken", **SMALL_PAIR)
    module.pair_loss = stop
    module.main(steps=2, out=tmp_path / "broken", **SMALL_PAIR)
    assert "going on after step 1" in capsys.readouterr().out
    whole, broken = (tmp_path / n / "tiny_clip.safetensors" for n in ("whole", "broken"))
    assert whole.read_bytes() == broken.read_bytes()
    given = str(tmp_path / "whole")
    module.main(steps=1, start=given, out=tmp_path / "on", **SMALL_PAIR)
    assert (tmp_path / "on/tiny_clip.safetensors").read_bytes() != whole.read_bytes()
    module.main(steps=1, texts_of=given, out=tmp_path / "same texts", **SMALL_PAIR)
    first, other = (load_clip(str(tmp_path / n), device="cpu") for n in ("whole", "same texts"))
    assert first.texts_name == other.texts_name and first.name != other.name
    assert torch.equal(first.texts(["a red disc"]), other.texts(["a red disc"]))
    with pytest.raises(typer.BadParameter, match="has texts already"):
        module.main(start=given, texts_of=given, out=tmp_path / "both")
    config = json.loads((tmp_path / "whole/tiny_clip.json").read_text())
    trained = load_clip(str(tmp_path / "whole"), device="cpu")
    assert trained.texts(["a red disc"]).shape == (1, config["model"]["embed_dim"])
    assert config["model"]["vision_cfg"]["image_size"] == config["preprocess"]["size"] == 64


def stopping(function, after: int):
    calls = itertools.count()

    def stopped(*given):
        if next(calls) == after:
            raise KeyboardInterrupt
        return function(*given)

    return stopped


def test_a_pair_learns_to_choose_and_goes_on(tmp_path: Path, capsys) -> None:
    """From everything mode's masks and the prompt's; stopped between, the same as in one go."""
    main = recipe("train_clip_choice").main
    small = {"scenes": 1, "prompted": 1, "masks": 12, "batch": 6, "objects": 4, "pool": 2}
    small["save_every"] = 1
    main(steps=2, out=tmp_path / "whole", **small)
    (tmp_path / "broken/choices").mkdir(parents=True)
    first = sorted((tmp_path / "whole/choices").glob("*.npz"))[0]
    (tmp_path / "broken/choices" / first.name).write_bytes(first.read_bytes())
    module = recipe("train_clip_choice")
    module.pair_loss = stopping(module.pair_loss, after=1)
    with pytest.raises(KeyboardInterrupt):
        module.main(steps=2, out=tmp_path / "broken", **small)
    main(steps=2, out=tmp_path / "broken", **small)
    assert "going on after step 1" in capsys.readouterr().out
    whole, broken = (tmp_path / name / "tiny_clip.safetensors" for name in ("whole", "broken"))
    assert whole.read_bytes() == broken.read_bytes()
    found = load_clip(str(tmp_path / "whole"), device="cpu")
    assert found.name != load_clip("tiny", device="cpu").name
    before, what = (
        load_clip("tiny", device="cpu"),
        {**small, "redraw": "tiny", "texts": False, "learning_rate": 3.0},
    )
    main(steps=1, out=tmp_path / "drawn", **what)
    after = load_clip(str(tmp_path / "drawn"), device="cpu")
    assert torch.equal(after.texts(["a red disc"]), before.texts(["a red disc"]))
    crop = np.zeros((1, 64, 64, 3), np.uint8)
    assert not torch.equal(after.images(crop), before.images(crop))
    main(steps=1, out=tmp_path / "drawn", blend=0.5, **what)  # the same state, and half of the way
    half = load_clip(str(tmp_path / "drawn"), device="cpu").model.state_dict()
    name = "visual.embed.2.weight"
    began, ended = (pair.model.state_dict()[name] for pair in (before, after))
    way = (ended - began).abs().max()
    assert way > 0.02, "far enough that half of it can be told in half precision"
    torch.testing.assert_close(half[name], (began + ended) / 2, atol=0.02 * float(way), rtol=0)
    plain, drawn = (sorted((tmp_path / n / "choices").glob("*.npz"))[0] for n in ("whole", "drawn"))
    assert not np.array_equal(np.load(plain)["predicted_iou"], np.load(drawn)["predicted_iou"])
    small["prompted"] = 0  # a pair without a text prompt of its own
    main(steps=1, start=str(tmp_path / "whole"), out=tmp_path / "on", **small)
    assert len(list((tmp_path / "on/choices").glob("*.npz"))) == 1
    with pytest.raises(ValueError, match="Write to another folder"):
        main(steps=1, start=str(tmp_path / "whole"), out=tmp_path / "on", **{**small, "masks": 5})


def test_a_text_prompt_is_trained_and_goes_on(tmp_path: Path, capsys) -> None:
    """Three steps, of which the last is made after a stop; what is taught comes with the file."""
    main = recipe("train_text_prompt").main
    small = {"pool": 1, "images": 1, "prompts": 2, "tokens": 2, "device": "cpu", "out": tmp_path}
    small |= {"train_what": "decoder", "paired": 2}
    main(steps=2, **small)
    before = load_text_prompt(tmp_path / "text_prompt.safetensors")
    main(steps=3, **small)
    after = load_text_prompt(tmp_path / "text_prompt.safetensors")
    assert "going on after step 2" in capsys.readouterr().out
    assert after.name != before.name and after.decoder and not after.encoder
    assert after.gap.norm() > 0.1, "texts of made-up scenes lie elsewhere than pictures"
    assert not torch.equal(after.bridge, torch.eye(len(after.gap)))
    main(steps=1, **{**small, "out": tmp_path / "alone", "train_what": "projection"})
    assert not load_text_prompt(tmp_path / "alone/text_prompt.safetensors").decoder
    main(steps=1, **{**small, "out": tmp_path / "all", "train_what": "all"})
    everything = load_text_prompt(tmp_path / "all/text_prompt.safetensors")
    sam = load_sam("tiny", device="cpu")
    reader = text_sam(sam, everything)
    assert everything.encoder and reader.image_encoder is not sam.image_encoder
    [one], [other] = (model.encode([np.zeros((64, 64, 3), np.uint8)]) for model in (sam, reader))
    assert not torch.equal(one["image_embedding"], other["image_embedding"])


def test_captions_teach_what_takes_texts_over(tmp_path: Path) -> None:
    main = recipe("train_text_prompt").main
    small = {"pool": 1, "images": 2, "prompts": 4, "scenes": 2, "paired": 2, "device": "cpu"}
    small["start"] = "tiny"
    before = load_text_prompt()
    for name, captions in (("pictures", 0.0), ("captions", 1.0)):
        main(steps=2, out=tmp_path / name, captions=captions, train_what="decoder", **small)
    pictures, texts = (
        load_text_prompt(tmp_path / name / "text_prompt.safetensors")
        for name in ("pictures", "captions")
    )
    assert not torch.equal(texts.lin2.weight, pictures.lin2.weight)
    moved = (texts.bridge - before.bridge).abs().max()
    assert 0 < moved < 0.01, "it begins with what the file has"
    assert (pictures.bridge - before.bridge).abs().max() > 0.05, "of pictures with a regression's"
    assert 0 < (texts.gap - before.gap).abs().max() < 0.01
    assert not texts.bridge.requires_grad


def test_a_text_prompt_is_trained_on_from_another(tmp_path: Path) -> None:
    """The shipped one is begun with, its encoder and decoder too; another pair's only once moved."""
    main = recipe("train_text_prompt").main
    small = {"pool": 1, "images": 1, "prompts": 2, "device": "cpu", "out": tmp_path, "paired": 2}
    small["rank"] = 0  # all of the encoder's change is kept
    main(steps=1, learning_rate=1.0, blend=0.0, start="tiny", **small)
    before, after = load_text_prompt(), load_text_prompt(tmp_path / "text_prompt.safetensors")
    main(steps=1, learning_rate=1.0, start="tiny", **small)  # the same state without a blend
    learned = load_text_prompt(tmp_path / "text_prompt.safetensors")
    assert (learned.lin2.weight - before.lin2.weight).abs().max() > 1e-3
    torch.testing.assert_close(after.lin2.weight, before.lin2.weight, atol=1e-4, rtol=0)
    for a, b in ((after.decoder, before.decoder), (after.encoder, before.encoder)):
        assert a and b
    for name in before.decoder:
        torch.testing.assert_close(after.decoder[name], before.decoder[name], atol=2e-3, rtol=1e-3)
    sam = load_sam("tiny", device="cpu")
    picture = [example_samples()[0].image]
    [a], [b] = (text_sam(sam, one).encode(picture) for one in (after, before))
    difference = (a["image_embedding"] - b["image_embedding"]).abs().max()
    assert difference < 0.02 * b["image_embedding"].abs().max()

    pair = tmp_path / "pair"
    recipe("train_clip").main(steps=1, out=pair, **SMALL_PAIR)
    for wrong in ({"blend": 0.5}, {"blend": 1.5, "start": "tiny"}):
        with pytest.raises(typer.BadParameter, match="of what was learned since --start"):
            main(steps=1, **small, **wrong)
    with pytest.raises(typer.BadParameter, match="give both"):
        main(steps=1, start_clip="tiny", clip=str(pair), **small)
    with pytest.raises(ValueError, match="train one for it"):
        main(steps=1, start="tiny", clip=str(pair), **small)
    small |= {"start": "tiny", "start_clip": "tiny", "clip": str(pair), "scenes": 2}
    for captions in (0.0, 1.0):
        main(steps=1, captions=captions, **(small | {"out": tmp_path / f"moved{captions}"}))
        moved = load_text_prompt(tmp_path / f"moved{captions}/text_prompt.safetensors")
        assert moved.clip_name == load_clip(str(pair), device="cpu").texts_name != before.clip_name
        by_texts = torch.allclose(moved.lin1.weight, before.lin1.weight, atol=0.01)
        assert by_texts == bool(captions), "by pictures the first layer changes"


@pytest.mark.slow
def test_public_models_go_through_both_routes(tmp_path: Path) -> None:
    """An open_clip ViT-B-32 built without weights: shapes, batches, and the routes end to end."""
    import open_clip

    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32", pretrained=None)
    clip = Clip(model, open_clip.get_tokenizer("ViT-B-32"), "random-ViT-B-32")
    assert clip.image_size == 224 and clip.width == 512
    sam, samples = load_sam("tiny", device="cpu"), example_samples()
    rank = Embed(sam) | Proposals(sam, points_per_side=2, pred_iou_thresh=0) | RankByText(clip)
    projection = TextProjection(512, sam.config.channels, clip_name=clip.texts_name).eval()
    prompt = Embed(sam) | TextPrompt(clip, projection=projection) | Segment(sam)
    for find in (rank, prompt):
        together, alone = find(samples), [find([sample])[0] for sample in samples]
        for a, b in zip(together, alone, strict=True):
            assert len(a.masks) == len(b.masks)
            np.testing.assert_allclose(a.masks.scores, b.masks.scores, atol=1e-5)


@pytest.mark.slow
def test_the_training_takes_steps_on_photographs(
    test_data: Path, tmp_path: Path, monkeypatch
) -> None:
    """The machinery alone: twenty steps with a ViT-B-32 of random weights, thrown away."""
    import open_clip

    folder = test_data.parent / "train" / "coco_train_mini"
    if not folder.is_dir():
        pytest.skip(f"wants {folder}")
    module = recipe("train_text_prompt")
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32", pretrained=None)
    clip = Clip(model, open_clip.get_tokenizer("ViT-B-32"), "random-ViT-B-32")
    monkeypatch.setattr(module, "load_clip", lambda *_: clip)
    module.main(
        data=[str(folder)], steps=20, pool=0, images=1, prompts=2, train_what="all", device="cpu",
        out=tmp_path,
    )  # fmt: skip
    found = load_text_prompt(tmp_path / "text_prompt.safetensors")
    assert found.clip_width == 512 and any(n.startswith(DECODER) for n in found.decoder)
    sam = load_sam("tiny", device="cpu")
    assert text_sam(sam, found).image_encoder is not sam.image_encoder
