"""The page in a real Chromium: what is drawn, dragged, typed and pressed, at the sizes of a desk and of phones; no console
error, no request to another host."""

import functools
import io
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlparse

import pytest
from helpers import one_of_each_pair, others_slow
from helpers import picture as noise
from PIL import Image

from genmodels import checkpoint
from genmodels.tabs import page as laid_out
from genmodels.wrappers import denoisers
from genmodels.wrappers.autoregressive import MAX_WRITTEN
from genmodels.wrappers.sampling import own_temperature

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect  # noqa: E402

#: The first of them that is there; without a window of its own a page costs a sixth of the processor's time.
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
    pytest.mark.skipif(not checkpoint.bundled(), reason="no bundled models"),
]
PATIENCE = 30_000  # milliseconds; a busy machine is slow
SIZES = {"desk": (1280, 900), "phone": (390, 844), "small": (320, 640)}
#: The first section of each tab that is laid out.
FIRST = {tab["key"]: tab["sections"][0]["key"] for tab in laid_out.spec()["tabs"] if tab["sections"]}
needs_a_denoiser = pytest.mark.skipif(not denoisers.class_models(), reason="no diffusion model of classes is bundled")
needs_words = pytest.mark.skipif(not denoisers.text_models(), reason="no diffusion model of captions is bundled")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def context(browser: Browser) -> Callable[..., BrowserContext]:
    """context(size, **options): visitors with such a screen share what they have loaded."""

    @functools.cache
    def of(size: str, **options: Any) -> BrowserContext:
        width, height = SIZES[size]
        touch, viewport = size != "desk", {"width": width, "height": height}
        context = browser.new_context(viewport=viewport, has_touch=touch, is_mobile=touch, **options)
        context.add_init_script(LISTEN)
        return context

    return of


@pytest.fixture
def visit(context: Callable[..., BrowserContext], app_address: str) -> Iterator[Callable[..., Page]]:
    """visit(path, size): a page of the app; afterwards no console error and no foreign request may have happened."""
    complaints: list[str] = []
    pages: list[Page] = []

    def open_page(path: str, size: str = "desk", **options: Any) -> Page:
        page = context(size, **options).new_page()
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url) if foreign(request.url) else None)
        pages.append(page)
        page.goto(app_address + path)
        return page

    def foreign(url: str) -> bool:
        return not url.startswith((app_address, "data:", "blob:"))

    yield open_page
    for page in pages:
        page.close()
    assert not complaints


#: Counts the answers by section, keeps their order, and sums up how much the layout shifted.
LISTEN = """
window.answered = {}; window.order = []; window.shifted = 0;
document.addEventListener('gm-change', ({ detail }) => { answered[detail.section] = (answered[detail.section] ?? 0) + 1; order.push(detail.section); });
new PerformanceObserver((list) => list.getEntries().forEach((e) => { if (!e.hadRecentInput) shifted += e.value; }))
    .observe({ type: 'layout-shift', buffered: true });
"""


def section(page: Page, key: str, filled: bool = True) -> Locator:
    """A section, brought into view, and once it has its first answer."""
    found = page.locator(f"[id='section-{key}']")
    if not found.evaluate("e => e.getBoundingClientRect().top < innerHeight && e.getBoundingClientRect().bottom > 0"):
        found.dispatch_event("wheel")  # a visitor scrolls, and the page holds its place no longer
    found.scroll_into_view_if_needed()
    if filled:
        expect(found).to_have_class(re.compile(r"\bgm-filled\b"))
    return found


def pixels(canvas: Locator) -> str:
    return canvas.evaluate("canvas => canvas.toDataURL()")


def changed(canvas: Locator, former: str) -> str:
    """What is on a canvas once it is another picture than `former`."""
    script = "([canvas, former]) => canvas.toDataURL() !== former"
    canvas.page.wait_for_function(script, arg=[canvas.element_handle(), former])
    return pixels(canvas)


