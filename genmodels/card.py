"""The model card (README.md) of a checkpoint: made from its JSON files, so that no figure in it is typed by hand.

Some lines of it may be its owner's: the licence of a model whose pictures are none of ours. They are kept when the card is
made anew.
"""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genmodels import checkpoint, files
from genmodels.data import DATASETS
from genmodels.evaluation.keys import KEYS, PART_TITLES, RANKED_BY, REAL_SETS
from genmodels.evaluation.measurement import DEFAULT_N
from genmodels.evaluation.report import Figures, Metric, Report, measured, of_model, of_real_images, shown
from genmodels.experiments import NAMES, results
from genmodels.protocols import Samples, abilities_of
from genmodels.registry import INSTRUMENTS, about, get_family, title
from genmodels.retrace import commands, computing, stages

IMAGES_ARE_FREE = "With the images that it generates you may do what you like."
OWNERS_LICENCE = (
    "Whoever trained it chooses one, in a line `license: …` right below the first line of this file; without it none is "
    "granted. What may be done with the images that it generates depends on the pictures that it learnt from, too."
)


def write_card(folder: str | os.PathLike[str]) -> None:
    """(Re)write README.md in a checkpoint folder."""
    text = model_card(folder)
    files.write_files(checkpoint.writable(folder), {"README.md": lambda path: path.write_text(text, encoding="utf-8")})


