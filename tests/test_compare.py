"""The page of all families: tables of what is on record, the race, the trade-off, results of experiments, models of one's own."""

import csv
import io
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import build, python, unpacked

from genmodels import checkpoint, operations
from genmodels.data import cut, tile, to_picture, to_uint8
from genmodels.evaluation.keys import KEYS
from genmodels.protocols import Samples
from genmodels.registry import FAMILIES, get_family
from genmodels.tabs import page
from genmodels.wrappers import comparison, core, experiment_results, host_speed, on_record, plots, race, tables
from genmodels.wrappers.published import LIKELIHOODS
from genmodels.wrappers.section import from_pads

pytestmark = pytest.mark.skipif("gan-mnist" not in checkpoint.bundled(), reason="no bundled models")
WRITERS = {"pixelcnn", "pixelrnn", "wavenet"}
SECTIONS = {key: section for key, section in page.sections().items() if section.tab == "compare"}
OF_DATA = ["size", "quality", "diversity", "speed", "likelihood"]
ROOTS = list(checkpoint.BUNDLED)


def ask(key: str, **state: Any) -> dict[str, Any]:
    section = SECTIONS[f"compare.{key}"]
    answer = section.answer(section.parse(state))
    return list(answer)[-1] if section.work else answer


def row_of(table: dict[str, Any], model: str) -> dict[str, Any]:
    return next(row for row in table["rows"] if row["model"] == model)


def forget() -> None:
    """Nothing that was read before: a test changes what is there."""
    for cached in (core._on, core._description, race._steps, on_record.reads_captions, on_record._records):
        cached.cache_clear()


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """bundle(*names): the only models that there are, as copies that may be spoilt."""
    root = tmp_path / "bundled"

    def lay(*names: str) -> Path:
        for name in names:
            shutil.copytree(checkpoint.find(name), root / name)
        monkeypatch.setattr(checkpoint, "BUNDLED", [root])
        forget()
        return root

    yield lay
    monkeypatch.setattr(checkpoint, "BUNDLED", ROOTS)
    forget()


# -- the tables --------------------------------------------------------------------------------------------------------


def all_tables() -> Iterator[tuple[str, dict[str, Any]]]:
    for key in OF_DATA:
        for data in ("mnist", "fashion-mnist", "heroes"):
            yield f"{key} of {data}", ask(key, data=data)["table"]
    for key in ("glance", "domains", *(name for name in SECTIONS if name == "compare.transfer")):
        yield key, ask(key.removeprefix("compare."))["table"]


def test_every_cell_is_filled_or_says_why() -> None:
    for name, table in all_tables():
        assert table["reading"].endswith("."), name
        assert "\n" not in table["reading"]
        for row in table["rows"]:
            for column in table["columns"]:
                assert row.get(column["key"]) not in (None, "") or row[f"{column['key']}_why"].endswith("."), (
                    name,
                    row,
                )


def test_a_table_is_its_csv() -> None:
    """Read back by another reader: the same rows, numbers to the last digit."""
    for name, table in all_tables():
        read = list(csv.DictReader(io.StringIO(table["csv"])))
        assert len(read) == len(table["rows"]), name
        for line, row in zip(read, table["rows"], strict=True):
            for column in (c["key"] for c in table["columns"]):
                value = row.get(column)
                assert line[column] == ("" if value is None else str(value)), (name, column)
                assert value is not None or line[f"{column}_why"] == row[f"{column}_why"]


def test_commas_quotes_and_lines_survive_a_csv() -> None:
    rows = [{"a": 'he said "1, 2"', "b": 0.1}, {"a": "two\nlines", "b": None, "b_why": "Because."}]
    text = tables.csv_of(["a", "b"], rows)
    assert list(csv.DictReader(io.StringIO(text, newline=""))) == [
        {"a": 'he said "1, 2"', "b": "0.1", "b_why": ""},
        {"a": "two\nlines", "b": "", "b_why": "Because."},
    ]


def test_a_cell_without_a_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="The column 'b' is empty in"):
        tables.table([tables.Column("b", "B")], [{"b": None}], "")


@pytest.mark.parametrize("data", ["mnist", "fashion-mnist", "heroes"])
def test_figures_are_those_on_record(data: str) -> None:
    for key, slugs in (("size", comparison.SIZE), ("quality", comparison.QUALITY), ("diversity", comparison.DIVERSITY)):
        table = ask(key, data=data)["table"]
        models = [row for row in table["rows"] if not row.get("reference")]
        assert models
        for row in models:
            metrics = checkpoint.read_json(row["model"], "metrics.json")["metrics"]
            for slug in slugs:
                assert row[slug] == metrics.get(slug, {}).get("value"), (row["model"], slug)
                if row[slug] is not None:
                    assert row[f"{slug}_text"] == KEYS[slug].form.format_map(metrics[slug])