def draw(page: Page, canvas: Locator, points: list[tuple[float, float]]) -> None:
    """A stroke on a canvas, through points given as shares of its size."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def drag(slider: Locator, value: float) -> None:
    """Moves a slider as a hand does: many times, and then lets go."""
    slider.evaluate(
        "(e, v) => { e.value = v; for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, { bubbles: true })); }",
        value,
    )


def stop_when(shown: Locator, words: str, button: Locator) -> None:
    """Presses Stop in the very frame in which the words (a regular expression) are there, however briefly they are."""
    shown.page.wait_for_function(
        "([shown, words, button]) => new RegExp(words).test(shown.textContent) && (button.click(), true)",
        arg=[shown.element_handle(), words, button.element_handle()],
    )


def asked(page: Page) -> dict[str, str]:
    """What the address says."""
    return {key: values[0] for key, values in parse_qs(urlparse(page.url).query).items()}


def seen_text(file: bytes) -> dict[str, str]:
    with Image.open(io.BytesIO(file)) as image:
        image.load()
        assert image.format == "PNG"
        return dict(image.text)


SEVEN = [(0.25, 0.25), (0.75, 0.25), (0.5, 0.8)]


# -- every tab ---------------------------------------------------------------------------------------------------------


#: Visible targets that are smaller than 24 by 24 pixels, but for links within text.
SMALL = """() => [...document.querySelectorAll('button, a, select, input:not([type=file]), summary, textarea')]
    .filter((e) => e.checkVisibility({ visibilityProperty: true }) && e.closest('gm-page') && !e.classList.contains('gm-skip') && !e.closest('.gm-prose'))
    .map((e) => [e, (e.type === 'checkbox' ? e.closest('label') : e).getBoundingClientRect()])
    .filter(([, { width, height }]) => width > 0 && (width < 23.9 || height < 23.9))
    .map(([e, { width, height }]) => `${e.tagName} ${e.className} ${e.ariaLabel ?? e.textContent}: ${width}x${height}`)"""
#: What reaches beyond the right edge, but for tables that scroll by themselves.
OUTSIDE = """() => [...document.querySelectorAll('.gm-main *')]
    .filter((e) => !e.closest('.gm-scroll') && e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1)
    .map((e) => e.outerHTML.slice(0, 80))"""

#: How many animations run where nobody sees them, and cost a phone its battery.
MOVES_FAR_AWAY = """document.getAnimations().filter(({ playState, effect }) =>
    playState === 'running' && effect.target.getBoundingClientRect().top > 2 * innerHeight).length"""


@one_of_each_pair(("tab", FIRST), ("size", ("desk", "phone")))
def test_a_tab_opens_with_its_own_idea_and_stays_still(visit: Callable[..., Page], tab: str, size: str) -> None:
    """Its heading and its first section filled; scrolled through to the end nothing has moved meanwhile, captions are announced,
    nothing is too small to press, and nothing sticks out, there and on phones."""
    page = visit(f"/?tab={tab}", size)
    section(page, FIRST[tab])
    page.wait_for_function(f"{MOVES_FAR_AWAY} === 0")
    expect(page.locator("h1:visible")).to_have_count(1)
    expect(page.get_by_role("tab", selected=True)).to_have_attribute("value", tab)
    for place in page.locator(".gm-section").all():
        place.scroll_into_view_if_needed()
    page.wait_for_timeout(700)  # the sections in view come after it
    assert page.evaluate("shifted") < 0.05
    silent = page.evaluate("[...document.querySelectorAll('.gm-verdict')].filter((e) => e.role !== 'status').length")
    assert silent == 0
    for width, height in (SIZES[size], SIZES["phone"], SIZES["small"]):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OUTSIDE) == []
        assert page.evaluate(SMALL) == []


def test_dark_fields_are_dark(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=diffusion&__theme=dark")
    expect(page.locator("gm-tab")).to_be_visible()
    light = page.evaluate("""() => [...document.querySelectorAll('gm-page :is(input[type=number], input[type=text], select, textarea)')]
        .filter((e) => Math.max(...getComputedStyle(e).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)) > 90)
        .map((e) => e.outerHTML)""")
    assert light == []


# -- drawing and moving ------------------------------------------------------------------------------------------------


def test_what_is_drawn_goes_through_the_page(visit: Callable[..., Page]) -> None:
    """Into the autoencoder and back, with a verdict; a slider changes it; the drawing travels to the next tab."""
    page = visit("/?tab=autoencoder")
    place = section(page, "autoencoder.bottleneck")
    seen, rebuilt = (place.get_by_role("img", name=name, exact=True) for name in ("What it sees", "Reconstruction"))
    first = pixels(rebuilt)
    page.get_by_role("button", name="Clear").click()
    draw(page, page.locator(".gm-pad-canvas"), SEVEN)
    drawn = changed(rebuilt, first)
    clean = pixels(seen)
    drag(place.get_by_label("Noise", exact=False).locator("visible=true").first, 0.7)
    changed(seen, clean)
    changed(rebuilt, drawn)
    page.get_by_role("button", name="a chessboard").first.click()
    expect(place.locator(".gm-verdict").last).to_contain_text("every")
    page.get_by_role("button", name="Clear").click()
    draw(page, page.locator(".gm-pad-canvas"), SEVEN)
    page.wait_for_timeout(300)
    mine = pixels(page.locator(".gm-thumbnail"))
    page.get_by_role("tab", name="Flow").click()
    section(page, "flow.round_trip")
    page.wait_for_function(
        "(mine) => document.querySelector('#panel-flow .gm-thumbnail').toDataURL() === mine", arg=mine
    )


def test_a_drawing_lands_on_the_map(visit: Callable[..., Page]) -> None:
    """Its ellipse shows; the pointer, the arrow keys and the legend move on from there."""
    page = visit("/?tab=vae")
    place = section(page, "vae.map")
    plane, decoded, note = (
        place.locator(f".{name}") for name in ("gm-map-canvas", "gm-map-picture", "gm-map-side .gm-note")
    )
    variations = section(page, "vae.variations").get_by_role("img", name="Decodes of")
    former, where = pixels(variations), note.inner_text()
    page.get_by_role("button", name="Clear").click()
    draw(page, page.locator(".gm-pad-canvas"), SEVEN)
    changed(variations, former)
    expect(note).not_to_have_text(where)
    plane.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    seen, map_before = pixels(decoded), pixels(plane)
    box = plane.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    seen = changed(decoded, seen)
    plane.focus()
    for _ in range(6):
        page.keyboard.press("Shift+ArrowRight")
    changed(decoded, seen)
    dots = changed(plane, map_before)
    place.get_by_role("button", name="7", exact=True).click()
    changed(plane, dots)


def test_the_pointer_asks_what_the_pixelcnn_expects(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=pixelcnn&section=expect")
    place = section(page, "pixelcnn.expect")
    plane, words = place.get_by_role("application"), place.locator(".gm-verdict").first
    expect(words).not_to_have_text("")
    said = words.inner_text()
    plane.focus()
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    expect(words).not_to_have_text(said)


def test_a_pixel_pointed_at_shows_what_each_network_looked_at(visit: Callable[..., Page]) -> None:
    """By pointer and by keys; the whole picture is back when the pointer leaves."""
    page = visit("/?only=pixelcnn.three")
    place = section(page, "pixelcnn.three")
    expect(place.get_by_role("status").first).to_have_text("Done")
    plane, words = place.get_by_role("application").first, place.locator(".gm-way gm-words").first
    whole = pixels(plane)
    plane.hover(position={"x": 60, "y": 60})
    expect(words).to_contain_text("pixels before it reach it")
    lit = changed(plane, whole)
    page.mouse.move(2, 2)
    changed(plane, lit)
    assert pixels(plane) == whole
    expect(words).to_have_text("")
    plane.focus()
    page.keyboard.press("ArrowDown")
    expect(words).to_contain_text("pixels before it reach it")
    said, before = words.inner_text(), changed(plane, whole)
    page.keyboard.press("ArrowRight")
    expect(words).not_to_have_text(said)
    changed(plane, before)


def test_what_one_tab_says_of_three_families_keeps_its_old_address(visit: Callable[..., Page]) -> None:
    for address in ("/?tab=pixelcnn", "/?tab=pixelcnn&section=three"):
        page = visit(address)
        expect(page.get_by_role("tab", name="Autoregressive")).to_have_attribute("aria-selected", "true")
        expect(page.locator("#panel-pixelcnn h1")).to_contain_text("PixelCNN, PixelRNN, WaveNet")


def test_an_upload_is_shown_and_a_broken_one_explained(visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit("/?tab=autoencoder")
    seen = section(page, "autoencoder.bottleneck").get_by_role("img", name="What it sees")
    former = pixels(seen)
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    noise(1, (60, 60), "RGB").save(good)
    bad.write_bytes(b"\x89PNG nonsense")
    page.get_by_label("Upload a picture").set_input_files(good)
    former = changed(seen, former)
    page.get_by_label("Upload a picture").set_input_files(bad)
    expect(page.get_by_role("alert").filter(has_text="can't be read as a picture")).to_be_visible()
    assert pixels(seen) == former, "a refused upload leaves everything as it was"
    page.locator(".gm-pad-strips .gm-thumb").nth(3).click()
    expect(page.get_by_role("alert").filter(has_text="can't be read as a picture")).to_have_count(0)


@pytest.mark.parametrize(
    ("key", "label", "view"),
    [("vae.generate", "Temperature", "Samples"), ("gan.generate", "Truncation", "Samples"), ("gan.mix", "Layers", ""),
     ("flow.generate", "Temperature", "Samples"), ("vae.knobs", "1", "The hero")],
)  # fmt: skip
def test_a_slider_changes_the_picture(visit: Callable[..., Page], key: str, label: str, view: str) -> None:
    """By keys; the answer comes without a button."""
    tab, name = key.split(".")
    page = visit(f"/?tab={tab}&section={name}")
    place = section(page, key)
    canvas = place.get_by_role("img", name=view).first if view else place.locator("canvas").first
    former = pixels(canvas)
    slider = place.get_by_label(label).and_(page.locator("input[type=range]")).first
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    changed(canvas, former)


def test_one_seed_for_the_tab(visit: Callable[..., Page]) -> None:
    """Typed or thrown; the sections that are filled follow, and a press on a sample takes it to the pad."""
    page = visit("/?tab=vae&section=generate")
    place = section(page, "vae.generate")
    samples = place.get_by_role("img", name="Samples")
    former = pixels(samples)
    page.get_by_label("Seed", exact=True).fill("41")
    page.keyboard.press("Enter")
    seeded = changed(samples, former)
    page.get_by_role("button", name="Another seed").first.click()
    changed(samples, seeded)
    pad = page.locator(".gm-pad-canvas")
    on_pad = pixels(pad)
    place.get_by_role("button", name="Picture 1 of 16").click()
    changed(pad, on_pad)


def test_the_data_switch_changes_every_section(visit: Callable[..., Page]) -> None:
    """By the arrow keys, with the selection and the focus; the next tab begins with the same pictures."""
    page = visit("/?tab=gan&section=generate")
    samples = section(page, "gan.generate").get_by_role("img", name="Samples")
    former = pixels(samples)
    radios = page.get_by_role("radiogroup", name="Pictures").get_by_role("radio")
    radios.first.focus()
    page.keyboard.press("ArrowRight")
    expect(radios.nth(1)).to_be_checked()
    expect(radios.nth(1)).to_be_focused()
    expect(radios.first).to_have_attribute("tabindex", "-1")
    fashion = changed(samples, former)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(radios.last).to_be_checked()
    changed(samples, fashion)
    page.get_by_role("tab", name="Autoencoder").click()
    expect(page.locator("#panel-autoencoder").get_by_role("radio", name="Heroes")).to_be_checked()


def test_spot_the_fake_by_mouse_and_keyboard(visit: Callable[..., Page]) -> None:
    """Both the game with real pictures and the one without: whether there are any depends on the machine."""
    page = visit("/?tab=gan")
    place = section(page, "gan.spot")
    cards = place.locator("button.gm-card")
    expect(cards).to_have_count(8)
    cards.first.focus()
    for key in ("Space", "ArrowRight", "ArrowRight", "Space"):
        page.keyboard.press(key)
    expect(cards.nth(2)).to_be_focused()
    cards.nth(5).click()
    pressed = cards.evaluate_all("cards => cards.map((card) => card.getAttribute('aria-pressed') === 'true')")
    assert [i for i, on in enumerate(pressed) if on] == [0, 2, 5]
    assert place.locator(".gm-card-truth").count() == 0
    place.get_by_role("button", name="Reveal").click()
    expect(place.locator(".gm-card-truth")).to_have_count(8)
    expect(place.get_by_role("status").filter(has_text="you")).to_be_visible()
    place.get_by_role("button", name="New round").click()
    expect(place.locator(".gm-card-truth")).to_have_count(0)
    expect(place.get_by_text("This visit: you")).to_be_visible()


# -- the overview ------------------------------------------------------------------------------------------------------

six = pytest.mark.skipif(len(laid_out.families()) < 6, reason="not all families are bundled")


def settled(page: Page) -> None:
    """Waits until all families have said all of what is on the pad: a slow hand asks more than once."""
    page.wait_for_function("answered['overview.fill'] && !document.querySelector('gm-see .gm-stale')")


@six
def test_the_front_door_is_the_overview(visit: Callable[..., Page]) -> None:
    """A card of each family, whose link opens its tab in place, and back; pictures are fetched as they come into view."""
    page = visit("/")
    expect(page.get_by_role("tab", selected=True)).to_have_text("Overview")
    section(page, "overview.families")
    expect(page.locator(".gm-family")).to_have_count(6)
    page.get_by_role("link", name="Try it: Flow").click()
    expect(page.locator("h1:visible")).to_have_text("Normalizing flow")
    expect(page.locator("h1:visible")).to_be_focused()
    assert asked(page)["tab"] == "flow"
    page.go_back()
    expect(page.locator("h1:visible")).to_contain_text("teach a computer to draw")
    page.get_by_role("button", name="Draw once").click()
    expect(page.locator("[id='section-overview.see'] h2")).to_be_focused()
    page = visit("/?only=overview.families")
    page.get_by_role("link", name="Try it: VAE").click()
    expect(page.locator("h1:visible")).to_have_text("Variational autoencoder")


SLOWED = """() => {
    const { backend } = document.querySelector('gm-see').page;
    const ask = backend.ask.bind(backend);
    const wait = window.setTimeout.bind(window);
    window.setTimeout = (then, ms, ...rest) => wait(then, ms === 250 ? 2000 : ms, ...rest); // a test's hand may stop now and then
    window.questions = [];
    backend.ask = async (section, state) => {
        if (section === 'overview.see') questions.push(state.families.join());
        await new Promise((resolve) => setTimeout(resolve, section === 'overview.see' ? 150 : 0));
        return ask(section, state);
    };
}"""


@six
def test_slow_families_wait_for_the_end_of_a_stroke(visit: Callable[..., Page]) -> None:
    """Or until the pen keeps still; then all are asked, once."""
    page = visit("/?tab=overview&section=see")
    pad = section(page, "overview.see").locator(".gm-pad-canvas")
    settled(page)
    page.evaluate(SLOWED)
    box = pad.bounding_box()
    assert box
    place = iter(range(20, 300, 12))

    def move(times: int) -> None:
        for _ in range(times):
            page.mouse.move(box["x"] + next(place), box["y"] + 100)
            page.wait_for_timeout(50)

    move(1)
    page.mouse.down()
    move(1)
    page.mouse.up()
    page.wait_for_function(
        "questions.length >= 2 && document.querySelector('gm-see').open === 0"
    )  # now it knows how slow they are
    page.evaluate("questions.length = 0")
    page.mouse.down()
    move(8)
    assert page.evaluate("questions") == []
    page.wait_for_function("questions.length === 2")
    move(2)
    page.mouse.up()
    page.wait_for_function("questions.length === 4 && document.querySelector('gm-see').open === 0")
    asked = page.evaluate("questions")  # which families are asked together depends on how slow they were
    still, ended = (sorted(",".join(some).split(",")) for some in (asked[:2], asked[2:]))
    assert still == ended
    assert len(set(still)) == len(still) == 6


@six
def test_a_stroke_changes_what_all_families_say(visit: Callable[..., Page]) -> None:
    """It begins with an example; a stroke, another example and other data change every answer."""
    page = visit("/?tab=overview&section=see")
    place = section(page, "overview.see")
    settled(page)
    readings = place.locator(".gm-reading")
    expect(readings).to_have_count(6)

    def seen() -> list[list[str]]:
        return readings.evaluate_all(
            "all => all.map((e) => [...[...e.querySelectorAll('canvas')].map((c) => c.toDataURL()), e.querySelector('.gm-said').textContent])"
        )

    def differs_from(former: list[list[str]], same_back: bool = False) -> list[list[str]]:
        settled(page)
        now = seen()
        for before, after in zip(former, now, strict=True):
            assert before != after
            assert same_back or all(a != b for a, b in zip(before[:-1], after[:-1], strict=True)), "both pictures"
        return now

    before = first = seen()
    assert all(all(parts) for parts in before)
    draw(page, place.locator(".gm-pad-canvas"), SEVEN)
    before = differs_from(before)
    place.get_by_role("button", name="a smiley").click()
    before = differs_from(before)
    place.locator(".gm-thumb").first.click()
    assert differs_from(before) == first, "whatever was drawn before"
    before = first
    place.get_by_role("radio", name="Fashion").click()
    differs_from(before, same_back=True)  # the flow brings the same drawing back
    expect(place.get_by_role("status").filter(has_text="Autoencoder: More unusual than")).to_have_count(1)
    expect(place.get_by_role("img", name="% of the way from")).to_have_count(6)
    assert page.evaluate("document.getElementById('section-overview.see').good.data") == "fashion-mnist"
    drawn = pixels(place.locator(".gm-pad-canvas"))
    place.get_by_role("link", name="GAN").click()
    section(page, "gan.spot")
    page.wait_for_function(
        "drawn => document.querySelector('#panel-gan .gm-pad-canvas').toDataURL() === drawn", arg=drawn
    )


@six
def test_a_picture_moves_while_it_is_pointed_at(visit: Callable[..., Page]) -> None:
    """Or has the keyboard's focus, or was tapped; never by itself."""
    page = visit("/")
    section(page, "overview.families")
    first, image = page.locator(".gm-moving").first, page.locator(".gm-moving img").first
    expect(image).to_have_attribute("src", re.compile("/pictures/autoencoder-still.webp"))
    first.hover()
    expect(image).to_have_attribute("src", re.compile("/pictures/autoencoder.webp"))
    page.get_by_role("heading", level=1).hover()
    expect(image).to_have_attribute("src", re.compile("still"))
    page.get_by_role("link", name="The families").focus()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(first).to_be_focused()
    expect(first).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Enter")
    expect(first).to_have_attribute("aria-pressed", "false")
    page = visit("/", "phone")
    section(page, "overview.families")
    first = page.locator(".gm-moving").first
    first.tap()
    expect(first).to_have_attribute("aria-pressed", "true")
    first.tap()
    expect(first).to_have_attribute("aria-pressed", "false")


