"""The model card (README.md) of a checkpoint: made from its JSON files, so that no figure in it is typed by hand.

One line of it is its owner's: the licence of a model whose pictures are none of ours. It is kept when the card is made anew.
"""

import os
import re
from pathlib import Path
from typing import Any

from genmodels import checkpoint, files
from genmodels.data import DATASETS
from genmodels.evaluation.measurement import DEFAULT_N
from genmodels.evaluation.report import measured
from genmodels.registry import INSTRUMENTS, about, get_family

IMAGES_ARE_FREE = "With the images that it generates you may do what you like."
OWNERS_LICENCE = (
    "Whoever trained it chooses one, in a line `license: …` right below the first line of this file; without it none is "
    "granted. What may be done with the images that it generates depends on the pictures that it learnt from, too."
)


def write_card(folder: str | os.PathLike) -> None:
    """(Re)write README.md in a checkpoint folder."""
    text = model_card(folder)
    files.write_files(checkpoint.writable(folder), {"README.md": lambda path: path.write_text(text, encoding="utf-8")})


def model_card(source: str | os.PathLike, repo: str | None = None) -> str:
    """The card's Markdown, with the Hub's front matter; repo: the Hub's "user/name" if that is where it will be read."""
    folder = checkpoint.find(source)
    config, training = checkpoint.read_config(folder), checkpoint.read_json(folder, "training.json")
    metrics = measured(folder)
    name = (repo or folder.name).rpartition("/")[2]
    family, data = config["family"], config["data"]
    return "\n".join([
        *_front_matter(folder, family, data["name"], metrics),
        f"# {name}",
        "",
        *(["![samples](samples.png)", ""] if (folder / "samples.png").is_file() else []),
        f"Family: {family}. Images: {'x'.join(str(s) for s in data['shape'][1:])}. Trained on `{data['name']}` by genmodels.",
        "",
        *_loading(repo or _bundled_name(folder)),
        *_diffusers(folder, repo),
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
        "## Licence",
        "",
        _licence(family, data["name"]),
        "",
    ])  # fmt: skip


def _bundled_name(folder: Path) -> str | None:
    """The name by which a folder is found from anywhere, if it is bundled."""
    return next((name for name, known in checkpoint.bundled().items() if known.resolve() == folder.resolve()), None)


def _loading(source: str | None) -> list[str]:
    """How to open it; what is neither bundled nor on the Hub can only be told where to be opened from."""
    return [
        *([] if source else ["Run this in the folder of this file:", ""]),
        "```python",
        "import genmodels",
        "",
        f'model = genmodels.load("{source or "."}")',
        "```",
        "",
    ]


def _diffusers(folder: Path, repo: str | None) -> list[str]:
    """How to open it as a pipeline, if it is one."""
    if not (folder / "model_index.json").is_file():
        return []
    config = checkpoint.read_config(folder)["config"]
    asked = 'prompt="…"' if config.get("vocabulary") else "class_labels=[0, 1]"
    name = _bundled_name(folder)
    bundled = name and not repo  # diffusers doesn't know the names
    source = f'genmodels.bundled()["{name}"]' if bundled else f'"{repo or "."}"'
    return [
        "It is a [diffusers](https://huggingface.co/docs/diffusers) pipeline, too; its code is `pipeline.py`:",
        "",
        "```python",
        *(["import genmodels"] if bundled else []),
        "from diffusers import DiffusionPipeline",
        "",
        f"pipe = DiffusionPipeline.from_pretrained({source}, trust_remote_code=True)",
        f"images = pipe({asked}).images",
        "```",
        "",
    ]


def _front_matter(folder: Path, family: str, data: str, metrics: dict[str, Any]) -> list[str]:
    licence = ["license: mit"] if data in DATASETS else _chosen_licence(folder / "README.md")
    lines = ["---", *licence, "library_name: genmodels", "tags:", f"- {family}"]
    lines += ["- image-classification" if family in INSTRUMENTS else "- image-generation"]
    if data in DATASETS and DATASETS[data].hub:
        lines += ["datasets:", f"- {DATASETS[data].hub}"]
    if metrics:
        lines += ["metrics:", *[f"- {name}" for name in metrics["metrics"] if name != "parameters"]]
    return [*lines, "---", ""]


def _chosen_licence(card: Path) -> list[str]:
    """The line in which a model's owner has named its licence, in the front matter of the card that there is; [] if none."""
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    _, _, front_matter = text.partition("---\n")
    return re.findall(r"^license: *\S.*$", front_matter.partition("\n---")[0], re.MULTILINE)[:1]


