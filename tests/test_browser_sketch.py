"""Drawing a sketch in the page: by mouse and finger, an example, an upload, undone, and shared."""

import io
from collections.abc import Callable, Iterator

import pytest
from helpers import serve_app
from PIL import Image, ImageDraw

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Locator, Page, expect
from test_browser import browser, changed, context, draw, pixels, pytestmark, section, visit  # noqa: F401
from test_sketch import FASHION, HEROES, own, save_followers

SHOE = [(0.1, 0.7), (0.1, 0.5), (0.5, 0.4), (0.65, 0.3), (0.9, 0.45), (0.9, 0.7), (0.1, 0.7)]

SLOW_TO_ASK = """() => {
    Object.assign(window, { asked: 0, answered: 0 });
    const { backend } = document.querySelector('gm-sketch').page;
    const ask = backend.ask.bind(backend);
    backend.ask = async (...question) => {
        asked += 1;
        const answer = await ask(...question);
        await new Promise((later) => setTimeout(later, 2500));
        setTimeout(() => (answered += 1), 100); // once it is on show, and the next one is asked
        return answer;
    };
}"""


@pytest.fixture(scope="module")
def app_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with models of one's own, which follow sketches."""
    folder = save_followers(tmp_path_factory.mktemp("followers"))
    with serve_app(folder, GENMODELS_CHECKPOINTS=str(folder)) as address:
        yield address


def done(place: Locator) -> None:
    expect(place.get_by_role("status").filter(has_text="Done")).to_be_visible()


def test_every_stroke_is_answered_and_then_drawn_out(visit: Callable[..., Page]) -> None:  # noqa: F811
    page = visit(f"/?tab=diffusion&section=sketch&model={own(FASHION)}")
    place = section(page, "diffusion.sketch")
    sheet, drawn = place.locator(".gm-pad-canvas"), place.get_by_role("img", name="Pictures that follow it")
    expect(place.locator(".gm-thumb")).to_have_count(10)
    expect(place.get_by_label("As", exact=True)).to_be_visible()
    expect(place.get_by_label("In words")).to_be_hidden()
    done(place)
    first = pixels(drawn)
    place.get_by_role("button", name="Clear").click()
    expect(place.get_by_text("The sheet has no lines: the class alone decides.")).to_be_visible()
    changed(drawn, first)
    draw(page, sheet, SHOE)
    done(place)
    expect(place.locator(".gm-verdict")).to_contain_text("ms of computing")
    mine = pixels(sheet)
    page.wait_for_function(  # the address follows a little later
        "document.querySelector('gm-sketch').good.sketch === new URLSearchParams(location.search).get('sketch')"
    )
    page.reload()  # it has the drawing
    place = section(page, "diffusion.sketch")
    page.wait_for_function(
        "(mine) => document.querySelector('gm-sketch .gm-pad-canvas').toDataURL() === mine", arg=mine
    )


def test_quick_answers_that_come_late_leave_what_is_drawn_out(visit: Callable[..., Page]) -> None:  # noqa: F811
    page = visit(f"/?tab=diffusion&section=sketch&model={own(FASHION)}")
    place = section(page, "diffusion.sketch")
    done(place)
    page.evaluate(SLOW_TO_ASK)
    draw(page, place.locator(".gm-pad-canvas"), SHOE)
    done(place)
    drawn = place.get_by_role("img", name="Pictures that follow it")
    out = pixels(drawn)
    # the answers to the beginning of the stroke and to all of it
    page.wait_for_function("window.asked >= 2 && window.asked === window.answered")
    expect(place.locator(".gm-verdict")).to_contain_text("ms of computing")
    assert pixels(drawn) == out


def test_on_a_phone_the_pictures_stand_above_the_sheet(visit: Callable[..., Page]) -> None:  # noqa: F811
    page = visit(f"/?tab=diffusion&section=sketch&model={own(HEROES)}", "phone")
    place = section(page, "diffusion.sketch")
    sheet, drawn = place.locator(".gm-pad-canvas"), place.get_by_role("img", name="Pictures that follow it")
    expect(place.locator(".gm-thumb")).to_have_count(10)
    expect(place.get_by_label("In words")).to_be_visible()
    assert drawn.bounding_box()["y"] < sheet.bounding_box()["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    before = pixels(sheet)
    place.locator(".gm-thumb").nth(3).tap()
    before = changed(sheet, before)
    paper = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(paper).ellipse((40, 40, 160, 160), outline=0, width=9)
    file = io.BytesIO()
    paper.save(file, "png")
    place.locator("input[type=file]").set_input_files(
        {"name": "ring.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    changed(sheet, before)
    place.locator("input[type=file]").set_input_files({"name": "no.png", "mimeType": "image/png", "buffer": b"no"})
    expect(place.get_by_text("can't be read as a picture")).to_be_visible()