def test_the_best_is_named_and_real_images_stand_beside() -> None:
    table = ask("quality", data="mnist")["table"]
    models = [row for row in table["rows"] if not row.get("reference")]
    best = min(models, key=lambda row: row["frechet_distance"])
    assert table["reading"].startswith(
        f"{best['model']} ({best['frechet_distance']:.2f}) comes nearest to the real digits"
    )
    assert models == sorted(models, key=lambda row: row["frechet_distance"])
    real = checkpoint.read_json(best["model"], "metrics.json")["references"]["blur_0.5px"]["frechet_distance"]["value"]
    assert row_of(table, "Real: blurred by 0.5 px")["frechet_distance"] == real
    assert "ae-mnist" in table["missing"], "what draws nothing is told"


def test_times_stand_beside_their_machine() -> None:
    table = ask("speed", data="mnist")["table"]
    row = row_of(table, "vae-mnist")
    metrics = checkpoint.read_json("vae-mnist", "metrics.json")["metrics"]
    assert row["sixteen"] == metrics["sampling_ms_16_cpu"]["value"]
    assert metrics["sampling_ms_16_cpu"]["protocol"].endswith(f" on {row['machine']}")
    assert row["rate"] == pytest.approx(16_000 / row["sixteen"])
    assert "GPU" in table["missing"]


def test_each_published_likelihood_names_where_it_stands() -> None:
    table = ask("likelihood", data="mnist")["table"]
    for known in LIKELIHOODS:
        row = row_of(table, known.model)
        assert row["source_link"].startswith("https://")
        assert row["bits_text"] == ("≤ " if known.bound else "") + known.bits
        assert row["reference"]
        assert known.family in FAMILIES
    assert row_of(table, "pixelcnn-mnist")["kind"] == "exact"
    assert row_of(table, "vae-mnist")["kind"] == row_of(table, "flow-mnist")["kind"] == "upper bound"
    assert "no published figure" in ask("likelihood", data="heroes")["table"]["reading"]


def test_every_family_is_shown_on_every_data_set() -> None:
    table = ask("domains")["table"]
    assert [row["family"] for row in table["rows"]] == [name for name in FAMILIES if core.available(name)]
    for row in table["rows"]:
        has = {core.describe(name)["data"] for name in core.available(row["family"])}
        for data in ("mnist", "fashion-mnist", "heroes"):
            assert (f"{data}_pictures" in row) == (data in has)
            assert data not in has or unpacked(row[f"{data}_pictures"]).shape[0] == 8


def test_the_families_are_told_in_their_own_words() -> None:
    table = ask("glance")["table"]
    told = {row["family"]: row for row in table["rows"]}
    for key, card in page.families().items():
        assert told[key]["objective"] == card["objective"]
        assert told[key]["limits"] == ", ".join(card["limits"])
    there = [name for name in FAMILIES if core.available(name)]
    assert set(told) == set(there)
    assert table["reading"].startswith(
        # all but the autoencoder; VAE and flow bound what PixelCNN and its kin say exactly
        f"{len(there) - 1} of {len(there)} families draw new pictures; {2 + len(WRITERS & set(there))} say how likely a picture is, 2 of these as a bound"
    )