def _licence(family: str, data: str) -> str:
    if data not in DATASETS:
        return OWNERS_LICENCE
    return "MIT." if family in INSTRUMENTS else f"MIT. {IMAGES_ARE_FREE}"


def _measured(metrics: dict[str, Any]) -> list[str]:
    """The block of metrics: a table, the same distances of real images, what failed, and how it was measured."""
    if not metrics:
        return ["## Measured", "", "Not measured: `python -m genmodels evaluate` does it.", ""]
    rows = [f"| {name} | {_value(m)} | {m['n']} | {m['protocol']} |" for name, m in metrics["metrics"].items()]
    references = [f"| {name} | {_value(m)} | {m['n']} | {m['protocol']} |" for name, m in metrics["references"].items()]
    head = ["| metric | value | n | protocol |", "| --- | --- | ---: | --- |"]
    failed = [f"- {part} could not be measured: {reason}" for part, reason in metrics["failed"].items()]
    referee = metrics["referee"]
    by = f", referee {referee['name']} ({referee['hash']})" if referee else ""
    return [
        f"## Measured on the {metrics['data']['split']} split of {metrics['data']['name']}",
        "",
        f"By `python -m genmodels evaluate`, seed {metrics['seed']}{by}, on {metrics['hardware']}, {metrics['date']}.",
        "",
        *head,
        *rows,
        "",
        *(["For comparison, real images in the place of samples:", "", *head, *references, ""] if references else []),
        *([*failed, ""] if failed else []),
    ]


def _value(metric: dict[str, Any]) -> str:
    spread = f" ± {metric['spread']:,.3g}" if "spread" in metric else ""
    value = format(metric["value"], ",d" if isinstance(metric["value"], int) else ",.5g")
    return f"{value}{spread} {metric['unit']}".rstrip()


def _trained(training: dict[str, Any]) -> list[str]:
    if "steps" not in training:
        return []
    *before, _ = _history(training)
    earlier = ", then ".join(map(_amount, before))
    went_on = f"It went on from `{training['start']}`, after {earlier}. " if before else ""
    return [
        "## Training",
        "",
        f"{went_on}{_amount(training)} on {training['hardware']}, {training['images_per_s']:.0f} images/s; "
        "the recipe is in training.json.",
        "",
    ]


def _history(training: dict[str, Any]) -> list[dict[str, Any]]:
    """The trainings that these weights went through, the first one first; [] if none is known."""
    return [*_history(training.get("before", {})), training] if "steps" in training else []


def _amount(training: dict[str, Any]) -> str:
    return f"{training['steps']} steps ({training['epochs']} epochs) in {training['seconds'] / 60:.0f} minutes"


Figures = dict[str, dict[str, Any]]  # name -> {"value", "unit", ...}: "metrics" or "references" of a metrics.json


def models_tables() -> str:
    """All bundled models in three Markdown tables: samples, likelihood and reconstruction, referees."""
    reports = {name: measured(name) for name in checkpoint.bundled()}
    referees = {name: report for name, report in reports.items() if _family(name) in INSTRUMENTS}
    models = {name: report for name, report in reports.items() if name not in referees}
    sections = [_samples_table(models), _likelihood_table(models), _referee_table(referees)]
    return "\n\n".join("\n".join(lines) for lines in sections)


def bits(figures: Figures) -> str:
    """bits/dim, with "≤" if it is a bound; "" if a model has none."""
    if "bits_per_dim" in figures:
        return _shown(figures, "bits_per_dim", ".3f")
    return f"≤ {_shown(figures, 'bits_per_dim_bound', '.3f')}" if "bits_per_dim_bound" in figures else ""


def _family(name: str) -> str:
    return checkpoint.read_config(name)["family"]


def _shown(figures: Figures, key: str, form: str, missing: str = "–") -> str:
    return format(figures[key]["value"], form) if key in figures else missing


