"""The model cards: what they print can be run."""

import json
import re
from pathlib import Path

import pytest
from helpers import build, family_named, one_of_a_kind, others_slow
from huggingface_hub import ModelCard

from genmodels import checkpoint
from genmodels.card import experiments_text, model_card, write_card
from genmodels.evaluation.keys import KEYS
from genmodels.files import write_json


def snippets(card: str) -> list[str]:
    found = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert found
    return found


def run(code: str) -> dict:
    """What a snippet, run by itself, leaves in its names."""
    names: dict = {}
    exec(compile(code, "card", "exec"), names)
    return names


def has_pipeline(name: str) -> bool:
    return (checkpoint.find(name) / "model_index.json").is_file()


@pytest.mark.parametrize("name", others_slow(checkpoint.bundled(), has_pipeline))
def test_a_bundled_models_card_works_as_printed(name, tmp_path, monkeypatch):
    """From anywhere."""
    monkeypatch.chdir(tmp_path)
    code, *pipelines = snippets((checkpoint.find(name) / "README.md").read_text(encoding="utf-8"))
    model = run(code)["model"]
    assert model.config.to_json() == checkpoint.load(name).config.to_json()
    assert len(pipelines) == has_pipeline(name)
    for code in pipelines:
        height, width = model.image_shape[1:]
        assert {picture.size for picture in run(code)["images"]} == {(width, height)}


@pytest.mark.parametrize("name", [name for name in checkpoint.bundled() if has_pipeline(name)])
def test_a_bundled_pipeline_draws_with_the_settings_that_were_measured(name):
    """The page and the figures follow config.json, diffusers follows model_index.json and what lies beside it."""
    texts = checkpoint.load(name).side_texts()
    for file in ("model_index.json", "scheduler/scheduler_config.json"):
        written, meant = (json.loads(text) for text in ((checkpoint.find(name) / file).read_text("utf-8"), texts[file]))
        assert written | {"_diffusers_version": None} == meant | {"_diffusers_version": None}


@pytest.mark.parametrize("family", ["vae", "diffusion"])
def test_a_runs_card_works_as_printed(family, tmp_path, monkeypatch):
    """In its own folder, which a card can't know the place of, and doesn't tell."""
    folder = checkpoint.save(build(family), tmp_path / "run/checkpoint")
    write_card(folder)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "Run this in the folder of this file:" in card
    assert str(tmp_path) not in card
    monkeypatch.chdir(folder)
    assert all(run(code) for code in snippets(card))


@pytest.mark.parametrize("name", one_of_a_kind(checkpoint.bundled(), family_named))
def test_the_hub_reads_what_is_so(name):
    facts = ModelCard.load(checkpoint.find(name) / "README.md").data
    family, instrument = checkpoint.read_config(name)["family"], name.startswith("referee-")
    assert (facts.license, facts.library_name) == ("mit", "genmodels")
    assert facts.tags == [family, "image-classification" if instrument else "image-generation"]
    assert set(facts.metrics) <= KEYS.keys() - {"parameters"}
    assert ("accuracy" if instrument else "file_size") in facts.metrics


def test_the_card_of_a_hub_repo_names_the_repo(tmp_path):
    for source in (checkpoint.save(build("diffusion"), tmp_path / "model"), Path("diffusion-mnist")):
        loading, pipeline = snippets(model_card(source, "tester/new"))
        assert 'model = genmodels.load("tester/new")' in loading
        assert 'DiffusionPipeline.from_pretrained("tester/new", trust_remote_code=True)' in pipeline
        assert "Run this in the folder" not in model_card(source, "tester/new")


def test_a_card_says_how_the_samples_were_drawn_that_were_measured():
    for name, keys in {
        "flow-mnist": ["temperature"],
        "diffusion-heroes": ["num_inference_steps", "guidance_scale", "guidance_interval"],
    }.items():
        own = checkpoint.load(name).config.to_json()
        (line,) = (
            line for line in model_card(name).splitlines() if line.startswith("By `python -m genmodels evaluate`")
        )
        assert all(f"{key} = {own[key]}" in line for key in keys)


def test_what_experiments_found(tmp_path, monkeypatch):
    """A line each; and a table, the best last figure first, where one plot is one picture."""
    rows = [("gan", 1, 9.0), ("gan", 3, 2.0), ("fast", 1, 4.0), ("fast", 3, 3.0), ("none", 1, None)]
    result = {
        "format": 1, "title": "Minutes to quality", "reading": "Slow wins.", "complete": False,
        "columns": [
            {"key": "family", "title": "Family", "unit": "", "digits": None},
            {"key": "minutes", "title": "CPU time", "unit": "min", "digits": 1},
            {"key": "distance", "title": "Distance", "unit": "", "digits": 2},
        ],
        "rows": [dict(zip(("family", "minutes", "distance"), row, strict=True)) for row in rows],
        "plots": [{"title": "", "x": "minutes", "y": "distance", "series": ["family"], "facet": None}],
    }  # fmt: skip
    write_json(tmp_path / "experiments", "minutes.json", result)
    monkeypatch.setattr(checkpoint, "BUNDLED", [tmp_path])
    assert experiments_text().splitlines() == [
        "**Minutes to quality** (`minutes`): Slow wins. (Some of it is still to be measured.)",
        "",
        "| Distance after | 1 min | 3 min |",
        "| --- | ---: | ---: |",
        "| GAN | 9.00 | 2.00 |",
        "| fast | 4.00 | 3.00 |",
    ]
    write_json(tmp_path / "experiments", "minutes.json", result | {"weights": {"vae-mnist": "0" * 64}})
    monkeypatch.setattr(checkpoint, "bundled", lambda: {"vae-mnist": tmp_path})
    monkeypatch.setattr(checkpoint, "weights_hash", lambda name: "1" * 64)
    assert experiments_text() == (
        "**minutes**: not measured. Measured with other weights of vae-mnist than are here now. "
        "`python -m genmodels experiment minutes` does it."
    )
