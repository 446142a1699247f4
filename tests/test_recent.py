"""Answers that are kept: the same again is not computed, copies are handed out, and no more than so many bytes are held."""

import pytest

from genmodels.tabs import page
from genmodels.wrappers.recent import Recent


def test_what_was_asked_lately_is_not_computed_again():
    recent, computed = Recent(1000), []

    def ask(question):
        return recent.answer(question, lambda: computed.append(question) or {"pixels": ["A" * 200, question]})

    assert ask("a")["pixels"][1] == "a"
    ask("a")["pixels"].append("changed by who got it")
    assert ask("a") == {"pixels": ["A" * 200, "a"]}
    assert computed == ["a"]
    for question in "bcd":  # of about 230 bytes each
        ask("a"), ask(question)
    assert computed == ["a", "b", "c", "d"]
    ask("e")
    assert recent.size <= 1000
    ask("a"), ask("b")  # the one that was asked for the longest ago is gone
    assert computed == ["a", "b", "c", "d", "e", "b"]


def test_more_than_fits_is_not_kept():
    recent, computed = Recent(1000), []
    for _ in range(2):
        recent.answer("long", lambda: computed.append(1) or "A" * 2000)
    assert len(computed) == 2
    assert recent.size == 0
    assert not recent.answers


def test_a_failure_is_not_kept():
    recent = Recent(1000)
    with pytest.raises(ZeroDivisionError):
        recent.answer("a", lambda: 1 / 0)
    assert recent.answer("a", lambda: "well") == "well"


def test_a_section_answers_the_same_state_once(monkeypatch):
    from genmodels.wrappers import apart

    asked, at_once = [], apart.at_once
    monkeypatch.setattr(apart, "at_once", lambda key, *rest: asked.append(key) or at_once(key, *rest))
    states = [{"model": "vae2d-mnist", "x": x} for x in (0.25, 0.5, 0.25)]
    first, other, again = (page.answer({"section": "vae.map", "state": state}) for state in states)
    assert first == again != other
    assert asked == ["vae.map", "vae.map"]
    page.answer({"section": "compare.quality", "state": {}})
    page.answer({"section": "compare.quality", "state": {}})
    assert asked[2:] == ["compare.quality", "compare.quality"]  # files that change tell that


def test_other_weights_are_asked_anew(monkeypatch):
    from genmodels import checkpoint

    question = {"section": "vae.map", "state": {"model": "vae2d-mnist", "x": 0.125}}
    first, hashed = page.answer(question), []
    monkeypatch.setattr(checkpoint, "weights_hash", lambda name: hashed.append(name) or "0123456789abcdef")
    monkeypatch.setattr("genmodels.wrappers.apart.at_once", lambda *asked: {"picture": "new"})
    assert page.answer(question) == {"picture": "new"} != first
    assert hashed == ["vae2d-mnist"]
