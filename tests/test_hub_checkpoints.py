"""Checkpoints of the Hub in the app: which may be named, what is refused, and that one belongs to the models like any other."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from helpers import build, forget
from huggingface_hub import constants

from genmodels import checkpoint
from genmodels.card import model_card
from genmodels.tabs import page
from genmodels.wrappers import core, hub_checkpoints, hub_repos, race

DATA = {"name": "bars", "shape": [1, 8, 8], "classes": ["up", "down", "middle"]}
COMMIT = "0" * 40
Put = Callable[..., Path]


def in_cache(hub: Path, repo: str, family: str = "vae") -> Path:
    """A checkpoint where a download leaves it."""
    folder = hub / f"models--{repo.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs/main").write_text(COMMIT)
    return checkpoint.save(build(family), folder / "snapshots" / COMMIT, data=DATA)


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Iterator[Put]:
    """put(repo, family): such a checkpoint, on a host where any may be named."""
    monkeypatch.setenv("GENMODELS_HUB_MODELS", "*")
    hub, made = Path(constants.HF_HUB_CACHE), []

    def one(repo: str, family: str = "vae") -> Path:
        made.append(hub / f"models--{repo.replace('/', '--')}")
        return in_cache(hub, repo, family)

    yield one
    checkpoint.JOINED.clear()
    hub_checkpoints._order.clear()
    forget()
    for folder in made:
        shutil.rmtree(folder)


def test_it_belongs_to_the_models_of_its_tab_and_to_the_race(put):
    put("tester/mine")
    answer = page.answer({"section": "page.hub_model", "state": {"repo": " tester/mine "}})
    assert answer["spec"]["facts"]["tester/mine"]["data"] == "bars"
    tab = next(tab for tab in answer["spec"]["tabs"] if tab["key"] == "vae")
    assert "tester/mine" in next(s for s in tab["sections"] if s["key"] == "vae.generate")["models"]
    samples = page.answer({"section": "vae.generate", "state": {"model": "tester/mine", "n": 4}})["samples"]
    assert samples["shape"] == [4, 1, 8, 8]
    assert "tester/mine" in race.entrants()
    assert race.usual("tester/mine") == ["tester/mine"]


def said(repo: object) -> str:
    answer = page.answer({"section": "page.hub_model", "state": {"repo": repo}})
    assert checkpoint.JOINED == {}
    return answer["error"]


def test_what_may_not_be_is_refused(put, monkeypatch):
    put("tester/mine")
    for repo in (None, 7, "mine"):
        assert said(repo) == f"{str(repo)!r} is not the id of a Hub repo, which is written user/name."
    assert said("../secret").endswith("is not the id of a Hub repo, which is written user/name.")
    monkeypatch.setenv("GENMODELS_HUB_MODELS", "tester/other")
    assert said("tester/mine") == "This app doesn't run 'tester/mine'; it runs tester/other."
    assert hub_checkpoints.offered() == {"free": False, "repos": ["tester/other"]}
    monkeypatch.delenv("GENMODELS_HUB_MODELS")
    assert hub_checkpoints.offered() is None, "where strangers come, unless the host lists some"


def test_what_can_not_be_is_refused(put, monkeypatch):
    """Nothing joins: no such repo, keys that don't fit, a pickle in place of the weights, an instrument, a giant."""
    assert said("tester/nothing") == "The Hub can't be reached, and 'tester/nothing' is not on this computer."
    damaged = put("tester/damaged")
    shutil.copy(checkpoint.save(build("gan"), damaged.parent / "other") / "model.safetensors", damaged)
    assert "lacks the key" in said("tester/damaged")
    (put("tester/pickle") / "model.safetensors").rename(damaged.parent / "pytorch_model.bin")
    assert "model.safetensors" in said("tester/pickle")
    put("tester/critic", "referee")
    assert "holds a referee" in said("tester/critic")
    monkeypatch.setattr(hub_repos, "list_files", lambda repo: {"config.json": 300, "model.safetensors": 10**9})
    assert said("tester/giant") == "The Hub repo 'tester/giant' has 1000 MB; at most 200 MB are loaded."
    monkeypatch.setattr(hub_repos, "list_files", lambda repo: {"model_index.json": 300})
    assert "is not a genmodels checkpoint" in said("tester/other")


def test_of_too_many_the_first_goes(put, monkeypatch):
    monkeypatch.setattr(hub_checkpoints, "MAX_JOINED", 2)
    for name in ("a", "b", "a", "c"):
        if not (Path(constants.HF_HUB_CACHE) / f"models--tester--{name}").exists():
            put(f"tester/{name}")
        hub_checkpoints.join(f"tester/{name}")
    assert list(checkpoint.JOINED) == ["tester/b", "tester/c"]


def test_missing_ones_are_pulled_from_the_hosts_hub(put, monkeypatch):
    """Under their own names; those that are here stay what they are."""
    put("house/vae-of-ours")
    listed = [SimpleNamespace(id=f"house/{name}") for name in ("vae-of-ours", *list(checkpoint.bundled())[:1])]
    monkeypatch.setattr(huggingface_hub.HfApi, "list_models", lambda self, author, filter: listed)
    hub_checkpoints.pull()
    assert checkpoint.JOINED == {}, "unless it is set"
    monkeypatch.setenv("GENMODELS_HUB", "house")
    hub_checkpoints.pull()
    assert list(checkpoint.JOINED) == ["vae-of-ours"]
    assert "vae-of-ours" in core.available("vae")


def test_a_card_has_the_link_that_opens_it(put):
    card = model_card(put("tester/mine"), "tester/mine")
    assert "http://127.0.0.1:7860/?model=tester/mine" in card
    assert "7860" not in model_card(put("tester/critic", "referee"), "tester/critic")