@six
def test_cards_rest_where_less_motion_is_preferred(visit: Callable[..., Page]) -> None:
    """Pointer and focus show the still; only a press plays it, for who wants it."""
    page = visit("/", reduced_motion="reduce")
    section(page, "overview.families")
    first, image = page.locator(".gm-moving").first, page.locator(".gm-moving img").first
    first.hover()
    first.focus()
    page.wait_for_timeout(200)
    expect(image).to_have_attribute("src", re.compile("still"))
    page.keyboard.press("Enter")
    expect(image).not_to_have_attribute("src", re.compile("still"))


@six
def test_how_the_families_relate_is_a_table(visit: Callable[..., Page]) -> None:
    """With a head for each row and column, and a word in each cell."""
    page = visit("/?tab=overview&section=map")
    table = section(page, "overview.map").get_by_role("table", name="What each family can do")
    expect(table.get_by_role("rowheader")).to_have_count(6)
    expect(table.get_by_role("columnheader")).to_have_count(5)
    assert all(table.get_by_role("cell").all_inner_texts()[-30:])
    expect(table.get_by_role("row", name="Autoregressive")).to_contain_text("exactly")


# -- the address -------------------------------------------------------------------------------------------------------


def test_arrow_keys_go_from_tab_to_tab(visit: Callable[..., Page]) -> None:
    page = visit("/")
    section(page, FIRST[next(iter(FIRST))])
    found = page.get_by_role("tab")
    found.first.focus()
    page.keyboard.press("ArrowRight")
    expect(found.nth(1)).to_be_focused()
    expect(found.nth(1)).to_have_attribute("aria-selected", "true")
    expect(found.first).to_have_attribute("tabindex", "-1")
    expect(page.locator("gm-tab:visible")).to_have_attribute("id", f"panel-{list(FIRST)[1]}")
    page.keyboard.press("End")
    expect(found.last).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(found.first).to_have_attribute("aria-selected", "true")