def test_the_tables_load_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of text and pictures are all that the page reads before somebody presses something."""

    def loaded(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a model was loaded")

    forget()
    monkeypatch.setattr(checkpoint, "load", loaded)
    for key, section in SECTIONS.items():
        if not section.work:
            assert "error" not in page.answer({"section": key, "state": {}}), key


def test_the_sheet_of_a_checkpoint_is_cut_as_it_was_laid() -> None:
    pixels = np.arange(7 * 3 * 4 * 5, dtype=np.uint8).reshape(7, 3, 4, 5)
    import torch

    sheet = np.asarray(tile(torch.from_numpy(pixels), 3))
    assert np.array_equal(cut(sheet, (3, 4, 5))[:7], pixels)
    assert np.asarray(to_picture(torch.from_numpy(pixels[0]))).shape == (4, 5, 3)


# -- what doesn't hold any more ----------------------------------------------------------------------------------------


def spoil(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"weights": "0" * 16},
        {"config": "0" * 16},
        {"referee": {"name": "referee-mnist", "hash": "0" * 16}},
    ],
    ids=["format", "weights", "settings", "referee"],
)
def test_stale_figures_count_as_not_measured(bundle: Callable[..., Path], changes: dict[str, Any]) -> None:
    root = bundle("vae-mnist", "gan-mnist", "referee-mnist")
    assert row_of(ask("quality")["table"], "gan-mnist")["frechet_distance"] is not None
    spoil(root / "gan-mnist/metrics.json", **changes)
    row = row_of(ask("quality")["table"], "gan-mnist")
    assert row["frechet_distance"] is None
    assert row["frechet_distance_why"] == (
        "Not measured (its figures are of another format, weights, settings or referee): "
        "`python -m genmodels evaluate gan-mnist` does it."
    )
    told = ask("tradeoff")
    assert [series["points"][0]["model"] for series in told["plot"]["panels"][0]["series"]] == ["vae-mnist"]
    assert told["missing"].startswith("gan-mnist: Not measured (")
    assert row_of(ask("speed")["table"], "gan-mnist")["machine_why"].startswith("Not measured (")


@pytest.mark.parametrize(
    "text",
    [None, "{", "[]", '{"format": 3, "weights": "HASH", "config": "CONFIG", "data": {"name": "mnist"}}'],
    ids=["none", "no JSON", "a list", "no figures"],
)
def test_missing_and_broken_figures_say_so(bundle: Callable[..., Path], text: str | None) -> None:
    root = bundle("vae-mnist", "gan-mnist", "referee-mnist")
    file = root / "gan-mnist/metrics.json"
    held = json.loads(file.read_text())
    (root / "gan-mnist/training.json").write_text('{"steps": 7}')
    file.unlink() if text is None else file.write_text(
        text.replace("HASH", held["weights"]).replace("CONFIG", held["config"])
    )
    assert row_of(ask("size")["table"], "gan-mnist")["minutes_why"] == "Its training.json can't be read."
    for key in OF_DATA:
        assert ask(key)["table"]["rows"], key
    row = row_of(ask("quality")["table"], "gan-mnist")
    assert row["frechet_distance_why"].startswith("Not measured")
    assert "python -m genmodels evaluate gan-mnist" in row["frechet_distance_why"]


def test_nothing_measured_at_all(bundle: Callable[..., Path]) -> None:
    root = bundle("vae-mnist", "gan-mnist")
    for name in ("vae-mnist", "gan-mnist"):
        (root / name / "metrics.json").unlink()
        (root / name / "training.json").unlink()
    for key in ("size", "speed", "likelihood"):
        assert ask(key)["table"]["reading"].startswith("Nothing has been measured yet")
    assert ask("tradeoff")["words"] == "Nothing has been measured yet."
    for key in (*OF_DATA, "domains"):
        assert ask(key)["table"]["rows"]


# -- the trade-off -----------------------------------------------------------------------------------------------------


def test_the_tradeoff_places_each_model_by_its_figures() -> None:
    told = ask("tradeoff", data="fashion-mnist", diversity="coverage")
    (panel,) = told["plot"]["panels"]
    points = {series["points"][0]["model"]: series["points"][0] for series in panel["series"]}
    for name, point in points.items():
        metrics = checkpoint.read_json(name, "metrics.json")["metrics"]
        wanted = [metrics[slug]["value"] for slug in ("sampling_ms_16_cpu", "frechet_distance", "coverage")]
        assert [point["x"], point["y"], point["size"]] == wanted
    assert [line["title"] for line in panel["lines"]] == ["Real: training images", "Real: blurred by 0.5 px"]
    assert told["plot"]["x"]["log"]
    assert told["plot"]["y"]["log"]
    front = [
        name
        for name, p in points.items()
        if not any(q["x"] <= p["x"] and q["y"] <= p["y"] and q != p for q in points.values())
    ]
    assert all(f"**{name}**" in told["words"] for name in front)
    assert told["words"].count("**") == 2 * len(front)


def test_a_plot_of_rows_by_hand() -> None:
    columns = [
        {"key": key, "title": key.title(), "unit": ""} for key in ("family", "start", "minutes", "frechet", "target")
    ]
    rows = [
        {
            "family": "vae",
            "start": "scratch",
            "minutes": 5,
            "frechet": 2.0,
            "frechet_low": 1.5,
            "frechet_high": 2.5,
            "target": "a",
        },
        {"family": "vae", "start": "scratch", "minutes": 1, "frechet": 4.0, "target": "a"},
        {"family": "vae", "start": "scratch", "minutes": 2, "frechet": None, "target": "a"},
        {"family": "gan", "start": "other", "minutes": 1, "frechet": 3.0, "target": "b"},
    ]
    wanted = {
        "title": "T",
        "x": "minutes",
        "y": "frechet",
        "series": ["family", "start"],
        "facet": "target",
        "log_y": True,
    }
    plot = plots.of_rows(columns, rows, wanted)
    assert [panel["title"] for panel in plot["panels"]] == ["a", "b"]
    (series,) = plot["panels"][0]["series"]
    assert (series["name"], series["family"]) == ("VAE · scratch", "vae")
    assert [(p["x"], p["y"], p["low"]) for p in series["points"]] == [(1, 4.0, None), (5, 2.0, 1.5)]
    assert (plot["kind"], plot["x"]["log"], plot["y"]["log"]) == ("curves", False, True)
    words = plots.of_rows(columns, rows, {"x": "family", "y": "frechet", "series": "start"})
    assert (words["kind"], words["x"]["names"]) == ("points", ["VAE", "GAN"])
    mixed = plots.of_rows(columns, rows, {"x": "family", "y": "frechet", "series": "target"})
    (first, _) = mixed["panels"][0]["series"]
    assert [first["family"], *(point["family"] for point in first["points"])] == ["vae", "vae", "vae"]
    (both,) = plots.of_rows(columns, rows, {"x": "family", "y": "frechet"})["panels"][0]["series"]
    assert both["family"] is None
    assert [point["family"] for point in both["points"]] == ["vae", "vae", "gan"]
    (named, other) = plots.of_rows(columns, [{"start": "gan", "minutes": 1, "frechet": 2.0}, rows[0] | {"family": None}], wanted | {"series": "start", "facet": None})["panels"][0]["series"]  # fmt: skip
    assert [(one["name"], one["family"]) for one in (named, other)] == [("gan", "gan"), ("scratch", None)]
    data = [{"family": "none", "start": "nothing", "minutes": 1, "frechet": 2.0, "target": "fashion-mnist"}]
    columns[4]["key"], data[0]["data"] = "data", data[0].pop("target")
    (panel,) = plots.of_rows(columns, data, wanted | {"facet": "data", "series": ["start", "family"]})["panels"]
    assert (panel["title"], panel["series"][0]["name"]) == ("Fashion", "nothing")
    with pytest.raises(ValueError, match="There is no column 'speed' to plot; the columns are family, start"):
        plots.of_rows(columns, data, wanted | {"y": "speed"})


# -- the race ----------------------------------------------------------------------------------------------------------


def test_everybody_arrives_in_the_order_of_their_own_clocks() -> None:
    answers = list(race.race(SECTIONS["compare.race"].parse({"data": "mnist", "label": "3", "seed": 5})))
    start, final = answers[0]["racers"], answers[-1]["racers"]
    assert [row["family"] for row in start] == [family for family in FAMILIES if core.available(family)]
    assert start[0]["why"].startswith("It stands by")
    assert not start[0]["model"]
    arrivals = [a for a in answers if "place" in a]
    assert [a["place"] for a in arrivals] == list(range(1, len(start)))
    assert [a["ms"] for a in arrivals] == sorted(a["ms"] for a in arrivals)
    for row in final[1:]:
        x = operations.sample(core.get_model(row["model"], Samples), 16, 5, 3)
        assert np.abs(unpacked(row["pictures"]).astype(int) - to_uint8(x).permute(0, 2, 3, 1).numpy()).max() <= 1
    for i in range(1, len(start)):
        shares = [a["share"] for a in answers if a.get("racer") == i]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
    shown = [a for a in answers if "racer" in a]
    for told, so_far in ((a, shown[: k + 1]) for k, a in enumerate(shown)):
        there = {a["racer"] for a in so_far if a["share"] == 1.0}
        assert told["progress"] == f"{len(there)} of {len(start) - 1} arrived", "whose pictures are done, placed or not"
    assert answers[-1]["done"] is True
    assert "racers" not in answers[-1].new, "who saw it all is told nothing twice"


def test_who_is_broken_or_missing_says_so_and_the_others_race(bundle: Callable[..., Path]) -> None:
    root = bundle("ae-mnist", "vae-mnist", "gan-mnist", "flow-mnist")
    weights = root / "gan-mnist/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    (root / "flow-mnist/config.json").write_text("{")
    rows = {row["family"]: row for row in ask("race")["racers"]}
    assert rows["vae"]["place"] == 1
    assert "place" not in rows["gan"]
    assert "model.safetensors" in rows["gan"]["why"]
    assert str(root) not in rows["gan"]["why"]
    assert rows["flow"]["why"].startswith(
        "No model of it for digits is here: `python -m genmodels train flow --data mnist`"
    )
    assert "flow-mnist can't be read: config.json" in rows["flow"]["why"]
    assert str(root) not in rows["flow"]["why"]
    assert rows["pixelcnn"]["why"].startswith("No model of it for digits")
    assert all(row["why"].endswith(".") for row in rows.values() if "why" in row)


def test_a_racer_that_fails_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by a refusal: the log says why, the visitor that it failed."""
    frames = race._frames
    monkeypatch.setattr(race, "_frames", lambda name, *more: iter([]) if name == "gan-mnist" else frames(name, *more))
    race._steps.cache_clear()
    rows = {row["model"]: row for row in ask("race", racers=["vae-mnist", "gan-mnist"])["racers"]}
    race._steps.cache_clear()
    assert rows["gan-mnist"]["why"] == on_record.FAILED
    assert rows["vae-mnist"]["place"] == 1


