"""The model card (README.md) of a checkpoint: made from its JSON files, so that no figure in it is typed by hand."""

import os
from typing import Any

from genmodels import checkpoint
from genmodels.data import DATASETS
from genmodels.registry import get_family


def write_card(folder: str | os.PathLike) -> None:
    """(Re)write README.md in a checkpoint folder."""
    text = model_card(folder)
    checkpoint.write_files(checkpoint.find(folder), {"README.md": lambda path: path.write_text(text, encoding="utf-8")})


def model_card(source: str | os.PathLike) -> str:
    """The card's Markdown, with the Hub's front matter."""
    folder = checkpoint.find(source)
    config, training = checkpoint.read_config(folder), checkpoint.read_json(folder, "training.json")
    metrics = checkpoint.read_json(folder, "metrics.json")
    name, family, data = folder.name, config["family"], config["data"]
    return "\n".join([
        *_front_matter(family, data["name"], metrics),
        f"# {name}",
        "",
        "![samples](samples.png)",
        "",
        f"Family: {family}. Images: {'x'.join(str(s) for s in data['shape'][1:])}. Trained on `{data['name']}` by genmodels.",
        "",
        "```python",
        "import genmodels",
        "",
        f'model = genmodels.load("{name}")',
        "```",
        "",
        "## The idea",
        "",
        about(family),
        "",
        *_measured(metrics),
        *_trained(training),
        "## Limits",
        "",
        f"Small on purpose: it answers in milliseconds on two CPU cores. It knows only pictures like those of `{data['name']}`.",
        "",
    ])  # fmt: skip


def about(family: str) -> str:
    """The opening text of the family's model file."""
    import sys

    return (sys.modules[get_family(family).__module__].__doc__ or "").strip()


def _front_matter(family: str, data: str, metrics: dict[str, Any]) -> list[str]:
    lines = ["---", "license: mit", "library_name: genmodels", "tags:", f"- {family}", "- image-generation"]
    if data in DATASETS and DATASETS[data].hub:
        lines += ["datasets:", f"- {DATASETS[data].hub}"]
    if metrics:
        lines += ["metrics:", *[f"- {name}" for name in metrics["metrics"] if name != "parameters"]]
    return [*lines, "---", ""]


def _measured(metrics: dict[str, Any]) -> list[str]:
    if not metrics:
        return []
    rows = [f"| {name} | {m['value']:,.7g} {m['unit']} | {m['protocol']} |" for name, m in metrics["metrics"].items()]
    return [
        f"## Measured on {metrics['n']} images of the {metrics['data']['split']} split",
        "",
        "| metric | value | protocol |",
        "| --- | --- | --- |",
        *rows,
        "",
    ]


def _trained(training: dict[str, Any]) -> list[str]:
    if not training:
        return []
    return [
        "## Training",
        "",
        f"{training['steps']} steps ({training['epochs']} epochs) in {training['seconds'] / 60:.0f} minutes on "
        f"{training['hardware']}, {training['images_per_s']:.0f} images/s; the recipe is in training.json.",
        "",
    ]


def metrics_table() -> str:
    """All bundled models as a Markdown table: size, and the metrics that each has been measured by."""
    lines = [
        "| model | parameters | bits/dim (≤) | reconstruction PSNR | denoising PSNR (noisy input) | trained |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for name in checkpoint.bundled():
        training = checkpoint.read_json(name, "training.json")
        values = {k: m["value"] for k, m in checkpoint.read_json(name, "metrics.json").get("metrics", {}).items()}

        def shown(key: str, form: str, values: dict[str, float] = values) -> str:
            return format(values[key], form) if key in values else "–"

        denoising = f"{shown('denoising_psnr', '.1f')} dB ({shown('noisy_psnr', '.1f')} dB)"
        lines.append(
            f"| [`{name}`](checkpoints/{name}) | {shown('parameters', ',d')} | {shown('bits_per_dim_bound', '.3f')} | "
            f"{shown('reconstruction_psnr', '.1f')} dB | {denoising} | "
            f"{training['epochs']:.0f} epochs, {training['seconds'] / 60:.0f} min |"
        )
    return "\n".join(lines)
