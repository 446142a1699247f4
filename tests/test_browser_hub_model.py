"""A checkpoint of the Hub, chosen in the page: by keyboard, on a phone, by its link, and one that can't be."""

import os
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlparse

import pytest
from helpers import first_of, serve_app
from test_hub_checkpoints import in_cache

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Page, expect
from test_browser import browser, context, pytestmark, section, visit  # noqa: F401

REPO, RACER = "tester/mine", "tester/racer"


@pytest.fixture(scope="module")
def app_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app on a computer of one's own, whose cache has a repo of the Hub."""
    home = tmp_path_factory.mktemp("home")
    in_cache(home / "hub", REPO)
    in_cache(home / "hub", RACER)
    with serve_app(home, HF_HOME=str(home)) as address:
        yield address


@first_of("size", "phone", "desk")
def test_it_is_named_and_opened(size: str, visit: Callable[..., Page]):  # noqa: F811
    """A field appears beside the choice; what can't be is said there, and the page stays as it was."""
    page = visit("/?tab=vae&section=map", size)
    first = section(page, "vae.map")
    choice = first.get_by_label("Model", exact=True)
    choice.focus()
    choice.select_option(label="from the Hub…")
    field = first.get_by_label("A checkpoint of the Hub, user/name")
    expect(field).to_be_focused()
    field.fill("tester/nothing")
    field.press("Enter")
    expect(first.locator(".gm-control [role=alert]").first).to_contain_text(
        "The Hub can't be reached, and 'tester/nothing' is not on this computer."
    )
    if picture := os.environ.get("GENMODELS_SCREENSHOTS"):
        page.screenshot(path=f"{picture}/hub-{size}.png")
    field.fill(96 * "w")
    field.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="wwww")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    field.fill(REPO)
    field.press("Enter")
    page.wait_for_url(lambda url: "model=tester%2Fmine" in url)
    own = section(
        page, parse_qs(urlparse(page.url).query)["tab"][0] + "." + parse_qs(urlparse(page.url).query)["section"][0]
    )
    expect(own.locator("canvas").first).to_be_visible()
    expect(own.locator(":scope > .gm-split .gm-trouble").first).to_be_empty()
    if picture := os.environ.get("GENMODELS_SCREENSHOTS"):
        page.screenshot(path=f"{picture}/hub-{size}-opened.png")


def test_its_link_opens_it(visit: Callable[..., Page]):  # noqa: F811
    """As the card says it, without a section; the data set of its own is among those to choose."""
    page = visit(f"/?model={REPO}")
    expect(page.locator("gm-tab .gm-filled").first).to_be_visible()
    expect(page.locator("gm-tab").first).to_contain_text("bars")


def test_a_race_with_one_opens_by_its_link(visit: Callable[..., Page]):  # noqa: F811
    """Though nobody has named it since the app began."""
    page = visit(f"/?tab=compare&section=race&data=bars&racers={RACER}")
    race = section(page, "compare.race")
    expect(race.locator(".gm-lane-name").filter(has_text=RACER)).to_be_visible()
    expect(race.locator(".gm-trouble").first).to_be_empty()


@pytest.mark.parametrize(
    "query", ["tab=vae&section=generate&model=tester/gone", "tab=compare&section=race&racers=tester/gone"]
)
def test_a_link_to_one_that_cannot_be_had_tells_why(query: str, visit: Callable[..., Page]):  # noqa: F811
    page = visit(f"/?{query}")
    expect(
        page.get_by_role("alert").filter(has_text="The Hub can't be reached, and 'tester/gone' is not")
    ).to_be_visible()