def test_the_first_race_finds_its_models_loaded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """All but one that fails, which keeps nobody from the start."""
    load = race.get_model
    tried = []

    def fails(name: str, *abilities: Any) -> Any:
        tried.append(name)
        if name == "gan-mnist":
            raise RuntimeError("no such memory")
        return load(name, *abilities)

    monkeypatch.setattr(race, "get_model", fails)
    race._steps.cache_clear()
    race.warm_up()
    assert tried == race.usual("vae-mnist")
    assert race._steps.cache_info().currsize == len(tried) - 1
    assert "no such memory" in caplog.text


def test_who_fails_is_told_alike(caplog: pytest.LogCaptureFixture) -> None:
    """What a refusal says, without paths of this computer; of all else that it failed, and the log says why."""
    log = logging.getLogger("tests")
    with caplog.at_level(logging.ERROR):
        refused = on_record.why_failed(
            log, "vae-mnist", ValueError("/home/anna/x/model.safetensors lacks the key 'a'.")
        )
        assert refused == "model.safetensors lacks the key 'a'."
        assert not caplog.records
        assert on_record.why_failed(log, "vae-mnist", RuntimeError("no such memory")) == on_record.FAILED
    assert "vae-mnist failed" in caplog.text
    assert "no such memory" in caplog.text


