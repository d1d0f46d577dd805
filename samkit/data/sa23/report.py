"""What `samkit suite` prints."""

from collections.abc import Sequence
from pathlib import Path

from samkit.data.sa23.sampling import Sampling, sample_images
from samkit.data.sa23.suite import Found


def format_suite(found: Sequence[Found], root: str | Path, count_masks: bool = False) -> str:
    """A line for each dataset: there or not, counts beside the paper's; below, what is missing.

    count_masks: also draw the paper's sample of each dataset that is there, which reads its
    annotations, and tell how many masks it has.
    """
    lines = [f"{'':14}{'':9}{'images':>9}{'paper':>8}{'masks':>9}{'paper':>8}"]
    for one in found:
        drawn = sample_images(one.dataset) if one.dataset is not None and count_masks else None
        lines.append(_line(one, drawn))
    there = [one for one in found if one.dataset is not None]
    lines.append(f"{len(there)} of {len(found)} datasets are in {root}")
    for one in found:
        if one.dataset is None:
            lines += ["", *_missing(one, root)]
    return "\n".join(lines)


def _line(one: Found, drawn: Sampling | None) -> str:
    facts = one.facts
    images = "-" if one.dataset is None else str(len(drawn.dataset if drawn else one.dataset))
    masks = "-" if drawn is None else str(drawn.masks)
    told = f"{facts.name:14}{'found' if one.dataset is not None else 'missing':9}"
    told += f"{images:>9}{facts.images:>8}{masks:>9}{facts.masks:>8}"
    remarks = []
    if not one.as_paper:
        remarks.append(f"{one.split}, the paper takes {facts.paper_split}")
    if drawn is not None and not drawn.whole:
        remarks.append("drawn by seed 0")
    if drawn is not None and drawn.without_objects:
        remarks.append(f"{drawn.without_objects} images without an object left out")
    if drawn is not None and drawn.unreadable:
        first = next(iter(drawn.unreadable.items()))
        remarks.append(f"{len(drawn.unreadable)} unreadable, the first {first[0]}: {first[1]}")
    return f"{told}  {'; '.join(remarks)}".rstrip()


def _missing(one: Found, root: str | Path) -> list[str]:
    facts = one.facts
    place = Path(root) / facts.name
    return [
        f"{facts.name}: {facts.title} ({facts.domain}; the paper takes {facts.paper_split})",
        f"  missing   {one.problem}",
        f"  get it    {facts.home}",
        f"  licence   {facts.licence}",
        *(f"  expected  {place}/{line}" for line in facts.layout.split("\n")),
    ]
