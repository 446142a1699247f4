"""The models side by side: what is on record of them as tables. Nothing here loads a model: it reads JSON files."""

from collections.abc import Mapping, Sequence
from typing import Any

from genmodels import checkpoint
from genmodels.evaluation.keys import KEYS, RANKED_BY, REAL_SETS
from genmodels.evaluation.measurement import DEFAULT_N
from genmodels.evaluation.report import Figures, Metric, Report, shown, timed_on
from genmodels.protocols import AnyModel, HasLikelihood, Samples, abilities_of
from genmodels.registry import FAMILIES, get_family
from genmodels.retrace import computing, stages
from genmodels.wrappers import bundled_samples
from genmodels.wrappers.core import available, describe
from genmodels.wrappers.on_record import (
    Records,
    able,
    can,
    everyone,
    no_model,
    of_data,
    reads_captions,
    title,
    why_missing,
)
from genmodels.wrappers.published import LIKELIHOODS, Published
from genmodels.wrappers.section import Answer
from genmodels.wrappers.state import DataState, FreeState
from genmodels.wrappers.tables import Column, Row, Table, least, most, table

NOTHING = "Nothing has been measured yet."
FAMILY, MODEL = Column("family", "Family"), Column("model", "Model")
SIZE = ("parameters", "file_size")
QUALITY = ("frechet_distance", "kernel_distance", "precision", "class_accuracy")
DIVERSITY = ("recall", "coverage", "class_entropy", "feature_spread", "copies")
BITS = ("bits_per_dim", "bits_per_dim_bound")
TRAINED = (
    "Time of training, without what other work had of the core where that was counted, "
    "and with that of the models it went on from."
)
SPEEDS = {
    "CPU": ("sampling_ms_1_cpu", "sampling_ms_16_cpu"),
    "GPU": ("sampling_ms_1_gpu", "sampling_ms_16_gpu"),
}
ABSENT: dict[type, str] = {
    HasLikelihood: "Without a likelihood, and so not listed",
    Samples: "Without pictures of its own, and so not listed",
}


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


def real_images(known: Records) -> Mapping[str, Figures]:
    """The figures of real images by kind, as any of these models was compared with them."""
    return next((report["references"] for report in known.values() if report.get("references")), {})


def _references(known: Records, slugs: Sequence[str]) -> list[Row]:
    """Real images in the place of samples."""
    rows = []
    for kind, figures in real_images(known).items():
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


def _absent(data: str, ability: type) -> dict[str, str]:
    """Which models are not in a table, as a line below it."""
    names = [name for name in of_data(data) if not can(name, ability)]
    return {"missing": f"{ABSENT[ability]}: {', '.join(names)}."} if names else {}


def _best(row: Row, key: str) -> str:
    return f"{row['model']} ({row[f'{key}_text']})"


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
        Column("minutes", "Trained", "min", 0, TRAINED),
        Column("hardware", "Trained on"),
    ]
    small, large = least(rows, "parameters"), most(rows, "parameters")
    reading = (
        f"From {small['parameters_text']} parameters ({small['model']}) to {large['parameters_text']} ({large['model']})."
        if small and large
        else NOTHING
    )
    return {"table": table([FAMILY, MODEL, *_columns(SIZE, known), *trained], rows, reading)}


def _trained(name: str) -> Row:
    why = "It keeps no training.json."
    try:
        if trainings := stages(checkpoint.read_json(name, "training.json")):
            return {
                "epochs": sum(t["epochs"] for t in trainings),
                "minutes": sum(map(computing, trainings)) / 60,
                "hardware": trainings[-1]["hardware"],
            }
    except (ValueError, KeyError, TypeError):
        why = "Its training.json can't be read."
    return missing("epochs", why) | missing("minutes", why) | missing("hardware", why)


def quality(state: DataState) -> Answer:
    known = able(state.data, Samples)
    rows = sorted((_row(name, QUALITY, report) for name, report in known.items()), key=_by_distance)
    real = _references(known, QUALITY)
    columns = [FAMILY, MODEL, *_columns(QUALITY, known)]
    reading = _quality_reading(state.data, rows, real)
    return {"table": table(columns, [*real, *rows], reading, **_absent(state.data, Samples))}