def test_a_model_that_fails_to_be_timed_is_a_row(bundle: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    bundle("vae-mnist", "flow-mnist")
    monkeypatch.setattr(host_speed, "SECONDS", 0.05)
    draw = host_speed._draw

    def fails(model: Any, n: int) -> Any:
        if isinstance(model, get_family("flow")):
            raise RuntimeError("no such memory")
        return draw(model, n)

    monkeypatch.setattr(host_speed, "_draw", fails)
    section = SECTIONS["compare.measure"]
    *_, last = section.answer(section.parse({}))
    assert last["done"] is True
    here = {row["model"]: row for row in last["table"]["rows"] if "this host" in row["machine"]}
    assert here["vae-mnist"]["one"] > 0
    assert {here["flow-mnist"][f"{key}_why"] for key in ("one", "sixteen", "rate")} == {on_record.FAILED}
    assert {here["flow-mnist"][key] for key in ("one", "sixteen", "rate")} == {None}


def test_a_model_that_knows_no_class_draws_any() -> None:
    rows = {row["model"]: row for row in ask("race", label="7", racers=["vae2d-mnist", "vae-mnist"])["racers"]}
    assert {rows["vae2d-mnist"]["place"], rows["vae-mnist"]["place"]} == {1, 2}
    assert rows[""]["why"] == "Not chosen." or rows[""]["why"].startswith("It stands by")


def test_the_race_ends_with_its_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []
    turn = race.Racer.turn
    monkeypatch.setattr(race.Racer, "turn", lambda racer: turns.append(racer.name) or turn(racer))
    answers = race.race(SECTIONS["compare.race"].parse({}))
    for _ in range(4):
        next(answers)
    answers.close()
    assert len(turns) == 3


@pytest.mark.parametrize(
    ("state", "field", "said"),
    [
        ({"data": "unicorns"}, "data", "the data sets are mnist"),
        ({"data": 5}, "data", "the data sets are mnist"),
        ({"label": "unicorn"}, "label", "the classes are 0, 1"),
        ({"label": 99}, "label", "from 0 to 9"),
        ({"racers": []}, "racers", "must be 1 to"),
        ({"racers": ["vae-mnist"] * 99}, "racers", "must be 1 to"),
        ({"racers": "vae-mnist"}, "racers", "must be 1 to"),
        ({"racers": ["vae-heroes"]}, "racers", "must be one of vae-mnist"),
        ({"racers": ["../../etc"]}, "racers", "must be one of vae-mnist"),
        ({"racers": ["ae-mnist"]}, "racers", "must be one of vae-mnist"),
        ({"seed": -1}, "seed", "must be a whole number from 0"),
        ({"seed": float("nan")}, "seed", "must be a whole number from 0"),
        ({"model": "vae-mnist"}, "", "There is no key 'model'"),
        ([], "", "A state is an object"),
    ],
)
def test_a_race_that_cannot_be_is_refused(state: Any, field: str, said: str) -> None:
    (answer,) = page.follow("compare.race", state)
    assert answer["field"] == field
    assert said in answer["error"]


@pytest.mark.parametrize(
    ("key", "state", "field"),
    [
        ("tradeoff", {"diversity": "beauty"}, "diversity"),
        ("quality", {"data": "unicorns"}, "data"),
        ("quality", {"seed": 1}, ""),
        ("glance", {"data": "mnist"}, ""),
        ("samples", {"model": "../../etc"}, "model"),
    ],
)
def test_states_of_tables_and_plots_are_checked(key: str, state: dict[str, Any], field: str) -> None:
    answer = page.answer({"section": f"compare.{key}", "state": state})
    assert answer["field"] == field
    assert answer["error"].endswith(".")


# -- this host ---------------------------------------------------------------------------------------------------------


def test_this_host_is_measured_model_by_model(bundle: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root = bundle("vae-mnist", "gan-mnist", "flow-mnist")
    weights = root / "flow-mnist/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    monkeypatch.setattr(host_speed, "SECONDS", 0.05)
    section = SECTIONS["compare.measure"]
    answers = list(section.answer(section.parse({})))
    rows = [answer["row"] for answer in answers if "row" in answer]
    assert [row["model"] for row in rows] == ["vae-mnist", "gan-mnist", "flow-mnist"]
    assert all(row["one"] > 0 and row["sixteen"] < 10_000 for row in rows[:2])
    assert "model.safetensors" in rows[2]["one_why"]
    table = answers[-1]["table"]
    assert table["rows"][:3] == rows
    assert "this host: " in table["reading"]
    assert any(row["machine"] == "1 thread of AMD EPYC" for row in table["rows"][3:]), "those on record stay"
    assert answers[-1]["done"] is True


def test_measuring_stops_between_two_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(host_speed, "_draw", lambda model, n: calls.append(n))
    section = SECTIONS["compare.measure"]
    answers = section.answer(section.parse({}))
    for _ in range(4):
        next(answers)
    answers.close()
    assert calls == [1, 1, 1]


# -- experiments -------------------------------------------------------------------------------------------------------

RESULTS = {
    "format": 1, "experiment": "transfer", "title": "Transfer", "reading": "The VAE gains most.", "protocol": "Five minutes each.",
    "command": "python -m genmodels experiment transfer", "version": "0.1.0", "hardware": "1 thread of AMD EPYC", "complete": True,
    "weights": {},
    "columns": [
        {"key": "family", "title": "Family", "unit": "", "digits": None},
        {"key": "minutes", "title": "Minutes", "unit": "min", "digits": 1},
        {"key": "frechet", "title": "Fréchet distance", "unit": "", "digits": 2},
    ],
    "rows": [
        {"family": "vae", "minutes": 0.5, "frechet": 9.0, "frechet_low": 8.5, "frechet_high": 9.5},
        {"family": "vae", "minutes": 5, "frechet": 3.1},
        {"family": "gan", "minutes": 5, "frechet": None, "frechet_why": "It diverged."},
        {"family": "flow", "minutes": 5, "frechet": None},
    ],
    "plots": [{"title": "By minutes", "x": "minutes", "y": "frechet", "series": ["family"], "facet": None, "log_x": True, "log_y": True}],
}  # fmt: skip


@pytest.fixture
def results(bundle: Callable[..., Path]) -> Callable[..., dict[str, Any]]:
    """results(changes): what is shown of such a file."""
    root = bundle("vae-mnist")

    def show(text: str = "", **changes: Any) -> dict[str, Any]:
        (root / "experiments").mkdir(exist_ok=True)
        (root / "experiments/transfer.json").write_text(text or json.dumps(RESULTS | changes))
        return ask("transfer")

    return show


def test_results_are_shown_as_the_file_says(results: Callable[..., dict[str, Any]]) -> None:
    told = results()
    table = told["table"]
    assert table["reading"] == RESULTS["reading"]
    assert [column["title"] for column in table["columns"]] == ["Family", "Minutes", "Fréchet distance"]
    assert table["rows"][0]["frechet_high"] == 9.5
    assert table["rows"][2]["frechet_why"] == "It diverged."
    assert table["rows"][3]["frechet_why"] == "Not measured yet: `python -m genmodels experiment transfer` does it."
    assert "Five minutes each. Measured on 1 thread of AMD EPYC." in table["protocol"]
    assert "missing" not in table
    (plot,) = told["plots"]
    assert [series["name"] for series in plot["panels"][0]["series"]] == ["VAE"]


def test_what_is_not_complete_says_what_goes_on(results: Callable[..., dict[str, Any]]) -> None:
    table = results(complete=False)["table"]
    assert len(table["rows"]) == 4
    assert table["missing"] == "Not complete yet: `python -m genmodels experiment transfer` goes on with it."


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2}, {"text": "{"}, {"text": "[]"}, {"columns": None}, {"columns": [{"title": "no key"}]}, {"rows": [7]},
        {"weights": {"vae-mnist": "0" * 16}}, {"training": {"gan": {"batch_size": 7}}},
        {"plots": [{"x": "minutes", "y": "beauty"}]}, {"plots": ["none"]},
    ],
    ids=["format", "no JSON", "a list", "no columns", "no key", "no rows", "weights", "recipe", "a column that isn't", "no plot"],
)  # fmt: skip
def test_results_that_do_not_count_are_not_shown(
    results: Callable[..., dict[str, Any]], changes: dict[str, Any]
) -> None:
    told = results(**changes)
    assert told["plots"] == []
    assert told["table"]["rows"] == []
    assert told["table"]["reading"] == "Not measured."
    assert told["table"]["missing"].endswith("`python -m genmodels experiment transfer` measures it.")


