"""Links, downloaded pictures and the visit's last results: what takes a section's state along, and brings it back."""

import base64
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlparse

import numpy as np
import pytest
from helpers import APP, first_of, free_port, in_background, wait_until_served
from helpers import picture as noise
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from genmodels.tabs import page as laid_out
from genmodels.wrappers.core import describe
from genmodels.wrappers.section import Section

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Locator, Page, expect
from test_browser import PATIENCE, browser, changed, context, drag, good, pixels, pytestmark, section, seen_text, visit  # noqa: F401  # fmt: skip
from test_elements import changed as other_state

#: Elements that show pictures.
PICTURES = {
    *(
        "gm-grid",
        "gm-crossed",
        "gm-film",
        "gm-films",
        "gm-gallery",
        "gm-denoiser",
        "gm-solver-grid",
        "gm-map",
        "gm-spot",
    ),
    *("gm-likelihood", "gm-writer", "gm-expect", "gm-three", "gm-see", "gm-race"),
}


class Server:
    """The app at one address, started anew at will."""

    def __init__(self, begin: Callable[..., subprocess.Popen]) -> None:
        self.begin, self.port = begin, free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self.process = self.begin("-c", APP, GRADIO_SERVER_NAME="127.0.0.1", GRADIO_SERVER_PORT=str(self.port))
        wait_until_served(f"{self.address}/", self.process)

    def restart(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.start()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with in_background() as begin:
        yield Server(begin)


@pytest.fixture(scope="module")
def app_address(server: Server) -> str:
    return server.address


def pictured() -> list[Section]:
    """The sections that show pictures, without those that ask the Hub."""
    found = [section for section in laid_out.sections().values() if section.is_ready and not section.hidden]
    shown = lambda spec: {spec["element"], *(view["element"] for view in spec["views"])}  # noqa: E731
    return [one for one in found if shown(one.spec()) & PICTURES and one.lane != "network"]


def quick() -> list[Section]:
    """One of each tab that answers at once, and the first that works."""
    at_once = {one.tab: one for one in pictured() if not one.work}
    return [*at_once.values(), next(one for one in pictured() if one.work)]


def drawn(model: str, key: str, kind: str) -> str:
    """A drawing, or a sheet, of a few bars, another one for each key; or what hides a patch."""
    channels, height, width = describe(model)["shape"]
    picture = np.full((height, width, channels if kind == "drawing" else 1), 0 if kind == "hidden" else 20, np.uint8)
    picture[5:20, 4 + len(key) : 9 + len(key)] = 1 if kind == "hidden" else 230
    return base64.b64encode(picture.tobytes()).decode()


def address_of(one: Section) -> str:
    """The section alone, with other values than the defaults, and drawings."""
    model = one.fitted()[0]
    kinds = {key: kind.spec()["kind"] for key, kind in one.State.kinds().items()}
    values = other_state(one, model)
    for key, kind in kinds.items():
        if kind in ("drawing", "hidden", "sheet"):
            values[key] = drawn(model, key, kind)
        elif kind == "choices":
            values[key] = values[key][:1]  # few: each takes its time
    said = {key: ",".join(map(str, v)) if isinstance(v, list) else v for key, v in values.items() if v is not None}
    return "/?" + urlencode({"only": one.key} | said)


#: All that a section shows on canvases, once it rests.
SHOWN = """async (section) => {
    const all = () => [...section.main.querySelectorAll('canvas')].map((one) => `${one.className} ${one.toDataURL()}`);
    const drawsOut = Boolean(section.drawWhenSeen); // in all steps, once the strokes rest
    const busy = () => section.halt?.disabled === false || section.answer?.complete === false || (drawsOut && !section.answer?.complete) || !section.good || section.querySelector('.gm-stale, :is(gm-films, gm-gallery):not(.gm-filled)') || !section.classList.contains('gm-filled');
    for (let before = null, still = 0; still < 3; before = all().join()) {
        await new Promise((done) => setTimeout(done, 80));
        still = !busy() && all().join() === before ? still + 1 : 0;
    }
    return all(); }"""


def shown(page: Page, one: Section) -> list[str]:
    """Everything that the section draws; what waits for its button is begun."""
    place = page.locator(f"[id='section-{one.key}']")
    place.scroll_into_view_if_needed()
    if place.evaluate("one => Boolean(one.run) && !one.spec.key.endsWith('.noise') && !one.running && !one.awake"):
        place.evaluate("one => new Promise((done) => one.page.next(done))")  # the link's state has been checked
        place.get_by_role("button", name=one.verb, exact=True).click()
    return place.evaluate(SHOWN)


def copied(place: Locator) -> str:
    place.get_by_role("button", name="Copy link").click()
    expect(place.locator("gm-share").get_by_role("status")).to_have_text("Copied.")
    return place.page.evaluate("navigator.clipboard.readText()")


CLIPBOARD: dict[str, Any] = {"permissions": ("clipboard-read", "clipboard-write"), "reduced_motion": "reduce"}


def profile(browser: Any) -> Any:  # noqa: F811
    """A visitor who has been here never before, and waits for nothing of Gradio's."""
    visitor = browser.new_context(viewport={"width": 1280, "height": 900}, **CLIPBOARD)
    visitor.set_default_timeout(4 * PATIENCE)
    visitor.route("**/assets/**", lambda route: route.abort())
    return visitor


@pytest.mark.parametrize(
    "sections",
    [quick, pytest.param(pictured, marks=pytest.mark.slow)],
)
def test_a_link_shows_the_same_pixels_in_a_fresh_profile_after_a_restart(
    server: Server,
    browser: Any,  # noqa: F811
    sections: Callable[[], list[Section]],
) -> None:
    """Of one section of each tab that answers at once and one that works, or of all, with values other than the defaults and drawings; no longer than promised."""
    links: dict[str, tuple[str, list[str]]] = {}
    former = profile(browser)
    for one in sections():
        page = former.new_page()
        page.goto(server.address + address_of(one))
        seen = shown(page, one)
        assert seen, f"{one.key} shows pictures"
        links[one.key] = copied(page.locator(f"[id='section-{one.key}']")), seen
        page.close()
    former.close()
    server.restart()
    fresh = profile(browser)
    for one in sections():
        link, seen = links[one.key]
        said = parse_qs(urlparse(link).query, keep_blank_values=True)
        assert {"tab", "section", *one.State.kinds()} - set(said) <= {"picks", "sentences", "prompt"}, "the whole state"
        assert "@" in said[one.State.subject][0]
        grey, pictures = (
            describe(one.fitted()[0])["shape"][0] == 1,
            sum(value[0].count(",.") + (value[0][:1] == ".") for value in said.values()),
        )
        assert len(link) <= (2000 if grey and pictures <= 2 else 8000)
        page = fresh.new_page()
        page.goto(link.replace(f"tab={one.tab}&section={one.key.split('.')[1]}", f"only={one.key}"))
        assert shown(page, one) == seen, one.key
        assert page.get_by_role("alert").evaluate_all("all => all.map((e) => e.textContent).filter(Boolean)") == []
        page.close()
    fresh.close()


def test_a_link_to_the_map_marks_no_drawing_where_none_was(visit: Callable[..., Page]) -> None:  # noqa: F811
    place = section(visit("/?tab=vae&section=map&x=1&y=-1", **CLIPBOARD), "vae.map")
    address = copied(place)
    assert "picture" not in parse_qs(urlparse(address).query)
    page = visit(address[address.index("/?") :])
    section(page, "vae.map")
    page.wait_for_timeout(500)
    assert page.evaluate("document.querySelector('gm-map').where ?? null") is None


def test_the_address_of_a_pixel_is_its_own_whatever_the_model(visit: Callable[..., Page]) -> None:  # noqa: F811
    """What each model begins with is another pixel, which an address doesn't name; the one on show is named after a change."""
    page = visit("/?tab=pixelcnn&section=expect")
    place = section(page, "pixelcnn.expect")
    models = place.get_by_label("Model")
    models.select_option(label=models.locator("option", has_text="WaveNet").inner_text())
    page.wait_for_function("document.querySelector('gm-expect').good.model === 'wavenet-mnist'")
    page.wait_for_function("location.search.includes('wavenet')")
    pixel = place.get_attribute("data-pixel")
    page.reload()
    section(page, "pixelcnn.expect")
    page.wait_for_function("document.querySelector('gm-expect').good.model === 'wavenet-mnist'")
    expect(place).to_have_attribute("data-pixel", pixel)


def test_a_link_to_the_map_takes_the_drawing_along(visit: Callable[..., Page]) -> None:  # noqa: F811
    """Its place, and the pointer where it stood, which isn't there."""
    page = visit("/?tab=vae&section=map", **CLIPBOARD)
    place = section(page, "vae.map")
    page.locator(".gm-pad-strips .gm-thumb").nth(3).click()
    page.wait_for_function("document.querySelector('gm-map').where")
    page.wait_for_timeout(300)
    canvas = place.locator(".gm-map-canvas")
    canvas.press("Shift+ArrowRight")
    page.wait_for_function("document.querySelector('gm-map').good.picture")
    address = copied(place)
    before = page.evaluate("(({ good, where }) => ({ good, where }))(document.querySelector('gm-map'))")
    page = visit(address[address.index("/?") :])
    section(page, "vae.map")
    page.wait_for_function("document.querySelector('gm-map').where")
    page.wait_for_timeout(300)
    assert page.evaluate("(({ good, where }) => ({ good, where }))(document.querySelector('gm-map'))") == before
    page.locator(".gm-pad-strips .gm-thumb").nth(7).click()
    page.wait_for_function(
        "([x]) => Math.abs(document.querySelector('gm-map').probe.x - x) > 0.01", arg=[before["good"]["x"]]
    )
    probe, mean = page.evaluate("(({ probe, where }) => [probe.x, where.mean[0]])(document.querySelector('gm-map'))")
    assert probe == pytest.approx(mean, abs=1e-3), "another drawing takes the pointer with it"


def test_what_a_link_cannot_show_is_told(visit: Callable[..., Page]) -> None:  # noqa: F811
    """Other weights: what is here is shown; a drawing that was changed on its way: the default is."""
    page = visit("/?tab=vae&section=map&model=vae2d-mnist@abcdef&x=1&y=-1")
    place = section(page, "vae.map")
    said = place.get_by_role("alert").filter(has_text="made with other weights of vae2d-mnist (abcdef); what you see")
    expect(said).to_be_visible()
    expect(place.locator(".gm-map-side .gm-note")).to_have_text("z = (1.00, -1.00)")
    place.locator(".gm-map-canvas").focus()
    page.keyboard.press("ArrowUp")
    expect(said).to_have_count(0)
    page = visit("/?tab=vae&section=variations&picture=.dA7_z_5CJ58")
    place = section(page, "vae.variations")
    expect(place.get_by_role("alert").filter(has_text="The picture of this link can't be read")).to_be_visible()
    assert "picture" not in good(page, "vae.variations")


# -- downloaded pictures -----------------------------------------------------------------------------------------------

#: A file comes from outside: dropped on the page, or pasted.
GIVE = """([kind, code, type]) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(atob(code), (c) => c.charCodeAt(0))], 'a.png', { type }));
    const event = kind === 'paste' ? new ClipboardEvent(kind, { clipboardData: data, bubbles: true, cancelable: true })
        : new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true });
    document.querySelector('h1, h2').dispatchEvent(event); }"""


def give(page: Page, file: Path, kind: str = "drop", type: str = "image/png") -> None:
    page.evaluate(GIVE, [kind, base64.b64encode(file.read_bytes()).decode(), type])


def download(page: Page, name: str, file: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name=name).first.click()
    assert re.fullmatch(r"[a-z]+-[a-z-]+_\w+\.png", download.value.suggested_filename)
    download.value.save_as(file)
    return file


@pytest.mark.parametrize(
    ("key", "said", "saves"),
    [
        ("gan.generate", {"model": "gan-heroes", "truncation_psi": 0.35, "seed": 9}, "Download: Samples"),
        ("flow.layers", {"model": "flow-fashion-mnist", "label": "bag", "seed": 4}, "Download: "),
        ("pixelcnn.finish", {"seed": 3, "n": 2}, "Download: what it wrote"),
    ],
)  # fmt: skip
def test_a_downloaded_picture_brings_its_section_back(
    visit: Callable[..., Page],  # noqa: F811
    tmp_path: Path,
    key: str,
    said: dict[str, Any],
    saves: str,
) -> None:
    """Dropped on another tab, pasted, or chosen by keys: the same state, and the same pixels."""
    one = laid_out.sections()[key]
    page = visit("/?" + urlencode({"only": key, "picture": drawn(one.fitted()[0], "", "drawing"), **said} if "picture" in one.State.kinds() else {"only": key, **said}), **CLIPBOARD)  # fmt: skip
    seen = shown(page, one)
    file = download(page.locator(f"[id='section-{key}']").page, saves, tmp_path / "ours.png")
    text = seen_text(file.read_bytes())
    assert text["model"].partition("@")[2] == laid_out.spec()["facts"][text["model"].partition("@")[0]]["weights"]
    page = visit("/?tab=vae", **CLIPBOARD)
    for kind in ("drop", "paste", "choose"):
        section(page, "vae.map", filled=False)
        if kind == "choose":
            page.get_by_label("Open a picture").set_input_files(file)
        else:
            give(page, file, kind)
        expect(page.get_by_role("tab", selected=True)).to_have_attribute("value", one.tab)
        expect(page.get_by_role("status").filter(has_text=f"As it was made: “{one.title}”")).to_be_visible()
        assert shown(page, one) == seen
        assert {k: v for k, v in good(page, key).items() if k in said} == said
        page.get_by_role("tab", name="VAE").dispatch_event("click")


def test_other_files_go_to_the_pad_or_are_explained(visit: Callable[..., Page], tmp_path: Path) -> None:  # noqa: F811
    foreign, broken = tmp_path / "foreign.jpg", tmp_path / "broken.png"
    noise(1, (60, 60), "RGB").save(foreign)
    broken.write_bytes(b"\x89PNG nonsense")
    page = visit("/?tab=autoencoder")
    seen = section(page, "autoencoder.bottleneck").get_by_role("img", name="What it sees", exact=True)
    former = pixels(seen)
    give(page, foreign, type="image/jpeg")
    former = changed(seen, former)
    toast = page.locator(".gm-toast")
    expect(toast).to_have_text("It is on the pad now.")
    give(page, broken)
    expect(toast).to_contain_text("can't be read as a picture")
    assert pixels(seen) == former
    page.get_by_role("tab", name="Compare").click()
    give(page, foreign, type="image/jpeg")
    expect(toast).to_contain_text("there is no pad here")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ({"section": "gan.unicorn"}, "GAN has no section “unicorn”"),
        ({"section": "gan.generate", "truncation_psi": "99"}, "must be a number from"),
        ({"section": "gan.generate", "truncation_psi": "9"}, "“Generate” can’t show all of it as it was made, and says why."),
        ({"section": "gan.generate", "model": "gan-mnist@abcdef"}, "“Generate” can’t show all of it as it was made, and says why."),
        ({"section": "gan.generate", "colour": "<b>red</b>", "Step": "3", "tab": "vae", "only": "vae.map"}, "There is no key 'colour'"),
        ({"section": "gan.generate", "label": "x" * 30_000}, "too long to be the settings"),
        ({"section": "<script>alert(1)</script>"}, "There is no tab"),
    ],
)  # fmt: skip
def test_a_picture_that_was_tampered_with_is_told(
    visit: Callable[..., Page],  # noqa: F811
    tmp_path: Path,
    text: dict[str, str],
    says: str,
) -> None:
    """In one sentence; the page stays whole."""
    info = PngInfo()
    for key, value in {"Software": "genmodels 9", **text}.items():
        info.add_text(key, value)
    Image.new("L", (4, 4)).save(tmp_path / "ours.png", pnginfo=info)
    page = visit("/?tab=gan")
    section(page, "gan.spot")
    give(page, tmp_path / "ours.png")
    expect(page.locator("[role=alert], [role=status]").filter(has_text=says).first).to_be_attached()
    expect(page.get_by_role("tab", name="GAN")).to_be_visible()


