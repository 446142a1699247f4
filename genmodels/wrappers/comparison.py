"""The models side by side: what is on record of them as tables. Nothing here loads a model: it reads JSON files."""

import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genmodels import checkpoint
from genmodels.card import history
from genmodels.data import DATASETS
from genmodels.evaluation.keys import KEYS, PART_TITLES, RANKED_BY, REAL_SETS
from genmodels.evaluation.measurement import DEFAULT_N
from genmodels.evaluation.report import Figures, Metric, Report, measured, read_report, shown, timed_on
from genmodels.places import without_paths
from genmodels.protocols import AnyModel, HasLikelihood, Samples, abilities_of
from genmodels.registry import FAMILIES, get_family
from genmodels.wrappers import bundled_samples
from genmodels.wrappers.core import available, describe
from genmodels.wrappers.published import LIKELIHOODS, Published
from genmodels.wrappers.section import Answer
from genmodels.wrappers.state import DataState, FreeState
from genmodels.wrappers.tables import Column, Row, Table, least, most, table

Records = dict[str, Report]
FAMILY, MODEL = Column("family", "Family"), Column("model", "Model")
SIZE = ("parameters", "file_size")
QUALITY = ("frechet_distance", "kernel_distance", "precision", "class_accuracy")
DIVERSITY = ("recall", "coverage", "class_entropy", "feature_spread", "copies")
BITS = ("bits_per_dim", "bits_per_dim_bound")
SPEEDS = {
    "CPU": ("sampling_ms_1_cpu", "sampling_ms_16_cpu"),
    "GPU": ("sampling_ms_1_gpu", "sampling_ms_16_gpu"),
}
#: What decides where a figure that is missing could have come from: for its reason.
NEEDS: dict[str, type] = dict.fromkeys(BITS, HasLikelihood) | dict.fromkeys((*QUALITY, *DIVERSITY), Samples)
LACKING: dict[type, str] = {HasLikelihood: "It states no likelihood.", Samples: "It draws no pictures."}
ABSENT: dict[type, str] = {
    HasLikelihood: "Without a likelihood, and so not listed",
    Samples: "Without pictures of its own, and so not listed",
}


# -- which models, and what is on record of them -----------------------------------------------------------------------


def everyone() -> list[str]:
    """The models of all families, family by family."""
    return [name for family in FAMILIES for name in available(family)]


def samplers() -> list[str]:
    """Those that draw new pictures."""
    return [name for name in everyone() if can(name, Samples)]


def own() -> list[str]:
    """Models of one's own, which are not bundled."""
    return list(checkpoint.own())


def settings(name: str) -> dict[str, Any]:
    """The settings of a model, as its config.json has them."""
    return dict(checkpoint.read_config(name)["config"])


def of_data(data: str, names: Iterable[str] | None = None) -> list[str]:
    return [name for name in (everyone() if names is None else names) if describe(name)["data"] == data]


def can(name: str, ability: type) -> bool:
    return ability is AnyModel or ability in abilities_of(get_family(describe(name)["family"]))


def records() -> Records:
    """What was measured of every model, {} where that doesn't hold any more; read again once a file has changed."""
    return _records(_stamp())


def _stamp() -> tuple[tuple[str, int, int], ...]:
    """What tells whether a file of any model has changed, of a referee's too."""
    files = (
        os.path.join(place, name)
        for root in checkpoint.bundled().values()
        for place, _, names in os.walk(root)
        for name in names
    )
    return tuple((file, (facts := os.stat(file)).st_mtime_ns, facts.st_size) for file in files)


@functools.lru_cache(maxsize=2)
def _records(stamp: tuple[tuple[str, int, int], ...]) -> Records:
    return {name: _record(name) for name in everyone()}


def _record(name: str) -> Report:
    try:
        return measured(name)
    except ValueError:  # weights that can't be read, or a file that is no JSON: `why_unmeasured` says so
        return {}