def test_results_that_are_not_here_name_the_command(bundle: Callable[..., Path]) -> None:
    bundle("vae-mnist")
    told = ask("augmentation")
    assert told["table"]["missing"] == "No results are here. `python -m genmodels experiment augmentation` measures it."


def test_results_of_the_weights_that_are_here_count(results: Callable[..., dict[str, Any]]) -> None:
    told = results(
        weights={"vae-mnist": checkpoint.weights_hash("vae-mnist"), "somebody-elses": "0" * 16},
        training={"gan": {"batch_size": 32}, "somebody-elses": {"batch_size": 7}},
    )
    assert len(told["table"]["rows"]) == 4


def test_the_committed_results_are_shown() -> None:
    """Those that there are, each of them."""
    for name in experiment_results.files():
        told = ask(name)
        assert told["table"]["rows"], told["table"].get("missing")
        assert told["table"]["reading"]


# -- a checkpoint of one's own -----------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run's folder with a model that was not measured, named when the app is started."""
    run = tmp_path / "runs" / "mine"
    run.mkdir(parents=True)
    shutil.copytree(checkpoint.find("vae-mnist"), run / "checkpoint")
    (run / "checkpoint/metrics.json").unlink()
    monkeypatch.setenv(checkpoint.OWN, str(run))
    forget()
    yield run
    monkeypatch.delenv(checkpoint.OWN)
    forget()