def _samples_table(reports: dict[str, dict[str, Any]]) -> list[str]:
    """Models that sample, by data set, the best first; above them, real images measured in the same way."""
    lines = [
        "| samples | Fréchet distance | kernel distance | precision / recall | density / coverage | "
        "class accuracy | class entropy | classifier trained on them | copies | 16 images |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for data in DATASETS:
        names = [n for n in reports if checkpoint.read_config(n)["data"]["name"] == data and _samples(n)]
        known = {name: reports[name].get("metrics", {}) for name in names}
        names.sort(key=lambda n, known=known: known[n].get("frechet_distance", {"value": float("inf")})["value"])
        lines += _reference_rows(data, next((reports[n]["references"] for n in names if reports[n]), {}))
        lines += [_samples_row(name, known[name], reports[name].get("n", DEFAULT_N)) for name in names]
    return lines


def _samples(name: str) -> bool:
    return hasattr(get_family(_family(name)), "sample")


def _reference_rows(data: str, references: Figures) -> list[str]:
    rows = []
    for key in references:
        kind, _, what = key.partition(" of ")
        if kind == "frechet_distance":
            student = _shown(references, "trained_on_real_accuracy", ".1f") if what == "training images" else "–"
            rows.append(
                f"| *{data}: {what}* | {_shown(references, key, '.2f')} | {_kernel(references, f'kernel_distance of {what}')} | "
                f"– | – | – | – | {student}{' %' * (student != '–')} | – | – |"
            )
    return rows


def _kernel(figures: Figures, key: str = "kernel_distance") -> str:
    if key not in figures:
        return "–"
    return f"{figures[key]['value']:.2f} ± {figures[key]['spread']:.2f}"


def _samples_row(name: str, f: Figures, n: int) -> str:
    """n: how many samples were drawn; fewer than usual are said, because distances grow with fewer."""
    if not f:
        return f"| [`{name}`](checkpoints/{name}) | not measured | | | | | | | | |"

    def percent(key: str) -> str:
        return f"{_shown(f, key, '.1f')} %" if key in f else "–"

    fewer = f" (n = {n:,})" if n < DEFAULT_N else ""
    cells = [
        _shown(f, "frechet_distance", ".2f"),
        _kernel(f) + fewer,
        f"{_shown(f, 'precision', '.2f')} / {_shown(f, 'recall', '.2f')}",
        f"{_shown(f, 'density', '.2f')} / {_shown(f, 'coverage', '.2f')}",
        _as_captioned(f) if "caption_accuracy" in f else percent("class_accuracy"),
        _shown(f, "class_entropy", ".3f"),
        percent("trained_on_samples_accuracy"),
        percent("copies"),
        f"{_shown(f, 'sampling_ms_16_cpu', '.0f')} ms",
    ]
    return f"| [`{name}`](checkpoints/{name}) | {' | '.join(cells)} |"


def _as_captioned(f: Figures) -> str:
    """How often a sample shows what its caption says, also where training never showed the combination."""
    new = f", new combinations {_shown(f, 'novel_caption_accuracy', '.1f')} %" if "novel_caption_accuracy" in f else ""
    return f"captions {_shown(f, 'caption_accuracy', '.1f')} %{new}"


def _likelihood_table(reports: dict[str, dict[str, Any]]) -> list[str]:
    lines = [
        "| model | parameters | weights | bits/dim | reconstruction PSNR, SSIM | denoising PSNR (noisy input) | trained |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, report in reports.items():
        f, history = report.get("metrics", {}), _history(checkpoint.read_json(name, "training.json"))
        epochs, seconds = (sum(training[key] for training in history) for key in ("epochs", "seconds"))
        again = f"{_shown(f, 'reconstruction_psnr', '.1f')} dB, {_shown(f, 'reconstruction_ssim', '.3f')}"
        clean = f"{_shown(f, 'denoising_psnr', '.1f')} dB ({_shown(f, 'noisy_psnr', '.1f')} dB)"
        cells = [
            _shown(f, "parameters", ",d", "not measured"),
            f"{_shown(f, 'file_size', '.1f')} MB" if f else "",
            bits(f) or "–",
            again if "reconstruction_psnr" in f else "–",
            clean if "denoising_psnr" in f else "–",
            f"{epochs:.0f} epochs, {seconds / 60:.0f} min" if history else "–",
        ]
        lines.append(f"| [`{name}`](checkpoints/{name}) | {' | '.join(cells)} |")
    return lines


def _referee_table(reports: dict[str, dict[str, Any]]) -> list[str]:
    lines = ["| referee | parameters | accuracy on the test split |", "| --- | ---: | --- |"]
    for name, report in reports.items():
        f = report.get("metrics", {})
        shares = [
            f"{key.removesuffix('_accuracy')} {m['value']:.2f} %" for key, m in f.items() if key.endswith("_accuracy")
        ]
        lines.append(
            f"| [`{name}`](checkpoints/{name}) | {_shown(f, 'parameters', ',d', 'not measured')} | {', '.join(shares)} |"
        )
    return lines