def _quality_reading(data: str, rows: Sequence[Row], real: Sequence[Row]) -> str:
    best, reached = least(rows, RANKED_BY), least(real, RANKED_BY)
    if best is None:
        return NOTHING
    reading = f"{_best(best, RANKED_BY)} comes nearest to the real {title(data).lower()} by {KEYS[RANKED_BY].title}"
    reading += f"; other real images reach {reached[f'{RANKED_BY}_text']}" if reached else ""
    blurred = next((row for row in real if row["model"] == real_title("blur_0.5px")), None)
    if blurred:
        sharper = sum(_by_distance(row) < blurred[RANKED_BY] for row in rows)
        beat = "beats" if sharper == 1 else "beat"
        reading += f", and {sharper or 'none'} of {len(rows)} models {beat} images blurred by half a pixel"
    return f"{reading}.{_told_more(best, rows)}"


def _told_more(best: Row, rows: Sequence[Row]) -> str:
    """What is to be known where the nearest model is told what to draw: it may come nearer than other real images do."""
    nearest = least([row for row in rows if not reads_captions(row["model"])], RANKED_BY)
    if not reads_captions(best["model"]) or not nearest:
        return ""
    return f" It is told the captions of the test images; of the others, {_best(nearest, RANKED_BY)} comes nearest."


def _by_distance(row: Row) -> float:
    return float("inf") if row[RANKED_BY] is None else float(row[RANKED_BY])


def diversity(state: DataState) -> Answer:
    known = able(state.data, Samples)
    rows = [_row(name, DIVERSITY, report) for name, report in known.items()]
    columns = [FAMILY, MODEL, *_columns(DIVERSITY, known)]
    return {"table": table(columns, rows, _diversity_reading(state.data, rows), **_absent(state.data, Samples))}


def _diversity_reading(data: str, rows: Sequence[Row]) -> str:
    wide, narrow, copying = most(rows, "coverage"), least(rows, "coverage"), most(rows, "copies")
    if not wide or not narrow:
        return NOTHING
    reading = f"{_best(wide, 'coverage')} covers the most of the real {title(data).lower()}, {_best(narrow, 'coverage')} the least"
    if copying:
        more = f"{_best(copying, 'copies')} shows the most copies, where chance gives 1 %"
        reading += f"; {more if copying['copies'] else 'none shows a copy of a training image'}"
    return f"{reading}."


ONE, SIXTEEN, RATE = (
    Column("one", "1 picture", "ms", 1, "How long one picture takes: the median of many times."),
    Column("sixteen", "16 pictures", "ms", 0, "How long sixteen take together: the median of many times."),
    Column("rate", "Pictures/s", "", 0, "Sixteen, divided by their time."),
)


NO_GPU = "On no GPU yet: `python -m genmodels evaluate --all --only speed` measures it on a machine that has one."


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
    reading = NOTHING
    if fast and slow:
        reading = (
            f"16 pictures take from {fast['sixteen']:.0f} ms ({fast['model']}) to {slow['sixteen']:.0f} ms "
            f"({slow['model']}), {slow['sixteen'] / fast['sixteen']:.0f} times as long, on {fast['machine']}."
        )
    columns = [FAMILY, MODEL, ONE, SIXTEEN, RATE, Column("machine", "Machine")]
    absent = _absent(data, Samples)
    if rows and not any(slug in report.get("metrics", {}) for slug in SPEEDS["GPU"] for report in known.values()):
        absent["missing"] = f"{absent.get('missing', '')} {NO_GPU}".strip()
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


def domains(state: FreeState) -> Answer:
    """A family a row, a data set a column: pictures of the first model there is, and its Fréchet distance."""
    sets = {data: able(data, AnyModel) for data in dict.fromkeys(describe(name)["data"] for name in everyone())}
    columns = [
        FAMILY,
        *(Column(d, title(d), digits=2, protocol=_protocol([RANKED_BY], known)) for d, known in sets.items()),
    ]
    rows = [{"family": family} | _domains_row(family, sets) for family in FAMILIES if available(family)]
    bests = {data: least(rows, data) for data in sets}
    reading = f"Nearest to real images by {KEYS[RANKED_BY].title}: " + ", ".join(
        f"{row[f'{data}_model']} ({row[data]:.2f})" for data, row in bests.items() if row
    )
    return {"table": table(columns, rows, f"{reading}." if any(bests.values()) else NOTHING)}


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


def likelihood(state: DataState) -> Answer:
    measured_here = able(state.data, HasLikelihood)
    rows = [_likelihood_row(name, report) for name, report in measured_here.items()]
    published = [row for row in LIKELIHOODS if row.data == state.data]
    known = [_published_row(row) for row in published]
    best = least(rows, "bits")
    reading = (
        f"{best['model']} needs the fewest bits: {best['bits_text']} per dimension ({best['kind']})"
        if best
        else NOTHING.rstrip(".")
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
