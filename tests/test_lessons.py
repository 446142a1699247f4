"""Lessons: what a link hides, fixes and asks; the fifteen of docs/lessons.md; links that visitors compose."""

import json
import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlencode

import pytest
from helpers import ROOT
from test_browser import asked, browser, context, drag, pytestmark, section, visit  # noqa: F401  fixtures and marks
from test_elements import run  # noqa: F401  a fixture

from genmodels.experiments import results
from genmodels.tabs import page as laid_out
from genmodels.wrappers import on_record

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Page, expect  # noqa: E402

TEXT = (ROOT / "docs/lessons.md").read_text("utf-8")
LESSONS = re.findall(
    r"^### \d+\. (.+?)$.*?^(/\?\S+)$.*?^- \*\*Question:\*\* (.+?)$\n- \*\*Answer:\*\* (.+?)$", TEXT, re.M | re.S
)
LINKS = {title: path for title, path, *_ in LESSONS}
#: Beside a section's fields: what the page shares, and its words.
SHARED = {"all", "pad", "data", "model", "seed", "text", "task"}


def path_to(**said: object) -> str:
    return f"/?{urlencode(said)}"


def test_there_are_fifteen_in_all_families():
    assert len(LESSONS) == len(re.findall(r"^### ", TEXT, re.M)) == 15
    tabs = {parse_qs(path)["/?tab"][0] for path in LINKS.values()}
    assert {tab.key for tab in laid_out.shown_tabs() if tab.is_family} <= tabs
    assert all(path.isascii() and len(path) <= 2000 for path in LINKS.values())


def test_what_lessons_say_of_models_was_measured():
    """`name` (1.69) is its Fréchet distance, `name` (1.1 %) its copies, rounded as it is said."""
    said = re.findall(r"\b([a-z0-9]+-(?:mnist|fashion-mnist|heroes)(?:-\w+)?)`? \((\d+(?:\.\d+)?)( %)?\)", TEXT)
    assert len(said) >= 5
    for name, figure, percent in said:
        figures = on_record.records()[name]["metrics"]
        value = figures["copies" if percent else "frechet_distance"]["value"]
        places = len(figure.partition(".")[2])
        assert f"{value:.{places}f}" == figure, name


def test_the_lesson_names_all_models_that_are_nearer_than_blurred_digits():
    distances = {name: record["metrics"]["frechet_distance"]["value"] for name, record in digits().items()}
    blurred = {
        size: digits()["vae-mnist"]["references"][f"blur_{size}px"]["frechet_distance"]["value"]
        for size in ("0.5", "1")
    }
    found = re.search(r"Less is better\. (\w+) models, (.+?), are nearer to real .+?\. One, (\S+) \(", TEXT)
    assert found
    number, nearer, farther = found.groups()
    named = re.findall(r"`(\S+)`", nearer)
    assert named == sorted((name for name in distances if distances[name] < blurred["0.5"]), key=distances.__getitem__)
    assert number == ("No", "One", "Two", "Three", "Four", "Five", "Six")[len(named)]
    assert [farther] == [f"`{name}`" for name in distances if distances[name] > blurred["1"]]


def test_what_lessons_say_of_experiments_was_measured():
    rows = {name: results.read(name)["rows"] for name in ("attribution", "augmentation")}
    judged = {r["model"]: r["accuracy"] for r in rows["attribution"] if r["judge"].startswith("critic of")}
    assert "is right in nine of ten cases here; with digits it is right in six of ten" in TEXT
    assert [round(judged[f"gan-{data}"] / 10) for data in ("heroes", "mnist")] == [9, 6]
    distances = [record["metrics"]["frechet_distance"]["value"] for record in digits().values()]
    assert "The worst is more than 100 times as far as the best" in TEXT
    assert 100 < max(distances) / min(distances) < 200
    few = [r for r in rows["augmentation"] if (r["data"], r["k"]) == ("mnist", 5)]
    for added, said in (
        ("nothing", "a classifier is right in (68) %"),
        ("bundled generator", "from a bundled model in (96) to (97) %"),
        ("own generator", "knows the same five alone in (68) to (71) %"),
        ("shift, turn, zoom", "copies of the five in (92) %"),
    ):
        found = re.search(said, TEXT)
        assert found, said
        shares = [r["accuracy"] for r in few if r["added"] == added]
        assert [round(f(shares)) for f in (min, max)][: len(found.groups())] == [int(share) for share in found.groups()]


def digits() -> dict:
    """What was measured of the models that make digits."""
    records = {name: record for name, record in on_record.records().items() if "-mnist" in name}
    return {name: r for name, r in records.items() if "fashion" not in name and "frechet_distance" in r["metrics"]}


def test_every_lesson_is_a_state_that_can_be(run):  # noqa: F811
    """Its section is laid out, the server takes its state, its keys are the section's, its words are those of the page."""
    specs = {part["key"]: part for tab in laid_out.spec()["tabs"] for part in tab["sections"]}
    places = []
    for title, path, question, answer in LESSONS:
        said = parse_qs(path.removeprefix("/?"), strict_parsing=True)
        key = f"{said['tab'][0]}.{said['section'][0]}"
        assert key in specs, title
        assert said["ask"] == [question], title
        assert said["answer"] == [answer], title
        assert len(question) <= 300, title
        assert len(answer) <= 600, title
        named = {name for verb in ("hide", "lock") for name in ",".join(said.get(verb, [])).split(",") if name}
        assert named <= SHARED | set(specs[key]["fields"]), title
        places.append((key, path.removeprefix("/?"), specs[key]))
    body = f"return {json.dumps(places)}.map(([, text, spec]) => m.stateOf(new URLSearchParams(text), spec));"
    for (key, text, _), state in zip(places, run("address.js", body), strict=True):
        answer = laid_out.answer({"section": "page.state", "state": {"section": key, "state": state}})
        assert "error" not in answer, (text, answer)