# -- the last results --------------------------------------------------------------------------------------------------


@first_of("size", "small", "desk")
def test_the_last_results_are_shown_again_linked_and_saved(
    visit: Callable[..., Page],  # noqa: F811
    tmp_path: Path,
    size: str,
) -> None:
    """From the second on, at the foot; what a drag passed through is none of them, and nothing moves."""
    page = visit("/?tab=gan&section=generate", size, **CLIPBOARD)
    place = section(page, "gan.generate")
    samples, slider = place.get_by_role("img", name="Samples"), place.get_by_label("Truncation").first
    strip, items = page.locator("gm-results"), page.locator(".gm-results li")

    def slid(*values: float) -> str:
        former = pixels(samples)
        slider.dispatch_event("pointerdown")
        for value in values:
            drag(slider, value)
            page.wait_for_timeout(100)
        page.wait_for_function(f"document.getElementById('section-gan.generate').good.truncation_psi === {values[-1]}")
        return changed(samples, former)

    first = slid(0.1, 0.2, 0.3)
    page.wait_for_timeout(1900)
    assert strip.is_hidden(), "of one there is nothing to choose"
    slid(0.6, 0.7)
    expect(items).to_have_count(2)
    slid(0.9)
    page.wait_for_timeout(1900)
    drag(slider, 0.95)  # the same hand, after a rest
    expect(items.first.get_by_role("button").first).to_have_attribute("title", "GAN: Generate, class each in turn, seed 0, how many 16, truncation ψ 0.95")  # fmt: skip
    assert items.count() == 3, "one drag is one result"
    assert page.evaluate("shifted") < 0.05
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    items.last.get_by_role("button", name="Copy link").click()
    expect(strip.get_by_role("status")).to_have_text("Copied.")
    assert "truncation_psi=0.3&" in page.evaluate("navigator.clipboard.readText()") + "&"
    with page.expect_download() as saved:
        items.last.get_by_role("button", name="Download").click()
    saved.value.save_as(tmp_path / "result.png")
    assert seen_text((tmp_path / "result.png").read_bytes())["truncation_psi"] == "0.3"
    page.get_by_role("tab", name="VAE").dispatch_event("click")
    section(page, "vae.map")
    items.last.get_by_role("button").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", selected=True)).to_have_attribute("value", "gan")
    page.wait_for_function("([e, shown]) => e.toDataURL() === shown", arg=[samples.element_handle(), first])
    page.wait_for_function("location.search.includes('truncation_psi=0.3')")