def test_who_reads_captions_is_told_more_than_others() -> None:
    told, others = (ask("quality", data=data)["table"]["reading"] for data in ("heroes", "mnist"))
    nearest = told.rpartition("of the others, ")[2].partition(" ")[0]
    assert "told the captions" in told
    assert nearest in on_record.of_data("heroes", race.entrants())
    assert "captions" not in others


def test_ones_own_model_joins_tab_tables_and_race(own: Path) -> None:
    assert "mine" in core.available("vae")
    tab = page.tabs()["vae"].spec()
    assert any("mine" in section["models"] for section in tab["sections"])
    assert "mine" not in checkpoint.packaged()
    row = row_of(ask("quality", data="mnist")["table"], "mine")
    assert row["frechet_distance_why"] == "Not measured: `python -m genmodels evaluate mine` does it."
    rows = {row["model"]: row for row in ask("race", racers=["mine", "gan-mnist"])["racers"]}
    assert {rows["mine"]["place"], rows["gan-mnist"]["place"]} == {1, 2}
    usual = SECTIONS["compare.race"].parse({"data": "mnist"}).racers
    assert {"vae-mnist", "mine", "gan-mnist"} <= set(usual), "beside the bundled one of its family"


def test_ones_own_pictures_are_a_data_set_like_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which nothing is known: no title, no referee, no real images, no sheet of samples."""
    for family in ("autoencoder", "vae", "gan"):
        model = build(family)
        data = {
            "name": "birds",
            "shape": list(model.image_shape),
            "classes": ["owl", "wren", "swift"][: model.num_classes],
        }
        checkpoint.save(model, tmp_path / f"{family}-birds", data=data)
    monkeypatch.setenv(checkpoint.OWN, str(tmp_path))
    forget()
    assert page.facts("vae-birds")["title"] == "birds"
    for key in ("size", "quality", "diversity", "speed", "likelihood"):
        assert ask(key, data="birds")["table"]["reading"] == comparison.NOTHING, key
    assert ask("tradeoff", data="birds")["words"] == comparison.NOTHING
    rows = {row["family"]: row for row in ask("race", data="birds", label="owl")["racers"]}
    assert {rows["vae"]["place"], rows["gan"]["place"]} == {1, 2}
    assert unpacked(rows["vae"]["pictures"]).shape == (16, *build("vae").image_shape[1:], 1)
    assert (
        rows["flow"]["why"]
        == "No model of it for birds is here: `python -m genmodels train flow --data birds` trains one."
    )
    vae = next(row for row in ask("domains")["table"]["rows"] if row["family"] == "vae")
    assert vae["birds_model"] == "vae-birds"
    assert vae["birds_pictures"] is None
    monkeypatch.delenv(checkpoint.OWN)
    forget()


def test_ones_own_figures_count_once_measured(own: Path) -> None:
    shutil.copy(checkpoint.find("vae-mnist") / "metrics.json", own / "checkpoint")
    row = row_of(ask("quality", data="mnist")["table"], "mine")
    assert row["frechet_distance"] == row_of(ask("quality", data="mnist")["table"], "vae-mnist")["frechet_distance"]


def test_own_models_by_any_kind_of_folder(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint, a run, a folder of runs, several of them; a name that is taken is told apart."""
    other = tmp_path / "elsewhere" / "vae-mnist"
    shutil.copytree(own / "checkpoint", other)
    for value, names in (
        (own / "checkpoint", ["mine"]), (own.parent, ["mine"]), (other, ["own-vae-mnist"]),
        (f"{own}{os.pathsep}{other}", ["mine", "own-vae-mnist"]), ("", []),
    ):  # fmt: skip
        monkeypatch.setenv(checkpoint.OWN, str(value))
        assert list(checkpoint.own()) == names
        assert all(checkpoint.bundled_folder(name) == folder for name, folder in checkpoint.own().items())
    assert checkpoint.load("vae-mnist").image_shape == (1, 28, 28)