def test_controls_are_hidden_and_fixed_while_the_section_is_read(visit: Callable[..., Page]) -> None:  # noqa: F811
    page = visit(LINKS["Typical or varied (GAN)"])
    part = section(page, "gan.generate")
    expect(part.locator(".gm-lesson-ask")).to_contain_text("Twenty pictures")
    expect(part.get_by_label("Class")).to_be_hidden()
    expect(page.locator(".gm-pad-drawer")).to_be_hidden()
    expect(part.locator(".gm-lesson .gm-note")).to_have_text("Fixed here: Seed, How many.")
    seed = page.locator(".gm-panel").get_by_label("Seed", exact=True)
    for field in (seed, part.locator("[name=n]")):
        expect(field).to_be_disabled()
    assert part.locator("gm-takes").evaluate("takes => takes.inert")  # a picture would go to the pad
    drag(part.get_by_label("Truncation ψ"), 0.8)
    page.wait_for_function("location.search.includes('truncation_psi') === false && location.search.includes('ask=')")
    assert asked(page)["lock"] == "n,seed"
    expect(part.locator(".gm-task")).to_be_hidden()
    page.get_by_role("link", name="Mix styles").click()
    page.wait_for_function("location.search.includes('section=mix') && !/hide|lock|ask|answer/.test(location.search)")
    expect(seed).to_be_enabled()
    expect(page.locator(".gm-pad-drawer")).to_be_visible()
    page.get_by_role("link", name="Generate").click()
    page.wait_for_function("location.search.includes('ask=')")
    expect(seed).to_be_disabled()


def test_an_answer_is_revealed_by_keys_and_words_stay_text(visit: Callable[..., Page]) -> None:  # noqa: F811
    bad = "<img src=x onerror='window.hurt = 1'><b>bold</b>"
    page = visit(
        path_to(only="vae.map", x=0.4, y=-1.2, lock="all", hide=f"{bad},model", ask=bad, answer=bad * 20), "phone"
    )
    part = section(page, "vae.map")
    expect(part.locator(".gm-lesson-ask")).to_have_text(bad)
    shown = part.locator("[aria-live] > p")
    expect(shown).to_be_hidden()
    button = part.get_by_role("button", name="Show the answer")
    button.focus()
    page.keyboard.press("Enter")
    expect(shown).to_have_text((bad * 20)[:600] + "…")
    expect(part.get_by_role("button", name="Hide the answer")).to_have_attribute("aria-expanded", "true")
    said = part.locator(".gm-lesson .gm-trouble")
    expect(said).to_contain_text(f"This lesson can’t hide “{bad[:40]}” here, only all, ")
    expect(said).to_contain_text("answer has 960 characters; the first 600 are shown")
    assert page.evaluate("[window.hurt, document.querySelectorAll('.gm-lesson :is(img, b)').length]") == [None, 0]
    note = part.locator(".gm-map-side .gm-note")
    expect(note).to_have_text("z = (0.40, -1.20)")
    part.locator(".gm-map-canvas").dispatch_event("click")
    assert part.locator(".gm-map-canvas").evaluate("canvas => canvas.inert")
    expect(part.get_by_label("Model")).to_be_hidden()
    assert asked(page)["ask"] == bad  # the address is as it came


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tab=vae&section=generate&hide=seed&ask=Hi&seed=NaN", "The seed must be a whole number"),
        ("only=vae.generate&hide=all&ask=Hi&temperature=abc", "The temperature must be a number"),
    ],
)
def test_what_a_hidden_control_refuses_is_told_by_the_lesson(
    visit: Callable[..., Page],  # noqa: F811
    address: str,
    said: str,
) -> None:
    page = visit(f"/?{address}")
    part = section(page, "vae.generate")
    expect(part.locator(".gm-lesson").get_by_role("alert")).to_contain_text(said)


def test_a_lesson_is_composed_and_opens(visit: Callable[..., Page]) -> None:  # noqa: F811
    page = visit("/?tab=vae&section=generate&label=7&seed=3", "small")
    part = section(page, "vae.generate")
    assert not page.evaluate("performance.getEntriesByType('resource').some((r) => /lesson|compose/.test(r.name))")
    part.get_by_role("button", name="Make a lesson link").click()
    panel = part.locator(".gm-compose")
    panel.get_by_label("Hide: Temperature").check()
    panel.get_by_label("Fix: Class").check()
    panel.get_by_label("Hide: Seed").check()
    panel.get_by_label("Fix: Seed").check()  # not both
    panel.get_by_label("Question").fill("Which is it? 50 % & more")
    panel.get_by_label("Answer").fill("A seven, <i>always</i>")
    panel.get_by_label("The section alone").check()
    link = panel.get_by_label("The lesson’s link").input_value()
    expect(panel.get_by_role("link", name="Try it")).to_have_attribute("href", link)
    said = {key: values[0] for key, values in parse_qs(link.partition("?")[2]).items()}
    assert said["only"] == "vae.generate"
    assert (said["label"], said["seed"]) == ("7", "3")
    assert (said["hide"], said["lock"]) == ("temperature", "seed,label")
    assert (said["ask"], said["answer"]) == ("Which is it? 50 % & more", "A seven, <i>always</i>")
    opened = visit(f"/?{link.partition('?')[2]}", "small")
    part = section(opened, "vae.generate")
    expect(part.locator(".gm-lesson-ask")).to_have_text("Which is it? 50 % & more")
    expect(part.get_by_label("Class")).to_be_disabled()
    expect(part.get_by_label("Temperature")).to_be_hidden()
    assert opened.evaluate("document.documentElement.scrollWidth") <= 320