def why_unmeasured(name: str) -> str:
    """Why nothing that was measured of a model counts, and the command that measures it."""
    try:
        reason = "its figures are of another format, weights, settings or referee" if read_report(name) else ""
    except ValueError as error:
        reason = sentence(error).rstrip(".")
    return f"Not measured{f' ({reason})' if reason else ''}: `python -m genmodels evaluate {name}` does it."


def why_missing(name: str, slug: str, report: Report) -> str:
    """Why a model with this report has no figure of this slug."""
    ability = NEEDS.get(slug)
    if ability and not can(name, ability):
        return LACKING[ability]
    if not report:
        return why_unmeasured(name)
    if slug == "class_accuracy" and not describe(name)["conditional"]:
        told = f"captions, {shown(report['metrics'], 'caption_accuracy')} as they say"
        return f"It is told {told if 'caption_accuracy' in report['metrics'] else 'no class'}."
    if report["failed"]:
        return " ".join(f"{PART_TITLES[part]} could not be measured: {why}" for part, why in report["failed"].items())
    return f"Not in its metrics.json: `python -m genmodels evaluate {name}` measures it."


# -- rows and columns of figures ---------------------------------------------------------------------------------------


def _row(name: str, slugs: Sequence[str], report: Report) -> Row:
    row: Row = {"family": describe(name)["family"], "model": name}
    for slug in slugs:
        row |= figure(slug, report) or missing(slug, why_missing(name, slug, report))
    if report and report["n"] < DEFAULT_N:  # distances grow with fewer samples
        row |= {f"{s}_text": f"{row[f'{s}_text']} (n = {report['n']:,})" for s in slugs if row[s] is not None}
    return row


def figure(slug: str, report: Report | Mapping[str, Any]) -> Row:
    """What a row says of a figure; {} if there is none."""
    figures: Figures = report.get("metrics", {})
    if slug not in figures:
        return {}
    value, spread = figures[slug]["value"], figures[slug].get("spread")
    around = {} if spread is None else {f"{slug}_low": value - spread, f"{slug}_high": value + spread}
    return {slug: value, f"{slug}_text": shown(figures, slug)} | around


def missing(key: str, why: str) -> Row:
    return {key: None, f"{key}_why": why}


def _references(known: Records, slugs: Sequence[str]) -> list[Row]:
    """Real images in the place of samples, as any of the data set's models was compared with."""
    found = next((report["references"] for report in known.values() if report.get("references")), {})
    rows = []
    for kind, figures in found.items():
        row: Row = {
            "family": None,
            "family_why": "Real images.",
            "model": real_title(kind),
            "reference": True,
        }
        for slug in slugs:
            row |= figure(slug, {"metrics": figures}) or missing(slug, "Measured of models alone.")
        rows.append(row)
    return rows


def real_title(kind: str) -> str:
    return f"Real: {REAL_SETS[kind].title}"


def _columns(slugs: Sequence[str], known: Records) -> list[Column]:
    return [
        Column(slug, _capital(KEYS[slug].title), KEYS[slug].unit, protocol=_protocol([slug], known)) for slug in slugs
    ]


def _protocol(slugs: Sequence[str], known: Records) -> str:
    """What a figure means, and how it was measured of these models: once if of all alike."""
    meaning = KEYS[slugs[0]].meaning
    metrics = [report.get("metrics", {}) for report in known.values()]
    how = dict.fromkeys(_how(figures[slug]) for figures in metrics for slug in slugs if slug in figures)
    return " ".join([_capital(meaning), *(f"{_capital(text)}." for text in how)])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _how(metric: Metric) -> str:
    return metric["protocol"].rstrip(".")


def _title(data: str) -> str:
    return DATASETS[data].title if data in DATASETS else data


def able(data: str, ability: type) -> Records:
    """What is on record of the data set's models with an ability."""
    known = records()
    return {name: known[name] for name in of_data(data) if can(name, ability)}