def test_results_are_of_what_was_touched_and_at_most_twelve(visit: Callable[..., Page]) -> None:  # noqa: F811
    """A seed of all sections brings that of the one that is read; a table brings none."""
    page = visit("/?tab=vae")
    section(page, "vae.map")
    for place in page.locator(".gm-section").all():
        place.scroll_into_view_if_needed()
    page.get_by_role("link", name="Variations").click()
    section(page, "vae.variations")
    page.wait_for_timeout(600)
    items = page.locator(".gm-results li")
    for i in range(2):
        page.get_by_label("Seed", exact=True).fill(str(50 + i))
        page.keyboard.press("Enter")
        page.wait_for_timeout(2200)
    assert items.locator(".gm-result-title").all_inner_texts() == [page.locator("[id='section-vae.variations'] h2").inner_text()] * 2  # fmt: skip
    page.evaluate("""() => { const results = document.querySelector('gm-results'), section = document.getElementById('section-vae.generate');
        for (let i = 0; i < 20; i++) { section.good = { ...section.good, seed: i }; results.gesture += 1; results.keep(section); } }""")
    expect(items).to_have_count(12)
    page.get_by_role("tab", name="Compare").click()
    place = section(page, "compare.tradeoff")
    place.get_by_role("combobox").first.select_option(index=1)
    page.wait_for_timeout(2000)
    assert "Compare" not in " ".join(items.get_by_role("button").evaluate_all("all => all.map((e) => e.title)"))