def test_what_is_touched_is_in_the_address(visit: Callable[..., Page]) -> None:
    """Though the section above it is at the top, where the reading is; until the page is scrolled."""
    page = visit("/?tab=gan&section=walk")
    section(page, "gan.walk")
    touched = section(page, "gan.mix")
    named = "name => new URLSearchParams(location.search).get('section') === name"
    page.mouse.wheel(0, 1)  # what the link named is held no more
    touched.evaluate("e => scrollBy(0, e.getBoundingClientRect().top - 400)")
    page.wait_for_function(named, arg="walk")
    touched.get_by_role("heading").first.click()
    page.wait_for_function(named, arg="mix")
    page.mouse.wheel(0, 1)
    page.wait_for_function(named, arg="walk")


def test_the_address_follows_and_leads_back(visit: Callable[..., Page]) -> None:
    """Tab and section; Back, reload and a pasted link arrive at the same place."""
    page = visit("/?tab=vae")
    section(page, "vae.map")
    page.get_by_role("tab", name="GAN").click()
    section(page, "gan.spot")
    assert asked(page) == {"tab": "gan"}
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Mix styles").click()
    expect(page.locator("[id='section-gan.mix'] h2")).to_be_focused()
    page.wait_for_function("location.search.includes('section=mix')")
    assert asked(page) == {"tab": "gan", "section": "mix"}
    expect(page.get_by_role("link", name="Mix styles")).to_have_attribute("aria-current", "true")
    link = page.url
    for again in (page.reload, lambda: page.goto(link)):
        again()
        section(page, "gan.mix")
        page.wait_for_function("Math.abs(document.getElementById('section-gan.mix').getBoundingClientRect().top) < 200")
        assert asked(page) == {"tab": "gan", "section": "mix"}
    page.get_by_role("tab", name="VAE").dispatch_event(
        "click"
    )  # a real one would scroll up to it first, and be told of
    page.wait_for_function("location.search === '?tab=vae'")
    page.go_back()
    expect(page.get_by_role("tab", selected=True)).to_have_attribute("value", "gan")
    page.wait_for_function("Math.abs(document.getElementById('section-gan.mix').getBoundingClientRect().top) < 200")
    page.go_forward()
    expect(page.get_by_role("tab", selected=True)).to_have_attribute("value", "vae")


@one_of_each_pair(("tab", FIRST), ("size", SIZES))
def test_a_link_to_the_last_section_arrives_there(visit: Callable[..., Page], tab: str, size: str) -> None:
    """Though the page may end too soon for it to come to the top, and what is above it fills later; so does a reload."""
    last = [one.key for one in laid_out.tabs()[tab].sections if one.models() and not one.hidden][-1]
    wanted = {"tab": tab, "section": last.split(".")[1]}
    page = visit("/?" + urlencode(wanted), size)
    for again in (False, True):
        if again:
            page.reload()
        expect(page.locator(f"[id='section-{last}']")).to_be_in_viewport()
        page.wait_for_timeout(1000)
        assert asked(page) == wanted
        expect(page.locator(f"[id='section-{last}'] h2")).to_be_in_viewport()


@pytest.mark.parametrize(("before", "after"), [((1024, 768), (768, 1024)), ((768, 1024), (1280, 800))])
def test_what_is_read_stays_where_the_window_gets_another_width(
    visit: Callable[..., Page], before: tuple[int, int], after: tuple[int, int]
) -> None:
    """As a tablet that is turned: all sections get other heights, and the address says what it said."""
    page = visit("/?tab=diffusion&section=solvers")
    page.set_viewport_size({"width": before[0], "height": before[1]})
    page.goto(page.url)
    section(page, "diffusion.solvers", filled=False)
    heading = page.locator("[id='section-diffusion.solvers'] h2")
    expect(heading).to_be_in_viewport()
    page.wait_for_timeout(500)
    page.mouse.wheel(0, 60)
    page.wait_for_timeout(500)
    page.set_viewport_size({"width": after[0], "height": after[1]})
    page.wait_for_timeout(700)
    top = page.evaluate("document.getElementById('section-diffusion.solvers').getBoundingClientRect().top")
    assert -200 < top < 160
    assert asked(page) == {"tab": "diffusion", "section": "solvers"}


def test_back_leads_to_what_was_changed_just_before(visit: Callable[..., Page]) -> None:
    """The address follows a slider only once it rests; who leaves before that has it all the same."""
    page = visit("/?tab=vae&section=generate")
    slider = section(page, "vae.generate").get_by_label("Temperature")
    page.wait_for_timeout(600)
    slider.press("Home")  # what is touched is what is read
    page.wait_for_function("document.getElementById('section-vae.generate').good.temperature === 0")
    page.evaluate("document.querySelector('gm-page').press('gan')")  # a click would scroll, and so read another section
    section(page, "gan.spot")
    page.go_back()
    page.wait_for_function("location.search.includes('section=generate') && location.search.includes('temperature=0')")


