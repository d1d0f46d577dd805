"""The `samkit` command."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from samkit import Prompts, Sample, __version__, draw, load_sam
from samkit.ops.images import read_image
from samkit.sam import golden
from samkit.sam.checkpoints import require_size
from samkit.sam.config import CONFIGS
from samkit.sam.download import fetch
from samkit.sam.remote import sha256
from samkit.stages import Embed, Segment

app = typer.Typer(
    help="Pipelines on one Segment Anything core.", no_args_is_help=True, add_completion=False
)

POINT = typer.Option(help="A foreground point X,Y in pixels of the picture; may be repeated.")
NOT_POINT = typer.Option(help="A background point X,Y; may be repeated.")
BOX = typer.Option(help="A box X0,Y0,X1,Y1 in pixels; may be repeated.")


@app.callback(invoke_without_command=True)
def about(version: Annotated[bool, typer.Option(help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"samkit {__version__}")


@app.command()
def segment(
    picture: Annotated[Path, typer.Argument(help="A picture file.")],
    point: Annotated[list[str] | None, POINT] = None,
    not_point: Annotated[list[str] | None, NOT_POINT] = None,
    box: Annotated[list[str] | None, BOX] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Overlay to write (PNG).")] = Path(
        "segmented.png"
    ),
    json_out: Annotated[Path | None, typer.Option(help="Masks as COCO records (JSON).")] = None,
    sam: Annotated[str, typer.Option(help="tiny, vit_b, vit_l, vit_h, or a file.")] = "tiny",
    device: str = "auto",
    dtype: str = "float32",
) -> None:
    """Masks for points and boxes in one picture.

    Points ask for one object together; with one box they refine that box's object. Several boxes ask
    for an object each.
    """
    try:
        prompts = build_prompts(point or [], not_point or [], box or [])
        sample = Sample.open(picture).loaded().replace(prompts=prompts)
        model = load_sam(sam, device, dtype)
        [answer] = (Embed(model) | Segment(model))([sample])
        write(answer, out, json_out)
    except (ValueError, OSError) as error:
        typer.echo(f"samkit: {error}", err=True)
        raise typer.Exit(2) from error
    assert answer.masks is not None
    for area, iou in zip(answer.masks.areas(), answer.masks.predicted_iou, strict=True):
        typer.echo(f"mask of {area} pixels, predicted IoU {iou:.3f}")
    typer.echo(f"{model.name}: {len(answer.masks)} masks drawn to {out}")


@app.command()
def verify(
    name: Annotated[str, typer.Argument(help="vit_b or vit_h.")],
    weights: Annotated[Path | None, typer.Option(help="These weights as a file of yours.")] = None,
    picture: Annotated[Path | None, typer.Option(help="The picture, if you have it.")] = None,
    device: str = "auto",
) -> None:
    """Whether weights give, on this machine, the numbers that others published for them.

    Downloads the official weights and the picture of the golden scores where they are not there yet.
    Ends with 0 where all numbers agree, 1 where one does not, 2 where nothing could be compared.
    """
    try:
        findings = golden_scores(name, weights, picture, device)
    except (ValueError, OSError) as error:
        typer.echo(f"samkit: {error}", err=True)
        raise typer.Exit(2) from error
    for finding in findings:
        typer.echo(str(finding))
    passed = sum(finding.passed for finding in findings)
    verdict = "PASS" if passed == len(findings) else "FAIL"
    typer.echo(f"{verdict}: {passed} of {len(findings)} golden prompts agree")
    typer.echo(golden.NEXT_CHECKS)
    if verdict == "FAIL":
        raise typer.Exit(1)


@app.command()
def suite(
    root: Annotated[Path, typer.Option(help="The folder in which the datasets' folders lie.")],
    masks: Annotated[bool, typer.Option(help="Read all annotations and count masks.")] = False,
    split: Annotated[list[str] | None, typer.Option(help="NAME=SPLIT; may be repeated.")] = None,
) -> None:
    """Which of the 23 datasets of the paper's study of clicks are there, and what others want.

    Each dataset's folder is called by its name or begins with it. Ends with 0 if at least one is there.
    """
    from samkit.data.sa23 import format_suite
    from samkit.data.sa23 import suite as find_suite

    try:
        pairs = [text.split("=", 1) for text in split or []]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError(f"expected --split NAME=SPLIT, got {', '.join(split or [])}")
        found = find_suite(root, splits={pair[0]: pair[1] for pair in pairs})
        text = format_suite(found, root, count_masks=masks)
    except (ValueError, OSError) as error:
        typer.echo(f"samkit: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(text)
    if not any(one.dataset is not None for one in found):
        raise typer.Exit(1)


@app.command()
def edges(
    picture: Annotated[Path, typer.Argument(help="A picture file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Edge map to write (PNG).")] = Path(
        "edges.png"
    ),
    points_per_side: Annotated[int, typer.Option(help="Grid points along each side.")] = 16,
    zoom: Annotated[
        float | None,
        typer.Option(help="Every mask once more in a crop; 1.5 suits tiny, none is the paper."),
    ] = None,
    guided: Annotated[
        float | None,
        typer.Option(help="Outlines follow the picture; .02 suits tiny, none is the paper."),
    ] = None,
    sam: Annotated[str, typer.Option(help="tiny, vit_b, vit_l, vit_h, or a file.")] = "tiny",
    device: str = "auto",
    dtype: str = "float32",
) -> None:
    """Edges of one picture, as in the paper: outlines of all masks from a grid of points.

    The map has the picture's size and one channel of 8 bits, white for the strongest edge.
    """
    from samkit.data.edge_maps import write_edge_map
    from samkit.stages import find_edges

    try:
        sample = Sample.open(picture).loaded()
        model = load_sam(sam, device, dtype)
        [answer] = find_edges(model, points_per_side, zoom, guided)([sample])
        assert answer.edges is not None and answer.masks is not None
        write_edge_map(answer.edges, out)
    except (ValueError, OSError) as error:
        typer.echo(f"samkit: {error}", err=True)
        raise typer.Exit(2) from error
    share = (answer.edges > 0).mean()
    typer.echo(f"{model.name}: edges of {len(answer.masks)} masks on {share:.1%} of {out}")


@app.command()
def demo(
    sam: Annotated[str, typer.Option(help="tiny, vit_b, vit_l, vit_h, or a file.")] = "tiny",
    clip: Annotated[str, typer.Option(help="tiny, a model of open_clip, or none.")] = "tiny",
    clip_weights: Annotated[str | None, typer.Option(help="A tag of open_clip, or a file.")] = None,
    prompt: Annotated[str, typer.Option(help="Text prompt: tiny, or a file.")] = "tiny",
    points_per_side: Annotated[int | None, typer.Option(help="Of everything mode.")] = None,
    host: Annotated[str, typer.Option(help="127.0.0.1 is for this machine alone.")] = "127.0.0.1",
    port: int = 7860,
    megapixels: Annotated[float, typer.Option(help="Largest picture that is taken.")] = 50,
    seconds: Annotated[float, typer.Option(help="Most that one answer may take.")] = 120,
    device: str = "auto",
    dtype: str = "float32",
) -> None:
    """A page for clicks, boxes, phrases and everything mode on a picture of yours."""
    from samkit.clip import load_clip
    from samkit.clip.projection import load_text_prompt
    from samkit.demo.answers import Answers, Limits
    from samkit.ops.optional import require

    try:
        require("gradio", extra="demo")
        from samkit.demo.page import serve

        answers = Answers(
            load_sam(sam, device, dtype),
            None if clip == "none" else load_clip(clip, clip_weights, device, dtype),
            None if clip == "none" else load_text_prompt(prompt),
            points_per_side=points_per_side or (16 if sam == "tiny" else 32),
            weak=sam == "tiny",
            limits=Limits(pixels=int(megapixels * 1e6), seconds=seconds),
        )
        typer.echo(f"{answers.sam.name}: http://{host}:{port} (Ctrl-C ends it)")
        serve(answers, host, port)
    except (ValueError, OSError, ImportError) as error:
        typer.echo(f"samkit: {error}", err=True)
        raise typer.Exit(2) from error


def golden_scores(
    name: str, weights: Path | None, picture: Path | None, device: str
) -> list[golden.Finding]:
    """What the weights give for the golden prompts of `name`. Says what they are compared on.

    Raises ValueError where no golden scores are known, for weights of another size and for another
    picture; OSError where a file or a download is missing.
    """
    if name not in golden.GOLDEN:
        known = " and ".join(golden.GOLDEN)
        raise ValueError(f"golden scores are known for {known} only, got {name!r}")
    sam = load_sam(weights or name, device)
    if name in CONFIGS:
        require_size(sam, name, weights or name)
    path = picture or fetch(golden.PICTURE)
    pixels = read_image(path)
    if problem := golden.picture_problem(pixels):
        raise ValueError(f"{path}: {problem}")
    checked = "a file of yours, its sha256 not compared" if weights else "sha256 as on record"
    typer.echo(f"weights   {sam.name} on {sam.device}: {checked}")
    typer.echo(f"picture   {path}: size as on record; its sha256 is published nowhere:")
    typer.echo(f"          {sha256(path)}")
    return golden.verify(sam, pixels, golden.GOLDEN[name])


def build_prompts(points: list[str], not_points: list[str], boxes: list[str]) -> Prompts:
    """Prompts of the command line's texts. Raises ValueError where they make no sense together."""
    xy = [numbers(text, 2, "--point X,Y") for text in (*points, *not_points)]
    xyxy = [numbers(text, 4, "--box X0,Y0,X1,Y1") for text in boxes]
    labels = [1] * len(points) + [0] * len(not_points)
    if not xy and not xyxy:
        raise ValueError("nothing to look for; give --point X,Y or --box X0,Y0,X1,Y1")
    if xy and len(xyxy) > 1:
        raise ValueError(
            f"points and {len(xyxy)} boxes: which box would the points refine? Give one box, or only boxes"
        )
    if xy:
        return Prompts(points=[xy], labels=[labels], boxes=xyxy or None)
    return Prompts.from_boxes(xyxy)


def numbers(text: str, count: int, form: str) -> list[float]:
    """The `count` numbers of a text like "500,375". Raises ValueError with the form it should have."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise ValueError(f"expected {form} in pixels, got {text!r}")
    return values


def write(sample: Sample, out: Path, json_out: Path | None) -> None:
    """The overlay and, where wanted, the masks as COCO records."""
    import json

    draw(sample).save(out)
    if json_out is not None and sample.masks is not None:
        json_out.write_text(json.dumps(sample.masks.to_coco(str(sample.id)), indent=1) + "\n")


def main() -> None:
    """Entry point of the command."""
    app()


if __name__ == "__main__":
    main()