def model_card(source: str | os.PathLike[str], repo: str | None = None) -> str:
    """The card's Markdown, with the Hub's front matter; repo: the Hub's "user/name" if that is where it will be read."""
    folder = checkpoint.find(source)
    config, training = checkpoint.read_config(folder), checkpoint.read_json(folder, "training.json")
    report = measured(folder)
    name = (repo or folder.name).rpartition("/")[2]
    family, data = config["family"], config["data"]
    return "\n".join([
        _front_matter(folder, family, data["name"], report),
        f"# {name}",
        "",
        *(["![samples](samples.png)", ""] if (folder / "samples.png").is_file() else []),
        f"Family: {family}. Images: {'x'.join(str(s) for s in data['shape'][1:])}. Trained on `{data['name']}` by genmodels.",
        "",
        *_loading(repo or _bundled_name(folder)),
        *_opening(family, repo),
        *_diffusers(folder, repo),
        "## The idea",
        "",
        about(family),
        "",
        *_measured(report, _sampled(family, config["config"])),
        *_trained(folder.name, training, commands(folder)),
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
    return next((name for name, known in checkpoint.packaged().items() if known.resolve() == folder.resolve()), None)


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


def _opening(family: str, repo: str | None) -> list[str]:
    """The link that opens it in the app, wherever that runs."""
    if not repo or family in INSTRUMENTS:
        return []
    path = f"/?model={repo}"
    return [f"In the app (`genmodels app`) it opens at [`{path}`](http://127.0.0.1:7860{path}).", ""]


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


def _front_matter(folder: Path, family: str, data: str, report: Report) -> str:
    """What the Hub reads, between two lines of dashes."""
    from huggingface_hub import ModelCardData

    known = DATASETS.get(data)
    facts = ModelCardData(
        license="mit" if known else None,
        library_name="genmodels",
        tags=[family, "image-classification" if family in INSTRUMENTS else "image-generation"],
        datasets=[known.hub] if known and known.hub else None,
        metrics=_names(report) or None,
    )
    told = facts.to_yaml(original_order=["license", "library_name", "tags", "datasets", "metrics"])
    return "\n".join(["---", *([] if known else _chosen_licence(folder / "README.md")), told, "---", ""])


def _names(report: Report) -> list[str]:
    """Of the metrics that say how good a model is."""
    figures = [report.get("metrics", {}), *report.get("attributes", {}).values()]
    return [key for key in dict.fromkeys(key for group in figures for key in group) if key != "parameters"]


def _chosen_licence(card: Path) -> list[str]:
    """What a model's owner has said of its licence (`license`, `license_name`, `license_link`), in the front matter of the
    card that there is: those lines as they are; [] if there are none."""
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    _, _, front_matter = text.partition("---\n")
    return re.findall(r"^license\w*:.*(?:\n[ -].*)*", front_matter.partition("\n---")[0], re.MULTILINE)


def _licence(family: str, data: str) -> str:
    if data not in DATASETS:
        return OWNERS_LICENCE
    return "MIT." if family in INSTRUMENTS else f"MIT. {IMAGES_ARE_FREE}"


#: Of the settings of sampling those that are no visitor's to set.
FIXED = ("guidance_interval", "step_ends")


def sampling_settings(family: str, config: Mapping[str, Any]) -> list[str]:
    """Which of a model's settings say how it samples, and nothing of its weights.

    >>> from genmodels import card, checkpoint
    >>> card.sampling_settings("vae", checkpoint.read_config("vae-mnist")["config"])
    ['temperature']
    """
    return [key for key in (*get_family(family).knobs, *FIXED) if key in config]


def _sampled(family: str, config: dict[str, Any]) -> str:
    """With which settings of its own a model samples, in a sentence; "" where it has none."""
    usual = get_family(family).Config.from_json({"image_shape": config["image_shape"]}).to_json()
    keys = [key for key in sampling_settings(family, config) if key not in FIXED or config[key] != usual.get(key)]
    settings = [f"{key} = {config[key]}" for key in keys]
    return f" Samples were drawn with the model's own settings: {', '.join(settings)}." if settings else ""


def _measured(report: Report, sampled: str) -> list[str]:
    """The block of metrics: a table, the same distances of real images, what failed, and how it was measured."""
    if not report:
        return ["## Measured", "", "Not measured: `python -m genmodels evaluate` does it.", ""]
    rows, references = _rows(of_model(report)), _rows(of_real_images(report))
    head = ["| metric | value | n | protocol |", "| --- | --- | ---: | --- |"]
    failed = [f"- {PART_TITLES[part]} could not be measured: {reason}" for part, reason in report["failed"].items()]
    referee = report["referee"]
    by = f", referee {referee['name']} ({referee['hash']})" if referee else ""
    return [
        f"## Measured on the {report['data']['split']} split of {report['data']['name']}",
        "",
        f"By `python -m genmodels evaluate`, seed {report['seed']}{by}, on {report['hardware']}, {report['date']}.{sampled}",
        "",
        *head,
        *rows,
        "",
        *(["For comparison, real images in the place of samples:", "", *head, *references, ""] if references else []),
        *([*failed, ""] if failed else []),
    ]


def _rows(figures: Figures) -> list[str]:
    return [f"| {name} | {_value(m)} | {m['n']} | {m['protocol']} |" for name, m in figures.items()]


def _value(metric: Metric) -> str:
    """To five digits: more than tables show."""
    spread = f" ± {metric['spread']:,.3g}" if "spread" in metric else ""
    value = format(metric["value"], ",d" if isinstance(metric["value"], int) else ",.5g")
    return f"{value}{spread} {metric['unit']}".rstrip()


def _trained(name: str, training: dict[str, Any], again: list[str]) -> list[str]:
    """again: the commands that do the same."""
    if "steps" not in training:
        return []
    *before, _ = stages(training)
    earlier = ", then ".join(map(_amount, before))
    start = "an earlier one of this name" if training.get("start") == name else f"`{training.get('start')}`"
    went_on = f"It went on from {start}, after {earlier}. " if before else ""
    return [
        "## Training",
        "",
        f"{went_on}{_amount(training)} on {training['hardware']}, {training['images_per_s']:.0f} images/s; "
        "the recipe is in training.json.",
        "",
        *(["```bash", *again, "```", ""] if again else []),
    ]


def _amount(training: dict[str, Any]) -> str:
    return f"{training['steps']} steps ({training['epochs']} epochs) in {computing(training) / 60:.0f} minutes"


#: Of the table of samples: the metrics that share a column.
COLUMNS = (
    ("frechet_distance",),
    ("kernel_distance",),
    ("precision", "recall"),
    ("density", "coverage"),
    ("class_accuracy",),
    ("class_entropy",),
    ("student_accuracy",),
    ("copies",),
    ("sampling_ms_16_cpu",),
)


def models_tables() -> str:
    """All bundled models in three Markdown tables: samples, likelihood and reconstruction, referees."""
    reports = {name: measured(name) for name in checkpoint.packaged()}
    referees = {name: report for name, report in reports.items() if _family(name) in INSTRUMENTS}
    models = {name: report for name, report in reports.items() if name not in referees}
    sections = [_samples_table(models), _likelihood_table(models), _referee_table(referees)]
    return "\n\n".join("\n".join(lines) for lines in sections)


def _family(name: str) -> str:
    return str(checkpoint.read_config(name)["family"])


def _samples_table(reports: dict[str, Report]) -> list[str]:
    """Models that sample, by data set, the best first; above them, real images measured in the same way."""
    titles = [" / ".join(KEYS[key].title for key in keys) for keys in COLUMNS]
    lines = [f"| samples | {' | '.join(titles)} |", f"| --- |{' ---: |' * len(titles)}"]
    for data in DATASETS:
        names = [n for n in reports if checkpoint.read_config(n)["data"]["name"] == data and _samples(n)]
        names.sort(key=lambda name: _distance(reports[name]))
        references = next((reports[n]["references"] for n in names if reports[n]), {})
        lines += [_row(f"*{data}: {REAL_SETS[kind].title}*", _cells(f)) for kind, f in references.items()]
        lines += [_samples_row(name, reports[name]) for name in names]
    return lines


def _samples(name: str) -> bool:
    return Samples in abilities_of(get_family(_family(name)))


def _distance(report: Report) -> float:
    """What samples are ranked by; those without it come last."""
    figures = report.get("metrics", {})
    return figures[RANKED_BY]["value"] if RANKED_BY in figures else float("inf")


def _samples_row(name: str, report: Report) -> str:
    """Fewer samples than usual are said, because distances grow with fewer."""
    if not report:
        return _linked(name, ["not measured", *[""] * (len(COLUMNS) - 1)])
    figures = report["metrics"]
    fewer = f" (n = {report['n']:,})" if report["n"] < DEFAULT_N else ""
    return _linked(
        name, _cells(figures, {"kernel_distance": shown(figures, "kernel_distance") + fewer} | _as_captioned(figures))
    )


def _cells(figures: Figures, told: dict[str, str] | None = None) -> list[str]:
    """The columns of a row of the table of samples; told: what stands in place of a figure."""
    texts = {key: shown(figures, key) for keys in COLUMNS for key in keys} | (told or {})
    return [
        " / ".join(texts[key] for key in keys) if any(texts[key] != "–" for key in keys) else "–" for keys in COLUMNS
    ]


def _row(name: str, cells: list[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def _linked(name: str, cells: list[str]) -> str:
    return _row(f"[`{name}`](checkpoints/{name})", cells)


def _as_captioned(figures: Figures) -> dict[str, str]:
    """In place of the class accuracy: how often a sample shows what its caption says, also where training never showed the
    combination."""
    if "caption_accuracy" not in figures:
        return {}
    new = shown(figures, "novel_caption_accuracy", "")
    return {
        "class_accuracy": f"captions {shown(figures, 'caption_accuracy')}"
        + (f", new combinations {new}" if new else "")
    }


def _likelihood_table(reports: dict[str, Report]) -> list[str]:
    lines = [
        "| model | parameters | weights | bits/dim | reconstruction PSNR, SSIM | denoising PSNR (noisy input) | trained |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, report in reports.items():
        f, trainings = report.get("metrics", {}), stages(checkpoint.read_json(name, "training.json"))
        epochs, seconds = sum(training["epochs"] for training in trainings), sum(map(computing, trainings))
        again = f"{shown(f, 'reconstruction_psnr')}, {shown(f, 'reconstruction_ssim')}"
        clean = f"{shown(f, 'denoising_psnr')} ({shown(f, 'noisy_psnr')})"
        cells = [
            shown(f, "parameters", "not measured"),
            shown(f, "file_size", ""),
            shown(f, "bits_per_dim" if "bits_per_dim" in f else "bits_per_dim_bound"),
            again if "reconstruction_psnr" in f else "–",
            clean if "denoising_psnr" in f else "–",
            f"{epochs:.0f} epochs, {seconds / 60:.0f} min" if trainings else "–",
        ]
        lines.append(_linked(name, cells))
    return lines


def _referee_table(reports: dict[str, Report]) -> list[str]:
    lines = ["| referee | parameters | accuracy on the test split |", "| --- | ---: | --- |"]
    for name, report in reports.items():
        shares = [f"{attribute} {shown(f, 'accuracy')}" for attribute, f in report.get("attributes", {}).items()]
        parameters = shown(report.get("metrics", {}), "parameters", "not measured")
        lines.append(_linked(name, [parameters, ", ".join(shares)]))
    return lines


# -- experiments -------------------------------------------------------------------------------------------------------


def experiments_text() -> str:
    """What the experiments found whose tables are bundled: a line each, and the figures of a plot that is a single picture."""
    return "\n\n".join(filter(None, map(_found, NAMES)))


def _found(name: str) -> str:
    if name not in results.files():
        return ""
    try:
        result = results.holding(name)
    except ValueError as error:
        return f"**{name}**: not measured. {error} `{results.command(name)}` does it."
    unfinished = "" if result["complete"] else " (Some of it is still to be measured.)"
    tables = [_pivoted(result, plot) for plot in result["plots"] if not plot["facet"] and len(plot["series"]) == 1]
    return "\n\n".join([f"**{result['title']}** (`{name}`): {result['reading']}{unfinished}", *tables])


def _pivoted(result: dict[str, Any], plot: dict[str, Any]) -> str:
    """A plot's figures, a row for each curve, the one that ends lowest first."""
    columns = {column["key"]: column for column in result["columns"]}
    x, y, (series,) = columns[plot["x"]], columns[plot["y"]], plot["series"]
    figures = {(row[series], row[x["key"]]): row[y["key"]] for row in result["rows"] if row[y["key"]] is not None}
    names = list(dict.fromkeys(name for name, _ in figures))
    places = sorted({place for _, place in figures})
    names.sort(key=lambda name: [figures.get((name, place), math.inf) for place in reversed(places)])
    heads = [f"{place:g} {x['unit']}" for place in places]
    lines = [f"| {y['title']} after | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    for name in names:
        cells = [f"{figures[name, p]:.{y['digits']}f}" if (name, p) in figures else "–" for p in places]
        lines.append(_row(title(name) if series == "family" else name, cells))
    return "\n".join(lines)