def test_a_folder_without_a_model_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = python("app.py", GENMODELS_CHECKPOINTS=str(tmp_path / "empty"))
    assert result.returncode != 0
    assert result.stderr.splitlines()[-1].startswith("GENMODELS_CHECKPOINTS names the folder")
    assert "Traceback" not in result.stderr


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(checkpoint.OWN, str(tmp_path / "nowhere"))
    with pytest.raises(
        ValueError, match=r"^GENMODELS_CHECKPOINTS names the folder '.*nowhere', which holds no checkpoint"
    ):
        checkpoint.bundled()


def test_a_file_that_goes_while_they_are_read_is_none(
    bundle: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is what is being written, in a folder of its own; a link to nothing neither."""
    root = bundle("vae-mnist")
    before = on_record.records()
    assert before["vae-mnist"]
    (root / "vae-mnist/.saving-x").mkdir()
    (root / "vae-mnist/.saving-x/metrics.json").write_text("{")
    (root / "vae-mnist/gone.json").symlink_to(root / "nowhere")
    stat = os.stat

    def vanishing(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        if str(path).endswith("README.md"):
            raise FileNotFoundError(path)
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", vanishing)
    names = {Path(file).relative_to(root / "vae-mnist").as_posix() for file, *_ in on_record._stamp()}
    assert {"metrics.json", "model.safetensors"} <= names
    assert not names & {"README.md", "gone.json", ".saving-x/metrics.json"}
    assert on_record.records() == before


# -- speed -------------------------------------------------------------------------------------------------------------


def test_the_first_paint_reads_within_a_second() -> None:
    """All tables and the trade-off; pictures, which come when they are seen, not among them. With room for a busy machine."""
    on_record._records.cache_clear()
    start = time.process_time()
    for key in ("tradeoff", "glance", *OF_DATA):
        ask(key)
    assert time.process_time() - start < 1


def test_pictures_of_a_model_are_the_first_of_its_sheet() -> None:
    told = ask("samples", model="gan-mnist")["samples"]
    assert unpacked(told).shape == (8, 28, 28, 1)
    again = from_pads([{"pixels": told["pixels"], "mask": "", "shape": told["shape"][1:]}])
    assert again["pixels"] == told["pixels"]
