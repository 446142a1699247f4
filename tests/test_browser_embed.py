"""Demos in an article of another host: frames as high as what they hold, posters, and what is told when a host is down."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import ROOT, serving

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import BrowserContext, FrameLocator, Locator, Page, expect
from test_browser import PATIENCE, browser, context, drag, pixels, pytestmark, section  # noqa: F401

HOST = "http://127.0.0.1:7860/"
SECTIONS = ["vae.map", "pixelcnn.write", "pixelcnn.expect", "diffusion.noise"]
#: Frames of strangers have no storage in many browsers.
NO_STORAGE = """
for (const name of ['localStorage', 'sessionStorage', 'indexedDB'])
    Object.defineProperty(window, name, { get() { throw new DOMException('It is off.', 'SecurityError'); } });
"""
MEASURES = """() => [document.documentElement.scrollHeight - innerHeight, document.documentElement.scrollWidth - innerWidth,
    Math.ceil(document.querySelector('gm-page').getBoundingClientRect().height) - innerHeight]"""


@pytest.fixture
def read(tmp_path: Path, context: Callable[..., BrowserContext], app_address: str) -> Iterator[Callable[..., Page]]:
    """read(html, size): an article on a server of its own; no console error unless expected, and nothing from a third host."""
    complaints: list[str] = []
    pages: list[Page] = []

    def open_article(
        html: str,
        size: str = "desk",
        before: Callable[[Page], object] | None = None,
        errors: bool = False,
        **options: str,
    ) -> Page:
        (tmp_path / "article.html").write_text(html, encoding="utf-8")
        page = context(size, **options).new_page()
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        if not errors:
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                complaints.append(asked.url) if not asked.url.startswith((ours, app_address, "data:")) else None
            ),
        )
        pages.append(page)
        if before:
            before(page)
        page.goto(f"{ours}article.html")
        return page

    with serving(tmp_path) as ours:
        yield open_article
        for page in pages:
            page.close()
    assert not complaints


def article(host: str, *demos: str) -> str:
    head = '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
    return f'{head}<script src="{host}/embed.js" async></script><body>{"<p>Text.</p>".join(demos)}'


def demo(page: Page, at: str) -> FrameLocator:
    """A demo of the article, brought into view, once it has its first picture and its frame the height of its content."""
    box = page.locator(at)
    box.scroll_into_view_if_needed()
    frame = box.frame_locator("iframe")
    expect(frame.locator(".gm-section")).to_have_class(re.compile("gm-filled"))
    expect(box.locator("> :not(iframe)")).to_have_count(0)
    page.wait_for_function("([frame]) => frame.style.height", arg=[box.locator("iframe").element_handle()])
    inside = box.locator("iframe").element_handle().content_frame()
    for _ in range(50):  # messages take a moment
        if (measured := inside.evaluate(MEASURES)) == [0, 0, 0]:
            break
        page.wait_for_timeout(100)
    assert measured == [0, 0, 0], "nothing to scroll in the frame, nothing empty below"
    return frame


def changed(canvas: Locator, former: str) -> None:
    """Returns when there is another picture on a canvas within a frame."""
    for _ in range(PATIENCE // 100):
        if pixels(canvas) != former:
            return
        canvas.page.wait_for_timeout(100)
    pytest.fail("the picture stayed as it was")


@pytest.mark.parametrize(
    ("size", "theme"),
    [
        ("desk", "light"),
        ("phone", "dark"),
        *(pytest.param(*way, marks=pytest.mark.slow) for way in (("desk", "dark"), ("phone", "light"))),
    ],
)
def test_the_article(read: Callable[..., Page], app_address: str, size: str, theme: str) -> None:
    text = (ROOT / "docs/blog.html").read_text(encoding="utf-8")
    assert text.count(HOST) == 1, "the host stands in one place"
    page = read(text.replace(HOST, f"{app_address}/"), size, color_scheme=theme)
    assert page.locator(".genmodels").evaluate_all("all => all.map((box) => box.dataset.section)") == SECTIONS
    for key in SECTIONS:
        frame = demo(page, f"[data-section='{key}']")
        expect(frame.locator("body")).to_have_class(re.compile("^dark$" if theme == "dark" else "^$"))
        expect(frame.get_by_role("link", name="open the whole page")).to_be_visible()
        expect(frame.locator("footer, .gm-header")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    noise = demo(page, "[data-section='diffusion.noise']")
    sheet = noise.locator("canvas.gm-sheet").first
    before = pixels(sheet)
    drag(noise.get_by_label("Noise t"), 0.9)
    changed(sheet, before)
    latents = demo(page, "[data-section='vae.map']")
    picture = latents.locator(".gm-map-picture")
    before = pixels(picture)
    latents.locator(".gm-map-canvas").click(position={"x": 60, "y": 60})
    changed(picture, before)


def test_what_embed_gives_shows_the_same_and_frames_come_and_go(
    read: Callable[..., Page],
    context: Callable[..., BrowserContext],
    app_address: str,
) -> None:
    """Its snippet twice in an article, in frames of 280 pixels and without storage; one begins at a press."""
    page = context("desk").new_page()
    page.goto(f"{app_address}/?tab=vae&section=map&x=1.5&y=-0.5")
    place = section(page, "vae.map")
    expect(place.locator(".gm-map-side .gm-note")).to_have_text("z = (1.50, -0.50)")
    wanted = pixels(place.locator(".gm-map-picture"))
    place.get_by_role("button", name="Embed").click()
    place.get_by_label("Colours").select_option("dark")
    snippet, plain = (place.get_by_role("textbox").nth(i).input_value() for i in (0, 1))
    place.get_by_label("Starts").select_option("at a press")
    late = place.get_by_role("textbox").first.input_value()
    page.close()

    def heights(page: Page) -> None:
        page.add_init_script(NO_STORAGE)
        page.add_init_script(
            "window.told = []; addEventListener('message', ({ data }) => data?.genmodels && told.push(data.genmodels));"
        )

    page = read(
        article(
            app_address, f'<div id="one" style="width: 282px">{snippet}</div>', f'<div id="two">{late}</div>', plain
        ),
        before=heights,
    )
    one = demo(page, "#one .genmodels")
    expect(one.locator("body")).to_have_class("dark")
    expect(one.locator(".gm-map-side .gm-note")).to_have_text("z = (1.50, -0.50)")
    expect(page.locator("#one iframe")).to_have_attribute("title", "The latent map")
    assert pixels(one.locator(".gm-map-picture")) == wanted
    expect(page.locator("#two iframe")).to_have_count(0)
    page.locator("#two").get_by_role("button").click()
    demo(page, "#two .genmodels")
    expect(page.frame_locator("body > iframe").locator(".gm-section")).to_have_class(re.compile("gm-filled"))
    told = page.evaluate("told.length")
    page.wait_for_timeout(500)
    assert page.evaluate("told.length") == told < 12, "at rest"
    page.locator("#one").evaluate("box => box.remove()")
    box = page.locator("#two iframe")
    former = box.bounding_box()["height"]
    page.locator("#two").evaluate("box => box.style.width = '300px'")
    expect(box).not_to_have_css("height", f"{former}px")
    demo(page, "#two .genmodels")
    page.evaluate(
        "document.body.append(document.createRange().createContextualFragment(arguments))".replace(
            "arguments", repr(snippet)
        )
    )
    demo(page, "body > .genmodels")
    with page.context.expect_page() as opened:
        page.frame_locator("#two iframe").get_by_role("link", name="open the whole page").click()
    assert "tab=vae&section=map" in opened.value.url
    opened.value.close()
    gone = read(snippet, before=lambda page: page.route("**/embed.js", lambda route: route.abort()), errors=True)
    expect(gone.locator(".genmodels")).to_have_text("The latent map (This demo gives no answer at the moment.)")


def test_a_host_that_is_down_is_told(read: Callable[..., Page], app_address: str) -> None:
    """After a quarter of a minute, in one sentence with a link; once it is there, so is the demo."""

    def down(page: Page) -> None:
        page.clock.install()
        page.route("**/?only=*", lambda route: route.abort())

    page = read(
        article(app_address, '<div class="genmodels" data-section="compare.size">A table</div>'),
        before=down,
        errors=True,
    )
    expect(page.get_by_role("status")).to_have_text("Loading …")
    expect(page.get_by_text("A table")).to_be_visible()
    page.clock.fast_forward(15_000)
    expect(page.get_by_role("status")).to_contain_text("doesn’t answer")
    link = page.get_by_role("link", name="Open it by itself")
    expect(link).to_have_attribute("href", re.compile(re.escape(f"{app_address}/?only=compare.size&theme=auto")))
    assert page.locator("img").evaluate("image => image.naturalWidth > 0"), "there is a poster for what is no family"
    page.unroute_all()
    page.locator("iframe").evaluate("frame => frame.src = frame.src")
    demo(page, ".genmodels")


def test_an_article_whose_host_is_down_from_the_start_has_links(read: Callable[..., Page], app_address: str) -> None:
    text = (ROOT / "docs/blog.html").read_text(encoding="utf-8").replace(HOST, f"{app_address}/")
    page = read(text, before=lambda page: page.route("**/embed.js", lambda route: route.abort()), errors=True)
    expect(page.get_by_text("don’t answer at the moment")).to_have_count(4)
    links = page.locator(".genmodels a").evaluate_all("all => all.map((link) => link.href)")
    assert links == [f"{app_address}/?only={key}" for key in SECTIONS]