def _absent(data: str, ability: type) -> dict[str, str]:
    """Which models are not in a table, as a line below it."""
    names = [name for name in of_data(data) if not can(name, ability)]
    return {"missing": f"{ABSENT[ability]}: {', '.join(names)}."} if names else {}


def _best(row: Row | None, key: str) -> str:
    return f"{row['model']} ({row[f'{key}_text']})" if row else "no model that was measured"


# -- the tables --------------------------------------------------------------------------------------------------------


def glance(texts: Mapping[str, Any]) -> Table:
    """The families in words. texts: family -> an object with the attributes of the columns, text or a list of words."""
    keys = {
        "architecture": "Architecture", "objective": "Objective", "training": "How it trains", "sampling": "How it samples",
        "strengths": "Strengths", "limits": "Limits",
    }  # fmt: skip
    rows = [{"family": family} | {key: _words(said[key]) for key in keys} for family, said in texts.items()]
    drawing = [family for family in texts if Samples in abilities_of(get_family(family))]
    stating = [family for family in texts if HasLikelihood in abilities_of(get_family(family))]
    bounds = [family for family in stating if getattr(get_family(family), "likelihood_is_bound", False)]
    reading = (
        f"{len(drawing)} of {len(texts)} families draw new pictures; {len(stating)} say how likely a picture is, "
        f"{len(bounds)} of these as a bound."
    )
    return table([FAMILY, *(Column(key, title) for key, title in keys.items())], rows, reading)


def _words(text: Any) -> str:
    return text if isinstance(text, str) else ", ".join(text)


def size(state: DataState) -> Answer:
    known = able(state.data, AnyModel)
    rows = [_row(name, SIZE, report) | _trained(name) for name, report in known.items()]
    trained = [
        Column("epochs", "Epochs", digits=1, protocol="How often training saw each picture."),
        Column("minutes", "Trained", "min", 0, "Wall time of training, all of it where it went on from another model."),
        Column("hardware", "Trained on"),
    ]
    small, large = least(rows, "parameters"), most(rows, "parameters")
    reading = (
        f"From {small['parameters_text']} parameters ({small['model']}) to {large['parameters_text']} ({large['model']})."
        if small and large
        else "Nothing has been measured yet."
    )
    return {"table": table([FAMILY, MODEL, *_columns(SIZE, known), *trained], rows, reading)}


def _trained(name: str) -> Row:
    trainings = history(checkpoint.read_json(name, "training.json"))
    if not trainings:
        why = "It keeps no training.json."
        return {"epochs": None, "minutes": None, "hardware": None} | dict.fromkeys(
            ("epochs_why", "minutes_why", "hardware_why"), why
        )
    return {
        "epochs": sum(t["epochs"] for t in trainings),
        "minutes": sum(t["seconds"] for t in trainings) / 60,
        "hardware": trainings[-1]["hardware"],
    }


def quality(state: DataState) -> Answer:
    known = able(state.data, Samples)
    rows = sorted((_row(name, QUALITY, report) for name, report in known.items()), key=_by_distance)
    real = _references(known, QUALITY)
    best, reached = least(rows, RANKED_BY), least(real, RANKED_BY)
    blurred = next((row for row in real if row["model"].endswith(REAL_SETS["blur_0.5px"].title)), None)
    reading = f"{_best(best, RANKED_BY)} comes nearest to the real {_title(state.data).lower()} by Fréchet distance"
    reading += f"; other real images reach {reached[f'{RANKED_BY}_text']}" if reached else ""
    if blurred:
        sharper = [row for row in rows if (row[RANKED_BY] or 1e9) < blurred[RANKED_BY]]
        reading += f", and {len(sharper) or 'none'} of {len(rows)} models beat{'s' * (len(sharper) == 1)} images blurred by half a pixel"
    columns = [FAMILY, MODEL, *_columns(QUALITY, known)]
    return {"table": table(columns, [*real, *rows], f"{reading}.", **_absent(state.data, Samples))}


