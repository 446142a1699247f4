"""The page of all families in a real Chromium: tables that are sorted and asked about, the plot, the race, at a desk and on a phone."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import first_of
from playwright.sync_api import Locator, Page, expect
from test_browser import (  # noqa: F401  fixtures
    CHROMIUM,
    browser,
    changed,
    context,
    pixels,
    pytestmark,
    section,
    stop_when,
    visit,
)

from genmodels.registry import FAMILIES
from genmodels.wrappers import core, on_record


def table_of(page: Page, key: str) -> Locator:
    return section(page, f"compare.{key}").locator("gm-table")


def column(table: Locator, title: str) -> list[str]:
    """What stands in a column, from the top."""
    headings = [text.strip(" ?") for text in table.locator("thead th").all_inner_texts()]
    i = next(i for i, text in enumerate(headings) if text.startswith(title))
    return [row.locator("th, td").nth(i).inner_text() for row in table.locator("tbody tr").all()]


def numbers(texts: list[str]) -> list[float]:
    return [float(text) for text in texts if re.fullmatch(r"-?[\d.]+", text)]


# -- tables ------------------------------------------------------------------------------------------------------------


@first_of("size", "phone", "desk")
def test_a_press_on_a_heading_sorts(visit: Callable[..., Page], size: str) -> None:
    """By number, not by letter: up, down, and as it was; by keys too, and aria-sort tells."""
    page = visit("/?tab=compare&section=quality", size)
    table = table_of(page, "quality")
    heading = table.locator("thead th", has_text="Fréchet distance")
    button = heading.get_by_role("button", name="Fréchet distance", exact=True)
    before = column(table, "Model")
    expect(heading).to_have_attribute("aria-sort", "none")
    button.click() if size == "desk" else button.tap()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    up = numbers(column(table, "Fréchet distance"))
    assert up == sorted(up)
    assert len(up) == len(before)
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert numbers(column(table, "Fréchet distance")) == up[::-1]
    page.keyboard.press("Space")
    expect(heading).to_have_attribute("aria-sort", "none")
    assert column(table, "Model") == before


def test_what_has_no_value_comes_last_either_way(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=compare&section=quality")
    table = table_of(page, "quality")
    button = table.get_by_role("button", name="Class accuracy", exact=False).first
    for _ in range(2):
        button.click()
        shown = column(table, "Class accuracy")
        blank = [text == "–" for text in shown]
        assert any(blank)
        assert blank == sorted(blank)


@pytest.mark.parametrize("size", ["desk", "phone"])
def test_a_question_mark_says_how_it_was_measured(visit: Callable[..., Page], size: str) -> None:
    """By hover or touch, by focus, and Escape puts it away; what is empty says why in the same way."""
    page = visit("/?tab=compare&section=quality", size)
    table = table_of(page, "quality")
    tip = page.get_by_role("tooltip")
    about = table.get_by_role("button", name="About Fréchet distance")
    about.scroll_into_view_if_needed()
    about.hover() if size == "desk" else about.tap()
    expect(tip).to_contain_text("10000 images against 10000 real test images, features of referee-mnist.")
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= page.viewport_size["width"]
    page.mouse.move(5, 5)
    about.focus()
    expect(tip).to_be_visible()
    expect(about).to_have_attribute("aria-describedby", tip.get_attribute("id"))
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    table.locator(".gm-why").last.focus()
    expect(tip).to_contain_text("It is told no class.")


def test_a_note_goes_with_what_it_is_about(visit: Callable[..., Page]) -> None:
    """When the table is drawn anew; and one note serves all tables of the page."""
    page = visit("/?tab=compare&section=quality")
    table = table_of(page, "quality")
    tip = page.get_by_role("tooltip")
    table.get_by_role("button", name="About Fréchet distance").focus()  # a pointer would be over the new one
    expect(tip).to_be_visible()
    table.evaluate("table => table.draw()")
    assert not tip.is_visible()
    table_of(page, "diversity").get_by_role("button", name="About").first.focus()
    expect(tip).to_be_visible()
    assert page.locator(".gm-tip").count() == 1


def test_the_csv_is_the_table(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=compare&section=diversity")
    table = table_of(page, "diversity")
    with page.expect_download() as download:
        table.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "compare_diversity_mnist.csv"
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))
    assert [row["model"] for row in rows] == column(table, "Model")
    assert [f"{float(row['recall']):.2f}" for row in rows] == column(table, "Recall")


def test_a_table_scrolls_by_itself_on_a_phone_and_its_first_column_stays(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=compare&section=diversity", "phone")
    box = table_of(page, "diversity").locator(".gm-scroll")
    first = box.locator("tbody th").first
    before = first.bounding_box()["x"]
    assert box.evaluate("e => e.scrollWidth > e.clientWidth")
    box.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("box => box.scrollLeft > 20", arg=box.element_handle())
    assert first.bounding_box()["x"] == pytest.approx(before, abs=1)


def test_the_data_switch_changes_the_tables(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=compare&section=size")
    table = table_of(page, "size")
    expect(table).to_contain_text("vae-mnist")
    page.get_by_role("radio", name="Heroes").click()
    expect(table).to_contain_text("vae-heroes")
    expect(table).not_to_contain_text("vae-mnist")
    expect(section(page, "compare.tradeoff").locator("svg")).to_contain_text("vae-heroes")


@first_of("size", "phone", "desk")
def test_all_of_it_fits(visit: Callable[..., Page], size: str) -> None:
    """Scrolled through: every section is filled, says something, and nothing sticks out of the page."""
    page = visit("/?tab=compare&__theme=dark", size)
    section(page, "compare.tradeoff")
    for place in page.locator(".gm-section:not(gm-race, gm-asked)").all():
        place.scroll_into_view_if_needed()
        expect(place).to_have_class(re.compile(r"\bgm-filled\b"))
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    for reading in page.locator(".gm-table-reading:not([hidden])").all():
        assert reading.inner_text().endswith(".")


def test_it_is_painted_from_files(visit: Callable[..., Page]) -> None:
    """From the press on the tab to the first table and the plot. A busy machine is given three seconds, a quiet one needs less than one."""
    page = visit("/?tab=vae&section=generate")
    section(page, "vae.generate")
    start = page.evaluate("performance.now()")
    page.get_by_role("tab", name="Compare").click()
    page.wait_for_function("document.querySelector('gm-tradeoff.gm-filled .gm-point')")
    assert page.evaluate("performance.now()") - start < 3000


# -- the trade-off -----------------------------------------------------------------------------------------------------


def plot_of(page: Page) -> Locator:
    return section(page, "compare.tradeoff").locator("gm-plots")


def test_a_point_shows_its_pictures_and_opens_its_family(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=compare&section=tradeoff")
    plot = plot_of(page)
    models = on_record.of_data("mnist", on_record.samplers())
    expect(plot.locator(".gm-point")).to_have_count(len(models))
    point = plot.locator(".gm-point[aria-label^='gan-mnist']")
    note = plot.locator(".gm-point-note")
    point.hover()
    expect(note).to_contain_text("Fréchet distance: 1.58")
    expect(note.get_by_role("img", name="Pictures of gan-mnist")).to_be_visible()
    canvas = note.locator("canvas")
    page.wait_for_function(
        "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v > 200)",
        arg=canvas.element_handle(),
    )
    page.mouse.move(2, 2)
    expect(note).to_be_hidden()
    point.click()
    expect(page.get_by_role("tab", selected=True)).to_have_attribute("value", "gan")
    page.go_back()
    expect(page.get_by_role("tab", selected=True)).to_have_attribute("value", "compare")


@pytest.mark.parametrize("path", ["/?only=compare.tradeoff", "/compare"])
def test_a_point_opens_a_family_that_the_page_does_not_have(visit: Callable[..., Page], path: str) -> None:
    """At its own address, with its sections and the way back."""
    page = visit(path)
    plot_of(page).locator(".gm-point[aria-label^='gan-mnist']").click()
    expect(page.get_by_role("tab", selected=True)).to_have_attribute("value", "gan")
    section(page, "gan.generate")
    page.go_back()
    expect(plot_of(page).locator(".gm-point").first).to_be_visible()


def test_keys_go_from_point_to_point(visit: Callable[..., Page]) -> None:
    """One stop for Tab, arrows from left to right; Enter opens a family, where keys go on."""
    page = visit("/?tab=compare&section=tradeoff")
    plot = plot_of(page)
    expect(plot.locator(".gm-point[tabindex='0']")).to_have_count(1)
    plot.locator(".gm-point[tabindex='0']").focus()
    places = []
    for _ in range(3):
        places.append(float(page.evaluate("document.activeElement.getAttribute('cx')")))
        expect(plot.locator(".gm-point-note b")).to_have_text(
            page.evaluate("document.activeElement.ariaLabel.split(',')[0]")
        )
        page.keyboard.press("ArrowRight")
    assert places == sorted(places)
    assert len(set(places)) > 1
    name = page.evaluate("document.activeElement.ariaLabel")
    page.keyboard.press("Enter")
    tab = page.get_by_role("tab", selected=True)
    expect(tab).to_have_attribute("value", re.compile(name.split("-")[0].removesuffix("2d")))
    page.wait_for_function("document.activeElement.tagName == 'H1'")


def test_the_first_tap_shows_and_the_button_opens(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=compare&section=tradeoff", "phone")
    plot = plot_of(page)
    plot.scroll_into_view_if_needed()
    point, note = plot.locator(".gm-point[aria-label^='vae-mnist']"), plot.locator(".gm-point-note")
    point.tap(position={"x": 4, "y": point.bounding_box()["height"] / 2})  # the GAN's point covers its middle
    expect(note).to_contain_text("vae-mnist")
    box = note.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    expect(page.get_by_role("tab", selected=True)).to_have_attribute("value", "compare")
    note.get_by_role("button", name="Open VAE").tap()
    expect(page.get_by_role("tab", selected=True)).to_have_attribute("value", "vae")


def test_size_shows_what_is_chosen(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=compare&section=tradeoff")
    plot = plot_of(page)
    radius = plot.locator(".gm-point[aria-label^='vae2d-mnist']")
    before = float(radius.get_attribute("r"))
    section(page, "compare.tradeoff").get_by_label("Size shows").select_option(label="coverage")
    page.wait_for_function(
        "r => Number(document.querySelector('.gm-point[aria-label^=vae2d]').getAttribute('r')) > r", arg=before
    )


# -- the race ----------------------------------------------------------------------------------------------------------


@first_of("size", "desk", "phone")
def test_one_press_starts_the_race(visit: Callable[..., Page], size: str) -> None:
    page = visit("/?tab=compare", size)
    place = section(page, "compare.race", filled=False)
    lanes = place.locator(".gm-lane")
    entrants = [name for name in FAMILIES if on_record.of_data("mnist", core.available(name))]
    expect(lanes).to_have_count(len(entrants))
    racing = len(entrants) - 1
    expect(lanes.first).to_contain_text("stands by")
    expect(lanes.first).to_contain_text("nothing says which codes are likely")
    blank = pixels(lanes.nth(1).locator("canvas"))
    expect(place.get_by_label("Model", exact=True)).to_have_count(0)  # it asks all of them
    button = place.get_by_role("button", name="Start the race")
    button.click() if size == "desk" else button.tap()
    expect(place.get_by_role("status").filter(has_text=f"Done: {racing} of {racing} arrived")).to_be_visible()
    places = [lane.locator(".gm-lane-place").inner_text() for lane in lanes.all()[1:]]
    assert sorted(places) == ["1st", "2nd", "3rd", "4th", "5th", "6th", "7th"][:racing]
    times = [float(lane.locator(".gm-lane-time").inner_text().removesuffix(" ms")) for lane in lanes.all()[1:]]
    assert [time for _, time in sorted(zip(places, times, strict=True))] == sorted(times), (
        "two may show the same milliseconds"
    )
    changed(lanes.nth(1).locator("canvas"), blank)
    expect(place.locator(".gm-verdict")).to_contain_text("won in")


def test_stop_ends_the_race_at_once(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=compare")
    page.get_by_role("radio", name="Heroes").click()
    place = section(page, "compare.race", filled=False)
    place.get_by_role("button", name="Start the race").click()
    stop_when(place.locator(".gm-lanes"), "1st", place.get_by_role("button", name="Stop"))
    expect(place.get_by_role("button", name="Stop")).to_be_disabled()
    times = place.locator(".gm-lane-time").all_inner_texts()
    page.wait_for_timeout(1000)
    assert place.locator(".gm-lane-time").all_inner_texts() == times
    expect(place.locator(".gm-verdict")).to_have_text("")
    status = place.get_by_role("status").filter(has_text="Stopped.")
    assert re.fullmatch(r"Stopped\. \d of \d arrived", status.inner_text())
    at_once = "place => [...place.querySelectorAll('button')].filter((one) => /^(Start|Stop)/.test(one.textContent)).forEach((one) => one.click())"
    place.evaluate(at_once)
    expect(status).to_have_text("Stopped.")
    page.get_by_role("button", name="Another seed").first.click()
    expect(status).to_have_count(0)
    assert set(place.locator(".gm-lane-time").all_inner_texts()) == {"ready", "stands by"}, "another race's start line"


def test_a_link_says_who_races(visit: Callable[..., Page]) -> None:
    page = visit(
        "/?tab=compare&section=race&data=fashion-mnist&racers=gan-fashion-mnist,vae2d-fashion-mnist&label=bag&seed=3"
    )
    place = section(page, "compare.race")
    names = place.locator(".gm-lane-name").all_inner_texts()
    assert [name for name in names if name.strip()] == ["vae2d-fashion-mnist", "gan-fashion-mnist"]
    expect(place.locator(".gm-lane", has_text="Flow")).to_contain_text("Not chosen.")
    place.get_by_role("button", name="Start the race").click()
    expect(place.get_by_role("status").filter(has_text="Done: 2 of 2 arrived")).to_be_visible()
    assert page.evaluate("document.querySelector('gm-race').good.label") == "bag"
    expect(place.locator(".gm-verdict")).to_contain_text("won in")
    place.get_by_label("Class").select_option(label="coat")
    expect(place.locator(".gm-verdict")).to_have_text("")
    expect(place.locator(".gm-arrived")).to_have_count(0)
    names = place.locator(".gm-lane-name").all_inner_texts()
    assert [name for name in names if name.strip()] == ["vae2d-fashion-mnist", "gan-fashion-mnist"], "they race again"


def test_another_class_waits_for_the_button(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=compare")
    place = section(page, "compare.race", filled=False)
    place.get_by_label("Class").select_option(label="7")
    page.get_by_role("button", name="Another seed").first.click()
    page.wait_for_timeout(500)
    assert set(place.locator(".gm-lane-time").all_inner_texts()) == {"ready", "stands by"}


# -- this host ---------------------------------------------------------------------------------------------------------


def test_this_host_is_measured_at_a_press(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=compare&section=speed")
    place = section(page, "compare.speed")
    rows = place.locator("tbody tr")
    before = rows.count()
    place.get_by_role("button", name="Measure this host").click()
    expect(rows.first).to_contain_text("this host: ")
    place.get_by_role("button", name="Stop").click()
    expect(place.get_by_role("status").filter(has_text="Stopped.")).to_be_visible()
    measured = rows.count() - before
    page.wait_for_timeout(1500)
    assert rows.count() - before == measured
    assert measured >= 1


def test_this_host_is_measured_before_the_table_is_there(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=compare&section=race")
    place = page.locator("[id='section-compare.speed']")
    expect(place).to_be_attached()
    assert place.evaluate("place => { place.run.click(); return place.answer === undefined; }")
    place.scroll_into_view_if_needed()
    expect(place.locator("tbody tr").first).to_contain_text("this host: ")
    place.get_by_role("button", name="Stop").click()
    expect(place.get_by_role("status").filter(has_text="Stopped.")).to_be_visible()


# -- the plot alone ----------------------------------------------------------------------------------------------------


def test_marks_of_axes(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=compare")
    plot_of(page)
    module = page.evaluate(
        "performance.getEntriesByType('resource').map((e) => e.name).find((name) => name.includes('plot.js'))"
    )

    def ticks(*arguments: Any) -> list[float]:
        return page.evaluate("async ([at, a]) => (await import(at)).ticks(...a)", [module, list(arguments)])

    assert ticks(0, 1, False) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(0.3, 9, True, 400) == [0.5, 1, 2, 5]
    assert ticks(1, 10_000, True, 200) == [1, 10, 100, 1000, 10_000]
