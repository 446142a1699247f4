"""What is on record of the bundled models: measured figures, as a table for visitors, and films of their training."""

from collections.abc import Callable
from typing import Any

from genmodels import card
from genmodels.evaluation.report import measured
from genmodels.wrappers.core import available

#: What `measured` gives: {"metrics": {key: {"value", …}}, "references": {…}, …}, or {} if nothing was measured.
Measured = dict[str, Any]


def figures(family: str) -> str:
    """A Markdown table of a family's models with those figures that a visitor understands, and what they mean."""
    known = {name: measured(name) for name in available(family)}
    columns = {title: [cell(values) if values else "" for values in known.values()] for title, cell in CELLS.items()}
    columns = {title: cells for title, cells in columns.items() if any(cells)}
    if not columns:
        return "Not measured: `python -m genmodels evaluate` does it."
    lines = [f"| model | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    for (name, values), cells in zip(known.items(), zip(*columns.values(), strict=True), strict=True):
        shown = [cell or "–" for cell in cells] if values else ["not measured", *cells[1:]]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join([*lines, "", *[meaning for title, meaning in MEANINGS.items() if title in columns]])


def _figure(key: str, form: str, group: str = "metrics") -> Callable[[Measured], str]:
    """A cell: the figure of this key with its format, e.g. "{:.1f} %", or "" if it was not measured."""

    def cell(values: Measured) -> str:
        metric = values[group].get(key)
        return form.format(metric["value"]) if metric else ""

    return cell


CELLS: dict[str, Callable[[Measured], str]] = {
    "parameters": _figure("parameters", "{:,}"),
    "Fréchet distance": _figure("frechet_distance", "{:.2f}"),
    "of real images": _figure("frechet_distance of training images", "{:.2f}", "references"),
    "blurred ½ px": _figure("frechet_distance of blurred by 0.5 px", "{:.2f}", "references"),
    "blurred 1 px": _figure("frechet_distance of blurred by 1 px", "{:.2f}", "references"),
    "one class missing": _figure("frechet_distance of without the first class", "{:.2f}", "references"),
    "class accuracy": _figure("class_accuracy", "{:.1f} %"),
    "as captions say": _figure("caption_accuracy", "{:.1f} %"),
    "of new combinations": _figure("novel_caption_accuracy", "{:.1f} %"),
    "bits/dim": lambda values: card.bits(values["metrics"]),
    "PSNR": _figure("reconstruction_psnr", "{:.1f} dB"),
    "largest error": _figure("largest_error", "{:d}"),
    "16 images": _figure("sampling_ms_16_cpu", "{:.0f} ms"),
}
MEANINGS = {
    "Fréchet distance": "*Fréchet distance*: how far the pictures as a whole are from real test images, as a classifier "
    "sees them; less is better. Beside it, the same distance of other real images: as they are, blurred by half a pixel "
    "and by one, and without their first class.",
    "class accuracy": "*Class accuracy*: how often that classifier sees the class that was asked for.",
    "as captions say": "*As captions say*: in how many of six attributes (species, body, cloak, head, weapon, shield) that "
    "classifier sees what the caption said; *of new combinations*: the same for captions whose pairs of cloak and weapon "
    "no picture of the training had.",
    "bits/dim": "*bits/dim*: what it costs to store a test image with the model, per pixel and colour; less is better, "
    "and ≤ marks an upper bound.",
    "PSNR": "*PSNR*: how close a test image comes back after it went through the code; more is better.",
    "largest error": "*Largest error*: by how many of 256 grey levels any pixel of a test image differs when it comes back "
    "from its code.",
}