def _by_distance(row: Row) -> float:
    return float("inf") if row[RANKED_BY] is None else float(row[RANKED_BY])


def diversity(state: DataState) -> Answer:
    known = able(state.data, Samples)
    rows = [_row(name, DIVERSITY, report) for name, report in known.items()]
    wide, narrow, copying = most(rows, "coverage"), least(rows, "coverage"), most(rows, "copies")
    reading = f"{_best(wide, 'coverage')} covers the most of the real {_title(state.data).lower()}, {_best(narrow, 'coverage')} the least"
    if copying:
        more = f"{_best(copying, 'copies')} shows the most copies, where chance gives 1 %"
        reading += f"; {more if copying['copies'] else 'none shows a copy of a training image'}"
    columns = [FAMILY, MODEL, *_columns(DIVERSITY, known)]
    return {"table": table(columns, rows, f"{reading}.", **_absent(state.data, Samples))}


ONE, SIXTEEN, RATE = (
    Column("one", "1 picture", "ms", 1, "How long one picture takes: the median of many times."),
    Column("sixteen", "16 pictures", "ms", 0, "How long sixteen take together: the median of many times."),
    Column("rate", "Pictures/s", "", 0, "Sixteen, divided by their time."),
)


def speed_row(name: str, machine: str, one: float, sixteen: float) -> Row:
    """How long 1 and 16 pictures take on a machine, in ms."""
    row: Row = {"family": describe(name)["family"], "model": name, "machine": machine}
    return row | {"one": one, "sixteen": sixteen, "rate": 16_000 / sixteen}


def speed(state: DataState) -> Answer:
    return {"table": speed_table(state.data)}


def speed_table(data: str, here: Sequence[Row] = ()) -> Table:
    """here: rows of this host, measured just now."""
    known = able(data, Samples)
    rows = [*here, *(row for name, report in known.items() for row in _speed_rows(name, report))]
    newest = list(here) or rows
    fast, slow = least(newest, "sixteen"), most(newest, "sixteen")
    reading = "Nothing has been measured yet."
    if fast and slow:
        reading = (
            f"16 pictures take from {fast['sixteen']:.0f} ms ({fast['model']}) to {slow['sixteen']:.0f} ms "
            f"({slow['model']}), {slow['sixteen'] / fast['sixteen']:.0f} times as long, on {fast['machine']}."
        )
    unmeasured = [
        kind for kind, (slug, _) in SPEEDS.items() if not any(slug in r.get("metrics", {}) for r in known.values())
    ]
    columns = [FAMILY, MODEL, ONE, SIXTEEN, RATE, Column("machine", "Machine")]
    absent = _absent(data, Samples)
    for kind in unmeasured:
        note = f"No {kind} has been measured: `python -m genmodels evaluate --all --only speed` does it on a machine that has one."
        absent["missing"] = f"{absent.get('missing', '')} {note}".strip()
    return table(columns, rows, reading, **absent)


def _speed_rows(name: str, report: Report) -> list[Row]:
    figures = report.get("metrics", {})
    found = [
        speed_row(name, timed_on(figures[one]), figures[one]["value"], figures[sixteen]["value"])
        for one, sixteen in SPEEDS.values()
        if one in figures and sixteen in figures
    ]
    empty: Row = {"family": describe(name)["family"], "model": name}
    for key in ("machine", "one", "sixteen", "rate"):
        empty |= missing(key, why_missing(name, SPEEDS["CPU"][0], report))
    return found or [empty]


@dataclass(frozen=True)
class DomainsState(FreeState):
    """Nothing is asked."""