def test_diagrams_can_be_read_on_a_phone(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=vae", size="phone")
    for tab in [one for one in FIRST if laid_out.tabs()[one].is_family]:
        page.get_by_role("tab", name=laid_out.tabs()[tab].title, exact=True).click()
        drawn = page.locator(f"#panel-{tab} .gm-tab-head .gm-diagram")
        expect(drawn).to_be_visible()
        size = drawn.evaluate(
            "one => parseFloat(getComputedStyle(one.querySelector('text')).fontSize) * one.clientWidth / one.viewBox.baseVal.width"
        )
        assert size >= 8.5, tab


@pytest.mark.parametrize(("size", "n", "below"), [("phone", 10, True), ("phone", 6, False), ("desk", 10, False)])
def test_sheets_of_many_columns_are_stacked_on_a_phone(
    visit: Callable[..., Page], size: str, n: int, below: bool
) -> None:
    """Where two side by side would leave pictures of a few millimetres; the number is the visitor's."""
    for key, model in (("diffusion.generate", "diffusion-mnist-fast"), ("pixelcnn.write", "wavenet-mnist")):
        tab, _, name = key.partition(".")
        page = visit(f"/?tab={tab}&section={name}&model={model}&n={n}", size)
        one, other = section(page, key).locator("canvas.gm-sheet").all()[:2]
        place, beside = one.bounding_box(), other.bounding_box()
        assert (beside["y"] >= place["y"] + place["height"]) == below, key
        assert place["width"] / {10: 5, 6: 3}[n] > 50, key


def test_one_section_alone(visit: Callable[..., Page]) -> None:
    """No header, no other section, no pad that it doesn't use."""
    page = visit("/?only=vae.map")
    section(page, "vae.map")
    expect(page.locator(".gm-section")).to_have_count(1)
    expect(page.get_by_role("tab")).to_have_count(0)
    expect(page.locator("gm-pad")).to_have_count(1)  # to draw what is to be found on the map


def test_a_family_alone_at_its_route(visit: Callable[..., Page]) -> None:
    page = visit("/vae")
    section(page, "vae.map")
    expect(page.get_by_role("tab")).to_have_count(0)
    expect(page.locator("h1:visible")).to_have_text("Variational autoencoder")


def test_a_state_in_the_link_is_shown(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=vae&section=map&model=vae2d-mnist&x=1&y=-1")
    place = section(page, "vae.map")
    expect(place.locator(".gm-map-side .gm-note")).to_have_text("z = (1.00, -1.00)")
    page = visit("/?tab=gan&section=generate&model=gan-fashion-mnist&truncation_psi=0.3")
    place = section(page, "gan.generate")
    expect(page.get_by_role("radio", name="Fashion")).to_be_checked()
    expect(place.get_by_label("Truncation").first).to_have_value("0.3")
    assert page.evaluate("document.getElementById('section-gan.generate').good.truncation_psi") == 0.3


def good(page: Page, key: str) -> dict[str, Any]:
    """The state that the section shows."""
    return page.locator(f"[id='section-{key}']").evaluate("section => section.good")


def test_lists_in_a_link(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=vae&section=knobs&values=1.5,-2,0,0,0,3&swept=2")
    place = section(page, "vae.knobs")
    assert good(page, "vae.knobs")["values"] == [1.5, -2, 0, 0, 0, 3]
    expect(place.get_by_label("2", exact=True).first).to_have_value("-2")
    expect(place.get_by_label("Sweep number")).to_have_value("2")
    page = visit("/?tab=diffusion&section=solvers&steps=1&steps=4&schedulers=ddim,heun")
    if not denoisers.class_models():
        return
    place = section(page, "diffusion.solvers", filled=False)
    for group, chosen in (("Steps", ["1", "4"]), ("Solvers", 2)):
        boxes = place.get_by_role("group", name=group).locator("label:has(:checked)")
        expect(boxes).to_have_count(chosen if isinstance(chosen, int) else len(chosen))
        assert isinstance(chosen, int) or boxes.all_inner_texts() == chosen


def test_a_drawing_in_a_link_is_on_the_pad_and_shared(visit: Callable[..., Page]) -> None:
    """An example by its number, and base64; the sections beside it show it, too, and the next tab does."""
    page = visit("/?tab=vae&section=variations&picture=%233")
    section(page, "vae.variations")
    drawn = good(page, "vae.variations")["picture"]
    assert page.evaluate("document.querySelector('gm-pad').props.value.pixels") == drawn
    expect(page.locator(".gm-pad-strips .gm-thumb").nth(3)).to_have_attribute("aria-pressed", "true")
    page.get_by_role("tab", name="Flow").click()
    section(page, "flow.round_trip")
    page.wait_for_function(
        "drawn => document.getElementById('section-flow.round_trip').good.picture === drawn", arg=drawn
    )
    page = visit("/?" + urlencode({"tab": "pixelcnn", "section": "finish", "picture": drawn, "hidden": ""}))
    section(page, "pixelcnn.finish")
    assert (good(page, "pixelcnn.finish")["picture"], good(page, "pixelcnn.finish")["hidden"]) == (drawn, "")
    expect(page.locator(".gm-pad-keep output")).to_have_text("28 of 28")
    section(page, "pixelcnn.likelihood")
    assert good(page, "pixelcnn.likelihood")["picture"] == drawn


BAD = {
    "vae.generate": ["temperature=99", "temperature=hot", "model=unicorn", "seed=-5", "colour=3", "seed=1&seed=2"],
    "vae.map": ["x=hot", "y=99", "x=1&colour=3", "model=vae-mnist", "picture=nonsense"],
    "vae.variations": ["picture=nonsense", "picture=%2399"],
    "gan.spot": ["round=-1", "picks=99", "colour=3"],
    "pixelcnn.expect": ["x=300", "x=3&y=left", "picture=AAAA", "z=1"],
    "pixelcnn.write": ["temperature=9", "n=1.5"],
    "diffusion.sketch": ["n=0"],
    "diffusion.solvers": ["steps=3", "schedulers=euler!", "steps="],
    "diffusion.hub": ["width=1", "repo=nonsense"],
}


@pytest.mark.parametrize(
    "address",
    others_slow(
        [f"{key}&{bad}" for key, all_bad in BAD.items() for bad in all_bad], lambda address: address.partition("&")[0]
    ),
)
def test_a_state_that_cannot_be_leaves_the_section_at_its_default_with_a_reason(
    visit: Callable[..., Page], address: str
) -> None:
    key, _, bad = address.partition("&")
    if not laid_out.sections()[key].models():
        pytest.skip("no model for it is bundled")
    tab, name = key.split(".")
    page = visit(f"/?tab={tab}&section={name}&{bad}")
    asks = key not in ("diffusion.solvers", "diffusion.hub")  # before its button is pressed
    place = section(page, key, filled=asks)
    said = page.get_by_role("alert").filter(has_text=re.compile(r"\S"))
    expect(said).to_have_count(1)
    expect(said).to_be_visible()
    assert len(re.findall(r"[.?!](\s|$)", said.inner_text())) == 1, "one sentence"
    values = parse_qs(bad)
    for key_said, (value, *_) in values.items():
        assert str(good(page, key).get(key_said, "")) != value
    page.wait_for_timeout(400)
    expect(said).to_be_visible()  # the answer for the default leaves it standing
    assert values.keys().isdisjoint(asked(page)), "a reload shows the default"
    if key == "vae.generate":
        slider = place.get_by_label("Temperature")
        expect(slider).to_have_value(f"{own_temperature(good(page, key)['model']):g}")
        drag(slider, 0.4)
        page.wait_for_function("document.getElementById('section-vae.generate').good.temperature === 0.4")


@pytest.mark.parametrize(
    ("path", "says", "shown"),
    [
        ("?tab=unicorn", "There is no tab “unicorn”; the tabs are", None),
        ("?tab=unicorn&section=map&x=1", "There is no tab “unicorn”", None),
        ("?tab=vae&section=unicorn", "VAE has no section “unicorn”; its sections are map, ", "vae"),
        ("?only=unicorn.map", "There is no tab “unicorn”", None),
        ("?only=vae.unicorn", "VAE has no section “unicorn”", "vae"),
        ("?only=vae", "“only” shows one section: vae.map, vae.", "vae"),
        ("?model=unicorn", "There is no model “unicorn” here.", None),
        ("?model=someone/unicorn", "'someone/unicorn' is not", None),
    ],
)
def test_a_place_that_is_not_there_is_told(visit: Callable[..., Page], path: str, says: str, shown: str | None) -> None:
    """In one sentence, above the page that is shown instead; it goes when the visitor does."""
    page = visit(f"/{path}")
    tab = shown or next(iter(FIRST))
    section(page, FIRST[tab])
    said = page.get_by_role("alert").filter(has_text=says)
    expect(said).to_be_visible()
    expect(page.get_by_role("tab", selected=True)).to_have_attribute("value", tab)
    page.get_by_role("tab", name="GAN").click()
    expect(said).to_have_count(0)


def test_the_page_s_own_keys_are_no_state(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=vae&section=generate&__theme=dark&utm_source=post&view=demo")
    section(page, "vae.generate")
    assert page.get_by_role("alert").evaluate_all("all => all.map((e) => e.textContent).filter(Boolean)") == []


@pytest.mark.parametrize("size", SIZES)
def test_a_changed_state_is_in_the_address(visit: Callable[..., Page], size: str) -> None:
    """Reload, a pasted link and Back arrive at the same tab and section, which shows the same."""
    page = visit("/?tab=gan&section=generate", size)
    samples = section(page, "gan.generate").get_by_role("img", name="Samples")
    former = pixels(samples)
    drag(page.locator("[id='section-gan.generate']").get_by_label("Truncation"), 0.25)
    shown = changed(samples, former)
    page.wait_for_function("location.search.includes('truncation_psi=0.25')")
    wanted = {"tab": "gan", "section": "generate", "truncation_psi": "0.25"}
    assert asked(page) == wanted
    link = page.url

    def same_place() -> None:
        samples = section(page, "gan.generate").get_by_role("img", name="Samples")
        expect(page.get_by_role("tab", selected=True)).to_have_attribute("value", "gan")
        page.wait_for_function(
            "Math.abs(document.getElementById('section-gan.generate').getBoundingClientRect().top) < 120"
        )
        page.wait_for_function("([e, shown]) => e.toDataURL() === shown", arg=[samples.element_handle(), shown])
        page.wait_for_timeout(400)
        assert asked(page) == wanted

    page.reload()
    same_place()
    page.goto("about:blank")
    page.goto(link)
    same_place()
    page.get_by_role("tab", name="VAE").dispatch_event("click")
    page.wait_for_function("location.search === '?tab=vae'")
    page.go_back()
    same_place()


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_after_a_refusal_the_last_good_value_stands_with_the_reason(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=vae&section=walk")
    place = section(page, "vae.walk")
    seed = place.locator("input[type=number]").first
    good = seed.input_value()
    seed.fill("99999999999")
    seed.press("Tab")
    said = place.get_by_role("alert").filter(has_text="must be a whole number from 0 to")
    expect(said).to_be_visible()
    expect(seed).to_have_value(good)
    assert said.evaluate(
        "e => e.closest('.gm-control').contains(document.querySelector('[id=\"section-vae.walk\"] input[type=number]'))"
    )
    seed.fill("7")
    seed.press("Tab")
    expect(said).to_have_count(0)


def test_a_bad_seed_is_explained_beside_it(visit: Callable[..., Page]) -> None:
    """The one that the sections share: the last good one stands again."""
    page = visit("/?tab=vae&section=generate&seed=8")
    samples = section(page, "vae.generate").get_by_role("img", name="Samples")
    seed, former = page.get_by_label("Seed", exact=True), pixels(samples)
    expect(seed).to_have_value("8")
    seed.fill("-5")
    seed.press("Tab")
    said = page.get_by_role("complementary").get_by_role("alert").filter(has_text="must be a whole number from 0")
    expect(said).to_be_visible()
    expect(seed).to_have_value("8")
    drag(section(page, "vae.generate").get_by_label("Temperature"), 0.4)
    expect(said).to_have_count(0)  # it's over
    former = changed(samples, former)
    seed.fill("-6")
    seed.press("Tab")
    expect(said).to_be_visible()
    seed.fill("3")
    seed.press("Tab")
    expect(said).to_have_count(0)
    changed(samples, former)


def test_an_emptied_seed_stands_at_its_last_good_value_again(visit: Callable[..., Page]) -> None:
    """And what was said of another one goes."""
    page = visit("/?tab=vae&section=generate&seed=8")
    section(page, "vae.generate")
    seed, said = (
        page.get_by_label("Seed", exact=True),
        page.get_by_role("complementary").get_by_role("alert").filter(has_text="must"),
    )
    seed.fill("-5")
    seed.press("Tab")
    expect(said).to_be_visible()
    seed.fill("")
    seed.press("Tab")
    expect(seed).to_have_value("8")
    expect(said).to_have_count(0)


# -- for eyes and hands of all kinds -----------------------------------------------------------------------------------


@one_of_each_pair(("tab", FIRST), ("size", ("phone", "desk")))
def test_axe_finds_nothing_serious(visit: Callable[..., Page], tab: str, size: str) -> None:
    """On the whole tab, filled, with what can be opened open; in both themes, on a desk and in a phone's window."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = visit(f"/?tab={tab}&__theme=light")
    page.set_viewport_size(dict(zip(("width", "height"), SIZES[size], strict=True)))
    section(page, FIRST[tab])
    for place in page.locator(".gm-section").all():
        place.scroll_into_view_if_needed()
    page.evaluate("document.querySelectorAll('gm-page details').forEach((one) => { one.open = true; })")
    # the rows of a table are alike
    page.evaluate("document.querySelectorAll('tbody tr:nth-child(n+4)').forEach((row) => row.remove())")
    for dark in (False, True):
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)
        page.wait_for_timeout(400)
        # the other theme has other colours, nothing else
        options = {"resultTypes": ["violations"]} | ({"runOnly": ["color-contrast"]} if dark else {})
        found = axe.Axe().run(page, options=options)
        serious = [one for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
        assert serious == [], "dark" if dark else "light"


@pytest.mark.parametrize(
    ("key", "group"),
    [("gan.generate", "Samples"), ("gan.mix", "Mixed styles"), ("pixelcnn.write", "What it wrote"), ("flow.swap", "")],
)
def test_a_picture_is_taken_to_the_pad_by_keys(visit: Callable[..., Page], key: str, group: str) -> None:
    """Tab comes to one picture of a sheet, the arrow keys go on from there, Enter takes it, and this is announced."""
    tab, name = key.split(".")
    page = visit(f"/?tab={tab}&section={name}")
    place = section(page, key)
    pad, box = page.locator(".gm-pad-canvas"), place.locator("gm-takes" if group else ".gm-gallery")
    buttons = box.get_by_role("button")
    if group:
        expect(box).to_have_attribute("aria-label", f"{group}: press one to take it to the pad")
    expect(buttons.first).to_have_attribute("tabindex", "0", timeout=PATIENCE)
    assert buttons.evaluate_all("all => all.filter((e) => e.tabIndex === 0).length") == 1
    on_pad, at = pixels(pad), buttons.first.bounding_box()
    buttons.first.focus()
    page.keyboard.press("ArrowDown")
    below = page.locator(":focus").bounding_box()
    assert below["y"] > at["y"]
    page.keyboard.press("ArrowRight")
    beside = page.locator(":focus").bounding_box()
    assert (beside["x"] > below["x"], round(beside["y"])) == (True, round(below["y"]))
    page.keyboard.press("Enter")
    changed(pad, on_pad)
    expect(page.get_by_role("status").filter(has_text="It is on the pad now.")).to_have_count(1)


@pytest.mark.parametrize("key", ["gan.generate", "gan.mix", "gan.walk"])
def test_a_sheet_a_table_and_a_film_are_kept(visit: Callable[..., Page], key: str) -> None:
    tab, name = key.split(".")
    page = visit(f"/?tab={tab}&section={name}")
    button = section(page, key).locator(".gm-main .gm-save").first
    with page.expect_download() as download:
        button.click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


def test_the_pad_is_drawn_on_by_keys(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=autoencoder")
    seen = section(page, "autoencoder.bottleneck").get_by_role("img", name="What it sees", exact=True)
    former = pixels(seen)
    page.get_by_role("button", name="Clear").click()
    blank = changed(seen, former)
    page.get_by_role("application", name="Your picture").focus()
    for key in ("ArrowRight", "Space"):
        page.keyboard.press(key)
    one = changed(seen, blank)
    for key in ("ArrowDown", "Space"):
        page.keyboard.press(key)
    two = changed(seen, one)
    page.keyboard.press("Control+z")
    assert changed(seen, two) == one


@pytest.mark.parametrize("key", ["flow.layers", "gan.walk", "gan.training", "diffusion.generate"])
def test_every_film_can_be_paused_and_rests_where_less_motion_is_preferred(
    visit: Callable[..., Page], key: str
) -> None:
    tab, name = key.split(".")
    if key not in laid_out.sections() or not laid_out.sections()[key].models():
        pytest.skip("no model for it is bundled")
    page = visit(f"/?tab={tab}&section={name}", reduced_motion="reduce")
    place = section(page, key)
    film = place.locator(".gm-scrub").first
    button, scrubber = film.get_by_role("button"), film.locator("input[type=range]")
    if laid_out.sections()[key].work:
        expect(place.get_by_role("status").filter(has_text=re.compile("^Done"))).to_be_visible()
    expect(button).to_be_enabled()
    expect(button).to_have_text("Play")
    page.wait_for_function("e => e.value === e.max || e.value === '0'", arg=scrubber.element_handle())
    at = scrubber.input_value()
    page.wait_for_timeout(400)
    assert scrubber.input_value() == at
    button.click()
    page.wait_for_function("([e, at]) => e.value !== at", arg=[scrubber.element_handle(), at])
    expect(button).to_have_text("Pause")
    button.click()
    expect(button).to_have_text("Play")


# -- phones ------------------------------------------------------------------------------------------------------------


def swipe(page: Page, x: float, y: float, up: float, right: float = 0) -> None:
    """A finger goes up, and to the right, by so many pixels."""
    session = page.context.new_cdp_session(page)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for i in range(1, 9):
        point = {"x": x + right * i / 8, "y": y - up * i / 8}
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        page.wait_for_timeout(16)
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(300)


def test_a_finger_scrolls_past_the_map_until_it_has_tapped(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=vae", "phone")
    place = section(page, "vae.map")
    plane, note = place.locator(".gm-map-canvas"), place.locator(".gm-map-side .gm-note")
    plane.scroll_into_view_if_needed()
    before, at = page.evaluate("scrollY"), note.inner_text()
    box = plane.bounding_box()
    x, y = box["x"] + box["width"] / 3, min(box["y"] + box["height"] * 0.7, 700)
    swipe(page, x, y, 200)
    assert page.evaluate("scrollY") > before + 100
    assert note.inner_text() == at
    plane.tap(position={"x": 60, "y": 90})
    expect(note).not_to_have_text(at)
    before, at = page.evaluate("scrollY"), note.inner_text()
    box = plane.bounding_box()
    swipe(page, box["x"] + box["width"] / 2, max(box["y"], 0) + 200, 90)
    expect(note).not_to_have_text(at)
    assert page.evaluate("scrollY") == before


@pytest.mark.parametrize(
    ("key", "canvas"), [("vae.map", ".gm-map-canvas"), ("pixelcnn.expect", ".gm-plane"), ("gan.generate", "gm-takes")]
)
def test_a_finger_scrolls_past_whatever_it_could_press(visit: Callable[..., Page], key: str, canvas: str) -> None:
    """Upwards over the middle of the canvas: the page moves, and nothing on it changes."""
    tab, name = key.split(".")
    page = visit(f"/?tab={tab}&section={name}", "phone")
    place = section(page, key)
    box = place.locator(canvas).first.bounding_box()
    page.wait_for_timeout(400)
    before, good = page.evaluate("scrollY"), place.evaluate("e => JSON.stringify(e.good)")
    swipe(page, box["x"] + box["width"] / 2, min(box["y"] + box["height"] / 2, 600), 200)
    assert page.evaluate("scrollY") > before + 100
    assert place.evaluate("e => JSON.stringify(e.good)") == good


def test_the_pad_opens_from_below_and_draws_after_a_tap(visit: Callable[..., Page]) -> None:
    """A swipe over it draws nothing before; all families are one touch away, sections in a list."""
    page = visit("/?tab=flow", "phone")
    section(page, "flow.round_trip")
    bar = page.locator(".gm-drawer > summary")
    pad = page.locator(".gm-pad-canvas")
    expect(pad).to_be_hidden()
    bar.tap()
    expect(pad).to_be_visible()
    page.wait_for_timeout(300)
    blank, box = pixels(pad), pad.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.7
    swipe(page, *middle, 60)
    assert pixels(pad) == blank, "a finger that scrolls draws nothing"
    box = pad.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.7
    page.touchscreen.tap(*middle)
    swipe(page, *middle, 60)
    assert pixels(pad) != blank
    bar.tap()
    expect(pad).to_be_hidden()
    assert page.get_by_role("tab").evaluate_all("all => all.every((e) => e.checkVisibility())")
    page.get_by_label("Section", exact=True).select_option(label="Swap the class")
    page.wait_for_function("location.search.includes('section=swap')")


@six
def test_a_finger_is_told_to_tap_before_it_draws(visit: Callable[..., Page]) -> None:
    """Over the picture and to who comes to it by ear, until the pad is armed, and again once it no longer is."""
    page = visit("/?tab=overview&section=see", "phone")
    place = section(page, "overview.see")
    settled(page)
    pad, hint = place.locator(".gm-pad-canvas"), place.get_by_text("Tap, then draw")
    pad.evaluate("e => scrollBy(0, e.getBoundingClientRect().top - 300)")
    page.wait_for_timeout(400)

    def at(x: float, y: float) -> tuple[float, float]:
        box = pad.bounding_box()
        assert box
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    expect(hint).to_be_visible()
    expect(pad).to_have_accessible_description("Tap, then draw")
    blank, before = pixels(pad), page.evaluate("scrollY")
    swipe(page, *at(0.5, 0.7), 120)
    assert page.evaluate("scrollY") > before + 60
    assert pixels(pad) == blank
    expect(hint).to_be_visible()
    page.touchscreen.tap(*at(0.5, 0.9))  # the hint lets it through
    expect(hint).to_be_hidden()
    expect(pad).to_have_accessible_description("")
    before = page.evaluate("scrollY")
    swipe(page, *at(0.5, 0.7), 100)
    drawn = changed(pad, blank)
    assert page.evaluate("scrollY") == before
    place.get_by_role("heading").first.tap()
    expect(hint).to_be_visible()
    assert pixels(pad) == drawn
    before = page.evaluate("scrollY")
    swipe(page, *at(0.1, 0.3), -40, right=120)
    expect(hint).to_be_hidden()
    changed(pad, drawn)
    assert page.evaluate("scrollY") == before


def test_a_mouse_is_told_nothing_of_taps(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=autoencoder")
    pad = page.get_by_role("application", name="Your picture")
    expect(pad).to_have_accessible_description("")
    expect(page.get_by_text("Tap, then draw")).to_be_hidden()


def test_keys_scroll_the_table_of_figures(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=vae", "phone")
    section(page, "vae.map")
    page.get_by_text("How it works").tap()
    table = page.locator(".gm-prose .gm-scroll").first
    table.scroll_into_view_if_needed()
    assert table.evaluate("e => e.scrollWidth > e.clientWidth")
    table.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("table => table.scrollLeft > 0", arg=table.element_handle())


# -- work --------------------------------------------------------------------------------------------------------------


def test_a_pixelcnn_writes_row_by_row_until_stop(visit: Callable[..., Page]) -> None:
    """Stop keeps what is written; Write again goes to the end, and Replay shows it once more."""
    page = visit("/?tab=pixelcnn")
    place = section(page, "pixelcnn.write")
    state = place.get_by_role("status").filter(has_text=re.compile("Row|Done|Stop"))
    expect(state).to_have_text("Done")
    screen = place.get_by_role("img", name="What it writes")
    whole = pixels(screen)
    drag(place.get_by_label("Speed"), 3)
    place.get_by_role("button", name="Write", exact=True).click()
    stop_when(state, r"Row ([3-9]|1\d) of 28", place.get_by_role("button", name="Stop"))
    expect(state).to_have_text(re.compile(r"Stopped after row \d+ of 28"))
    said, stopped = state.inner_text(), pixels(screen)
    page.wait_for_timeout(800)
    assert (state.inner_text(), pixels(screen)) == (said, stopped)
    assert stopped != whole
    expect(place.get_by_role("button", name="Stop")).to_be_disabled()
    drag(place.get_by_label("Speed"), 8)
    place.get_by_role("button", name="Write", exact=True).click()
    expect(state).to_have_text("Done")
    assert pixels(screen) == whole, "the same seed writes the same"
    place.get_by_role("button", name="Replay").click()
    expect(state).to_have_text("Done")


def test_what_stands_below_long_work_does_not_wait_for_its_end(visit: Callable[..., Page]) -> None:
    """The first section is the first to answer; the next one begins while that still works."""
    page = visit(f"/?tab=pixelcnn&section=write&model=pixelcnn-heroes&n={MAX_WRITTEN}")  # the longest there is
    section(page, "pixelcnn.finish")
    expect(page.locator("[id='section-pixelcnn.write']").get_by_role("status").filter(has_text="Done")).to_be_visible()
    order = page.evaluate("order")
    assert order[0] == "pixelcnn.write"
    assert order.index("pixelcnn.finish") < len(order) - 1 - order[::-1].index("pixelcnn.write")


@needs_a_denoiser
def test_diffusion_runs_to_the_end_and_goes_back(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=diffusion&section=generate")
    place = section(page, "diffusion.generate")
    status = place.locator("p[role=status]").first
    expect(status).to_have_text(re.compile("^Done"))
    clean, scrubber = place.locator("gm-denoiser canvas").last, place.get_by_label("Step", exact=True)
    last = pixels(clean)
    scrubber.fill("1")
    assert pixels(clean) != last
    scrubber.fill(scrubber.get_attribute("max"))
    assert pixels(clean) == last
    with page.expect_request("**/call/work_heavy"):  # where it keeps nobody from what takes less
        drag(place.get_by_label("Steps", exact=True), 60)
    stop_when(place.locator("gm-denoiser .gm-note"), r"Step [1-4]?\d of 60", place.get_by_role("button", name="Stop"))
    expect(status).to_contain_text("Stopped")
    most = scrubber.get_attribute("max")
    page.wait_for_timeout(1500)
    assert scrubber.get_attribute("max") == most
    assert int(most) < 60


@needs_a_denoiser
def test_a_drawing_is_noised_and_denoised(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=diffusion")
    place = section(page, "diffusion.noise")
    noisy, caption = place.get_by_role("img", name="Noisy"), place.locator("gm-denoiser .gm-note")
    drag(place.get_by_label("Noise t"), 0.02)
    expect(caption).to_contain_text("1.00 · picture")
    little = pixels(noisy)
    drag(place.get_by_label("Noise t"), 0.8)
    expect(caption).to_contain_text("0.95 · noise")
    much = changed(noisy, little)
    place.get_by_role("button", name="Denoise from here").click()
    expect(place.get_by_role("status").filter(has_text="Done")).to_have_count(1)  # Stop may have come and gone by then
    expect(place.get_by_role("button", name="Stop")).to_be_disabled()
    place.get_by_label("Step", exact=True).fill("0")
    assert pixels(noisy) == much, "it began with what was on show"


@needs_a_denoiser
def test_solvers_wait_for_the_button(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=diffusion&section=solvers")
    place = section(page, "diffusion.solvers", filled=False)
    for steps in ("8", "16"):
        box = place.get_by_role("group", name="Steps").get_by_label(steps, exact=True)
        if box.count():
            box.uncheck()
    page.wait_for_timeout(300)
    assert place.locator("td.gm-filled").count() == 0
    place.get_by_role("button", name="Compare").click()
    expect(place.locator("td.gm-filled").first).to_be_visible()
    place.get_by_role("button", name="Stop").click()
    expect(place.get_by_role("button", name="Stop")).to_be_disabled()


@needs_words
def test_a_hero_is_drawn_from_words(visit: Callable[..., Page]) -> None:
    """The sentence that can't be drawn is explained where it was written; one of any script is kept in the file."""
    page = visit("/?tab=diffusion&section=words")
    place = section(page, "diffusion.words")
    drag(place.get_by_label("Pictures"), 1) if place.get_by_label("Pictures").count() else None
    status, sentence = place.locator("p[role=status]").last, place.locator("textarea")
    done = place.get_by_role("status").filter(has_text=re.compile("^Done"))
    expect(done).to_be_visible()
    sentence.fill("quux zzyzx")
    place.get_by_role("button", name="Draw", exact=True).click()
    expect(place.get_by_role("alert").filter(has_text="none of these words")).to_be_visible()
    expect(place.locator("gm-words")).to_be_hidden()  # it speaks of the sentence that was drawn
    sentence.fill("a dwarf, café 日本語")
    place.get_by_role("button", name="Draw", exact=True).click()
    expect(status).not_to_have_text("")
    expect(place.get_by_role("button", name="Stop")).to_be_disabled()
    with page.expect_download() as download:
        place.get_by_role("button", name="Download").click()
    assert seen_text(Path(download.value.path()).read_bytes())["prompt"] == "a dwarf, café 日本語"


@needs_words
def test_what_is_refused_says_where_the_drawing_before_it_stopped(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=diffusion&section=words&num_inference_steps=50")
    place = section(page, "diffusion.words")
    place.locator("textarea").fill("quux zzyzx")
    expect(place.get_by_role("status").filter(has_text=re.compile("^Step"))).to_be_visible()
    place.get_by_role("button", name="Draw", exact=True).click()
    expect(place.get_by_role("alert").filter(has_text="none of these words")).to_be_visible()
    expect(place.get_by_role("status").filter(has_text=re.compile("^Stopped"))).to_be_visible()
    expect(place.get_by_role("button", name="Stop")).to_be_disabled()


def test_the_hub_without_a_network(visit: Callable[..., Page]) -> None:
    """Nothing is asked before the drawer is opened; then the reason, and nothing to press but to ask again."""
    page = visit("/?tab=diffusion&section=hub")
    place = section(page, "diffusion.hub", filled=False)
    expect(place.get_by_role("button", name="Generate")).to_be_hidden()
    place.locator("summary", has_text="Choose a model").click()
    reason = "The Hub can't be reached, and 'stabilityai/sd-turbo' is not on this computer."
    expect(place.get_by_role("status").filter(has_text=reason)).to_be_visible()
    expect(place.get_by_role("button", name="Generate")).to_be_disabled()
    expect(place.get_by_role("button", name="Ask again")).to_be_visible()
    expect(place.get_by_role("img", name="No picture yet")).to_be_visible()


def test_a_server_that_went_away_is_told(context: Callable[..., BrowserContext], app_address: str) -> None:
    """And once it is there again, so are its answers."""
    page = context("desk").new_page()  # whose console says so, too
    page.goto(f"{app_address}/?tab=vae&section=generate")
    place = section(page, "vae.generate")
    told = place.get_by_role("alert").filter(has_text="did not answer")
    page.route("**/component_server", lambda route: route.abort())
    drag(place.get_by_label("Temperature"), 0.3)
    expect(told).to_be_visible()
    page.unroute_all()
    drag(place.get_by_label("Temperature"), 0.4)
    expect(told).to_have_count(0)
    page.close()


def test_the_page_waits_for_nothing_of_gradios(context: Callable[..., BrowserContext], app_address: str) -> None:
    page = context("desk").new_page()
    page.route("**/assets/**", lambda route: route.abort())
    page.goto(f"{app_address}/?tab=vae&section=generate&__theme=dark")
    expect(section(page, "vae.generate")).to_have_class(re.compile("gm-filled"))
    expect(page.locator("body")).to_have_class("dark")
    page.close()


def test_gradios_component_begins_where_the_document_does_not(
    context: Callable[..., BrowserContext], app_address: str
) -> None:
    """In an app mounted into another one, whose pages go past our middleware."""

    def without_ours(route: Route) -> None:
        answer = route.fetch()
        body = re.sub(r'<script type="module" src="elements/.*?</script>', "", answer.text())
        body = re.sub(
            r'<link rel="modulepreload" crossorigin href="(\S+)" data-later>',
            r'<script type="module" src="\1"></script>',
            body,
        )
        route.fulfill(response=answer, body=body)

    page = context("desk").new_page()
    page.route(f"{app_address}/vae", without_ours)
    page.goto(f"{app_address}/vae")
    expect(page.locator("gm-page .gm-section").first).to_have_class(re.compile("gm-filled"))
    assert page.locator("gm-page").count() == 1
    page.close()


# -- films and files ---------------------------------------------------------------------------------------------------


def test_a_film_plays_pauses_and_is_scrubbed(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=vae&section=walk")
    place = section(page, "vae.walk")
    scrubber, screen = place.get_by_label("Frame: The walk"), place.get_by_role("img", name="The walk")
    at = scrubber.input_value()
    page.wait_for_function("([e, at]) => e.value !== at", arg=[scrubber.element_handle(), at])
    place.get_by_role("button", name="Pause").click()
    stopped, shown = scrubber.input_value(), pixels(screen)
    page.wait_for_timeout(400)
    assert scrubber.input_value() == stopped
    scrubber.fill("20" if stopped != "20" else "3")
    changed(screen, shown)
    with page.expect_download() as download:
        place.get_by_role("button", name="Download: The walk").click()
    with Image.open(download.value.path()) as film:
        assert film.n_frames > 10
        assert film.text["section"] == "vae.walk"


def test_films_rest_where_less_motion_is_preferred(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=vae&section=walk", reduced_motion="reduce")
    place = section(page, "vae.walk")
    at = place.get_by_label("Frame: The walk").input_value()
    page.wait_for_timeout(500)
    assert place.get_by_label("Frame: The walk").input_value() == at
    expect(place.get_by_role("button", name="Play")).to_be_visible()


@pytest.mark.skipif(not any(list(f.glob("film.webp")) for f in checkpoint.bundled().values()), reason="no film")
def test_films_of_training_are_scrubbed_and_played(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=gan&section=training")
    place = section(page, "gan.training")
    screen, scrubber = place.locator(".gm-films-canvas").first, place.locator("input[type=range]")
    expect(place.locator(".gm-films-count").first).to_contain_text("Classes covered")
    last = pixels(screen)
    scrubber.fill("0")
    expect(place.locator(".gm-films-count").first).to_contain_text("step 0")
    assert pixels(screen) != last
    place.get_by_role("button", name="Play").click()
    page.wait_for_function("e => Number(e.value) >= 2", arg=scrubber.element_handle())
    place.get_by_role("button", name="Pause").click()
    stopped = scrubber.input_value()
    page.wait_for_timeout(400)
    assert scrubber.input_value() == stopped


@pytest.mark.parametrize("key", ["vae.generate", "vae.map", "pixelcnn.write"])
def test_a_picture_says_how_it_was_made(visit: Callable[..., Page], key: str) -> None:
    tab, name = key.split(".")
    page = visit(f"/?tab={tab}&section={name}")
    place = section(page, key)
    with page.expect_download() as download:
        place.get_by_role("button", name="Download").first.click()
    text = seen_text(Path(download.value.path()).read_bytes())
    assert text["Software"].startswith("genmodels ")
    assert text["section"] == key
    assert text["model"].partition("@")[0] in checkpoint.bundled()
    assert {"x", "y"} <= set(text) if key == "vae.map" else text["seed"] == "0"