def domains(state: DomainsState) -> Answer:
    """A family a row, a data set a column: pictures of the first model there is, and its Fréchet distance."""
    sets = {data: able(data, AnyModel) for data in dict.fromkeys(describe(name)["data"] for name in everyone())}
    columns = [
        FAMILY,
        *(Column(d, _title(d), digits=2, protocol=_protocol([RANKED_BY], known)) for d, known in sets.items()),
    ]
    rows = [{"family": family} | _domains_row(family, sets) for family in FAMILIES if available(family)]
    bests = {data: least(rows, data) for data in sets}
    reading = f"Nearest to real images by {KEYS[RANKED_BY].title}: " + ", ".join(
        f"{row[f'{data}_model']} ({row[data]:.2f})" for data, row in bests.items() if row
    )
    return {"table": table(columns, rows, f"{reading}." if any(bests.values()) else "Nothing has been measured yet.")}


def _domains_row(family: str, sets: Mapping[str, Records]) -> Row:
    row: Row = {}
    for data, known in sets.items():
        name = next(iter(of_data(data, available(family))), None)
        if name is None:
            row |= missing(data, no_model(family, data))
            continue
        found = figure(RANKED_BY, known[name]) or missing(RANKED_BY, why_missing(name, RANKED_BY, known[name]))
        row |= {key.replace(RANKED_BY, data, 1): value for key, value in found.items()}
        if row[data] is not None:
            row[f"{data}_text"] = f"{KEYS[RANKED_BY].title} {row[f'{data}_text']}"
        row |= {f"{data}_model": name, f"{data}_pictures": bundled_samples.pictures(name)}
    return row


def sentence(error: object) -> str:
    """What went wrong, for visitors: without the paths of this computer."""
    return f"{without_paths(str(error)).rstrip('.')}."


def no_model(family: str, data: str) -> str:
    """Why a family has no model here, and the command that makes one."""
    broken = " ".join(f"{name} can't be read: {sentence(why)}" for name, why in checkpoint.unreadable().items())
    made = f"`python -m genmodels train {family} --data {data}` trains one."
    return f"No model of it for {_title(data).lower()} is here: {made} {broken}".strip()


def likelihood(state: DataState) -> Answer:
    measured_here = able(state.data, HasLikelihood)
    rows = [_likelihood_row(name, report) for name, report in measured_here.items()]
    published = [row for row in LIKELIHOODS if row.data == state.data]
    known = [_published_row(row) for row in published]
    best = least(rows, "bits")
    reading = (
        f"{best['model']} needs the fewest bits: {best['bits_text']} per dimension ({best['kind']})"
        if best
        else "Nothing has been measured yet"
    )
    if best and known:
        near = min(known, key=lambda row: float(row["bits"]))
        reading += f"; the least published one here is {near['bits_text']} ({near['model']})"
    elif best:
        reading += "; of these pictures we know no published figure that compares"
    columns = [
        FAMILY, MODEL, Column("bits", "bits/dim", "bits/dim", 3, _protocol(BITS, measured_here)),
        Column("kind", "Exact or bound"), Column("protocol", "How"), Column("source", "Source"),
    ]  # fmt: skip
    return {"table": table(columns, [*known, *rows], f"{reading}.", **_absent(state.data, HasLikelihood))}


def _published_row(row: Published) -> Row:
    kind = "upper bound" if row.bound else "exact"
    return row._asdict() | {
        "reference": True,
        "bits": float(row.bits),
        "bits_text": "≤ " * row.bound + row.bits,
        "kind": kind,
    }


def _likelihood_row(name: str, report: Report) -> Row:
    figures = report.get("metrics", {})
    row: Row = {"family": describe(name)["family"], "model": name, "source": "metrics.json"}
    slug = next((slug for slug in BITS if slug in figures), None)
    if slug is None:
        return (
            row
            | {"bits": None, "kind": None, "protocol": None}
            | dict.fromkeys(("bits_why", "kind_why", "protocol_why"), why_missing(name, BITS[0], report))
        )
    kind = "exact" if slug == BITS[0] else "upper bound"
    return row | {
        "bits": figures[slug]["value"],
        "bits_text": shown(figures, slug),
        "kind": kind,
        "protocol": _how(figures[slug]),
    }
