"""The app in a real Chromium: draw, drag, generate, download; no console error, no request to another host."""

import contextlib
import io
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import numpy as np
import pytest
from gradio_client import Client
from helpers import free_port, wait_until_served
from PIL import Image

from genmodels import checkpoint, web
from genmodels.wrappers import denoisers

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, Locator, Page, expect  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
    pytest.mark.skipif(not checkpoint.bundled(), reason="no bundled models"),
]
PATIENCE = 60_000  # milliseconds; a busy machine is slow
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser, app_address: str) -> Iterator[Callable[..., Page]]:
    """visit(path, size): a page of the app; afterwards no console error and no foreign request may have happened."""
    complaints: list[str] = []
    pages: list[Page] = []

    def open_page(path: str, size: str = "desktop") -> Page:
        width, height = SIZES[size]
        page = browser.new_page(
            viewport={"width": width, "height": height}, has_touch=size == "phone", accept_downloads=True
        )
        page.set_default_timeout(PATIENCE)
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


def picture(page: Page, label: str) -> Locator:
    """The <img> of the picture with this label, once it is there."""
    image = page.locator(".gm-picture", has_text=label).locator("img").first
    expect(image).to_be_visible(timeout=PATIENCE)
    return image


def changed(image: Locator, former: str | None) -> str:
    """The address of an image once it is another than `former`."""
    expect(image).not_to_have_attribute("src", former or "", timeout=PATIENCE)
    return image.get_attribute("src")


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


def pixels(canvas: Locator) -> str:
    return canvas.evaluate("canvas => canvas.toDataURL()")


SEVEN = [(0.25, 0.25), (0.75, 0.25), (0.5, 0.8)]


def test_a_drawing_passes_through_the_autoencoder(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=autoencoder")
    rebuilt = picture(page, "Reconstruction")
    first = rebuilt.get_attribute("src")
    pad = page.locator(".gm-pad").first
    pad.get_by_role("button", name="Clear").click()
    draw(page, pad.locator(".gm-pad-canvas"), SEVEN)
    second = changed(rebuilt, first)
    seen = picture(page, "What it sees")
    clean = seen.get_attribute("src")
    page.get_by_label("Noise σ").locator("visible=true").and_(page.locator("input[type=range]")).first.fill("0.7")
    changed(seen, clean)
    changed(rebuilt, second)
    expect(page.get_by_text("of test images").first).to_be_visible()


def test_something_it_has_never_seen_is_unusual(visit: Callable[..., Page]) -> None:
    page = visit("/autoencoder")
    picture(page, "Reconstruction")
    page.get_by_role("button", name="a chessboard").first.click()
    expect(page.locator(".gm-verdict").first).to_contain_text("every", timeout=PATIENCE)


def test_an_uploaded_picture_is_shown_and_a_broken_one_explained(visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit("/autoencoder")
    seen = picture(page, "What it sees")
    former = seen.get_attribute("src")
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.linear_gradient("L").save(good)
    bad.write_bytes(b"\x89PNG nonsense")
    chooser = page.locator("input[type=file]").first
    chooser.set_input_files(good)
    former = changed(seen, former)
    chooser.set_input_files(bad)
    expect(page.get_by_text("can't be read as a picture").first).to_be_visible(timeout=PATIENCE)
    assert seen.get_attribute("src") == former, "a refused upload leaves everything as it was"


def test_samples_are_generated_and_downloaded_with_their_settings(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=vae")
    grid = picture(page, "Samples")
    first = grid.get_attribute("src")
    page.get_by_label("Seed", exact=True).first.fill("41")
    page.get_by_role("button", name="Generate", exact=True).click()
    changed(grid, first)
    expect(page.get_by_text("seed 41").first).to_be_visible(timeout=PATIENCE)
    with page.expect_download() as download:
        page.locator(".gm-picture", has_text="Samples").get_by_label("Download").first.click()
    with Image.open(io.BytesIO(Path(download.value.path()).read_bytes())) as file:
        assert file.format == "PNG"
        assert file.text["model"] == "vae-mnist"
        assert file.text["seed"] == "41"


def test_the_picture_follows_the_pointer_over_the_latent_map(visit: Callable[..., Page]) -> None:
    page = visit("/vae")
    decoded, plane = page.locator(".gm-map-picture"), page.locator(".gm-map-canvas")
    picture(page, "Variations")  # the map is filled with the first example's place
    plane.scroll_into_view_if_needed()
    seen = {pixels(decoded)}
    for x, y in ((0.3, 0.3), (0.6, 0.7), (0.45, 0.2)):
        box = plane.bounding_box()
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.wait_for_function(
            "seen => !seen.includes(document.querySelector('.gm-map-picture').toDataURL())", arg=list(seen)
        )
        seen.add(pixels(decoded))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download PNG").click()
    with Image.open(download.value.path()) as file:
        assert file.text["model"] == "vae2d-mnist"
        assert "x" in file.text
        assert "y" in file.text


def test_a_drawing_lands_on_the_latent_map_with_variations(visit: Callable[..., Page]) -> None:
    page = visit("/vae")
    several = picture(page, "Variations")
    former = several.get_attribute("src")
    pad = page.locator(".gm-pad").first
    pad.get_by_role("button", name="Clear").click()
    draw(page, pad.locator(".gm-pad-canvas"), SEVEN)
    changed(several, former)


def test_a_walk_is_downloaded_as_gif(visit: Callable[..., Page]) -> None:
    page = visit("/vae")
    picture(page, "The walk")
    with page.expect_download() as download:
        page.get_by_text("Download the GIF").first.click()
    with Image.open(download.value.path()) as film:
        assert film.format == "GIF"
        assert film.n_frames > 10
        assert b'"model": "vae-' in film.info["comment"]


def test_a_gan_generates_and_truncates(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=gan")
    grid = picture(page, "Samples")
    first = grid.get_attribute("src")
    page.get_by_label("Truncation ψ").locator("visible=true").and_(page.locator("input[type=range]")).first.fill("0")
    changed(grid, first)
    expect(page.get_by_text("truncation ψ 0").first).to_be_visible(timeout=PATIENCE)


def test_a_walk_in_a_loop_is_downloaded_as_webp(visit: Callable[..., Page]) -> None:
    page = visit("/gan")
    film = picture(page, "The walk")
    first = film.get_attribute("src")
    page.get_by_role("radio", name="w (linear)").check(force=True)
    changed(film, first)
    with page.expect_download() as download:
        page.get_by_text("Download the walk (WebP)").click()
    with Image.open(download.value.path()) as file:
        assert file.format == "WEBP"
        assert file.n_frames == 48


def test_styles_are_mixed_at_another_layer(visit: Callable[..., Page]) -> None:
    page = visit("/gan")
    grid = picture(page, "Mixed styles")
    first = grid.get_attribute("src")
    page.get_by_label("Layers that follow the left picture").and_(page.locator("input[type=range]")).fill("0")
    changed(grid, first)


def test_spot_the_fake_by_mouse_and_keyboard(visit: Callable[..., Page]) -> None:
    """Both the game with real pictures and the one without: whether there are any depends on the machine."""
    page = visit("/gan")
    tiles = page.locator(".gm-tile")
    expect(tiles).to_have_count(8, timeout=PATIENCE)
    tiles.nth(1).click()
    for i in (2, 4, 7):
        tiles.nth(i).focus()
        page.keyboard.press("Space")
    pressed = tiles.evaluate_all("tiles => tiles.map(tile => tile.getAttribute('aria-pressed') === 'true')")
    assert [i for i, on in enumerate(pressed) if on] == [1, 2, 4, 7]
    assert tiles.locator(".gm-tile-truth").count() == 0
    page.get_by_role("button", name="Reveal").click()
    expect(tiles.locator(".gm-tile-truth")).to_have_count(8, timeout=PATIENCE)
    expect(page.get_by_text("This round: you")).to_be_visible()
    right = sum("You were right" in label for label in labels(tiles))
    result = page.locator(".gm-score").inner_text()
    assert f"you {right} of 8" in result or f"you {right // 2} of 4" in result
    page.get_by_role("button", name="New round").click()
    expect(page.get_by_text("This visit: you")).to_be_visible(timeout=PATIENCE)
    expect(tiles.locator(".gm-tile-truth")).to_have_count(0)


def labels(tiles: Locator) -> list[str]:
    return tiles.evaluate_all("tiles => tiles.map(tile => tile.getAttribute('aria-label'))")


def test_the_critic_looks_at_a_drawing_and_an_example(visit: Callable[..., Page]) -> None:
    page = visit("/gan")
    verdict = page.locator(".gm-verdict")
    expect(verdict).to_contain_text("of real test images", timeout=PATIENCE)
    marker = page.locator(".gm-marker")
    first = marker.get_attribute("style")
    pad = page.locator(".gm-pad")
    pad.get_by_role("button", name="Clear").click()
    draw(page, pad.locator(".gm-pad-canvas"), SEVEN)
    expect(marker).not_to_have_attribute("style", first, timeout=PATIENCE)
    drawn = marker.get_attribute("style")
    pad.get_by_role("button", name="noise").click()
    expect(marker).not_to_have_attribute("style", drawn, timeout=PATIENCE)
    expect(verdict).to_contain_text("of real test images")


@pytest.mark.skipif(not any(list(f.glob("film.webp")) for f in checkpoint.bundled().values()), reason="no film")
def test_films_of_training_are_scrubbed_and_played(visit: Callable[..., Page]) -> None:
    page = visit("/gan")
    screen, scrubber = page.locator(".gm-films-canvas").first, page.locator(".gm-films-scrubber")
    expect(page.locator(".gm-films-count").first).to_contain_text("Classes covered", timeout=PATIENCE)
    page.wait_for_function("() => Number(document.querySelector('.gm-films-scrubber').value) > 0")
    last = pixels(screen)
    scrubber.fill("0")
    expect(page.locator(".gm-films-count").first).to_contain_text("step 0")
    assert pixels(screen) != last
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("() => Number(document.querySelector('.gm-films-scrubber').value) >= 2")
    page.get_by_role("button", name="Pause", exact=True).click()
    stopped = scrubber.input_value()
    page.wait_for_timeout(500)
    assert scrubber.input_value() == stopped


def test_a_flow_generates_by_class_and_temperature(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=flow")
    grid = picture(page, "Samples")
    first = grid.get_attribute("src")
    page.get_by_label("Temperature").locator("visible=true").and_(page.locator("input[type=range]")).first.fill("0.5")
    changed(grid, first)
    expect(page.get_by_text("temperature 0.5").first).to_be_visible(timeout=PATIENCE)


def test_layers_are_scrubbed_and_played(visit: Callable[..., Page]) -> None:
    page = visit("/flow")
    film = page.locator(".gm-steps").first
    screen, scrubber, caption = (film.locator(f".gm-steps-{part}") for part in ("canvas", "scrubber", "caption"))
    expect(caption).to_have_text("Noise", timeout=PATIENCE)  # where the flow begins, too
    noise = pixels(screen)
    scrubber.fill(scrubber.get_attribute("max"))
    expect(caption).to_contain_text("complete")
    last = pixels(screen)
    scrubber.fill("0")
    assert pixels(screen) == noise != last
    film.get_by_role("button", name="Play").click()
    page.wait_for_function("bar => bar.value === bar.max", arg=scrubber.element_handle())
    assert pixels(screen) == last
    page.get_by_role("button", name="New noise").click()
    page.wait_for_function("([screen, last]) => screen.toDataURL() !== last", arg=[screen.element_handle(), last])


def test_a_drawing_goes_to_noise_and_comes_back(visit: Callable[..., Page]) -> None:
    page = visit("/flow")
    section = page.locator(".gm-split", has=page.locator(".gm-there-and-back"))
    decoded = picture(page, "Decoded again")
    first = decoded.get_attribute("src")
    pad = section.locator(".gm-pad")
    pad.get_by_role("button", name="Clear").click()
    draw(page, pad.locator(".gm-pad-canvas"), SEVEN)
    changed(decoded, first)
    said = section.get_by_text("Largest difference of any pixel: 0 of 256").first
    expect(said).to_be_visible(timeout=PATIENCE)
    expect(section.locator(".gm-noise")).to_contain_text("standard deviation")
    screen, scrubber = section.locator(".gm-steps-canvas"), section.locator(".gm-steps-scrubber")
    steps = int(scrubber.get_attribute("max"))
    deadline = time.monotonic() + PATIENCE / 1000
    while True:  # the strokes of the drawing are answered one after the other: the last answer counts
        seen = []
        for step in (0, steps // 2, steps):
            scrubber.fill(str(step))
            seen.append(pixels(screen))
        if seen[1] != seen[0] == seen[2] or time.monotonic() > deadline:
            break
        page.wait_for_timeout(200)
    assert seen[1] != seen[0] == seen[2]
    scrubber.fill(str(steps // 2))
    expect(section.locator(".gm-steps-caption")).to_contain_text("this is z")


def test_a_flat_picture_is_more_likely_than_any_digit(visit: Callable[..., Page]) -> None:
    page = visit("/flow")
    section = page.locator(".gm-split", has=page.get_by_text("Real test images"))
    expect(section.locator(".gm-item").first).to_be_visible(timeout=PATIENCE)
    section.get_by_role("button", name="noise").click()
    expect(section.locator(".gm-verdict").first).to_contain_text("more likely than 0 %", timeout=PATIENCE)
    section.get_by_role("button", name="all black").click()
    expect(section.locator(".gm-verdict").first).to_contain_text("more likely than 100 %", timeout=PATIENCE)
    expect(section.locator(".gm-item").first).to_contain_text("all black")


def test_codes_are_mixed_and_classes_swapped(visit: Callable[..., Page]) -> None:
    page = visit("/flow")
    mixed = picture(page, "Codes mixed")
    first = mixed.get_attribute("src")
    page.locator(".gm-fades .gm-thumb").first.click()
    changed(mixed, first)
    swap = page.locator(".gm-split", has=page.get_by_label("Encode it as"))
    marked = swap.locator(".gm-marked figcaption")
    expect(marked).to_have_text("3", timeout=PATIENCE)
    swap.locator(".gm-thumb").nth(1).click()
    expect(marked).to_have_text("1", timeout=PATIENCE)


# ---- PixelCNN --------------------------------------------------------------------------------------------------------


def written(page: Page, index: int = 0) -> Locator:
    """The pictures of "Watch it write" (0) or "Finish my drawing" (1), once they are complete."""
    writer = page.locator(".gm-writer").nth(index)
    expect(writer).to_have_attribute("data-state", "done", timeout=PATIENCE)
    return writer


def when_rows(writer: Locator, least: int, action: str = "") -> list[int]:
    """Waits, in the page itself, until a run shows `least` rows and is not at its end, and then at once does what
    `action` says in JavaScript; all numbers of rows that were seen before."""
    script = """(writer, [least, action]) => new Promise((resolve) => {
      const seen = [];
      const look = () => {
        seen.push(Number(writer.dataset.rows));
        if (writer.dataset.state !== 'writing' || Number(writer.dataset.rows) < least) return;
        observer.disconnect(); eval(action); resolve(seen);
      };
      const observer = new MutationObserver(look);
      observer.observe(writer, { attributes: true });
      [...document.querySelectorAll('button')].find((b) => b.textContent.trim() === 'Write').click();
    })"""
    return writer.evaluate(script, [least, action])


def alpha_rows(canvas: Locator) -> list[bool]:
    """Which lines of a canvas have something on them."""
    return canvas.evaluate("""canvas => { const { width, height } = canvas, pen = canvas.getContext('2d');
      const data = pen.getImageData(0, 0, width, height).data;
      return Array.from({ length: height }, (_, y) => data[(y * width) * 4 + 3] > 0); }""")


def test_pictures_are_written_row_by_row(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=pixelcnn")
    writer = written(page)
    first = pixels(writer.locator(".gm-writer-pictures"))
    seen = when_rows(writer, 20)
    assert seen[0] <= 2, "it begins at the top"
    assert len(set(seen)) >= 8, "and is seen at many rows on its way"
    assert sorted(seen) == seen
    expect(writer).to_have_attribute("data-rows", "28")
    written(page)
    assert pixels(writer.locator(".gm-writer-pictures")) == first, "the same seed"
    page.get_by_role("button", name="New seed").first.click()
    page.wait_for_function(
        "([canvas, first]) => canvas.toDataURL() !== first",
        arg=[writer.locator(".gm-writer-pictures").element_handle(), first],
    )
    written(page)
    with page.expect_download() as download:
        writer.get_by_role("button", name="Download PNG").click()
    with Image.open(download.value.path()) as file:
        assert file.text["model"] == "pixelcnn-mnist"
        assert file.text["seed"] == page.get_by_label("Seed", exact=True).first.input_value()


def test_stop_keeps_what_is_written(visit: Callable[..., Page]) -> None:
    page = visit("/pixelcnn")
    writer = written(page)
    screen = writer.locator(".gm-writer-pictures")
    when_rows(writer, 5, "writer.querySelector('.gm-steps-stop').click()")
    expect(writer).to_have_attribute("data-state", "stopped")
    rows = int(writer.get_attribute("data-rows"))
    assert 5 <= rows < 28
    now = pixels(screen)
    page.wait_for_timeout(1500)
    assert int(writer.get_attribute("data-rows")) == rows
    assert pixels(screen) == now
    assert alpha_rows(screen)[:28] == [y < rows for y in range(28)]
    expect(writer.locator(".gm-steps-caption")).to_contain_text(f"Stopped after row {rows} of 28")
    writer.get_by_role("button", name="Replay").click()
    expect(writer).to_have_attribute("data-state", "stopped", timeout=PATIENCE)
    assert pixels(screen) == now, "a replay ends where it was stopped"
    page.get_by_role("button", name="Write", exact=True).click()
    written(page)
    assert all(alpha_rows(screen)[:28])


def test_the_speed_is_a_pause_between_rows(visit: Callable[..., Page]) -> None:
    page = visit("/pixelcnn")
    writer = written(page)
    speed = writer.get_by_label("Speed")
    speed.fill("1")
    start = time.monotonic()
    when_rows(writer, 4)
    assert time.monotonic() - start >= 3 * 0.6 * 0.9
    speed.fill("8")
    written(page)


def tiles(canvas: Locator, columns: int, lines: int, size: int) -> np.ndarray:
    """The grey pictures on a sheet `(N, size, size)`."""
    raw = canvas.evaluate("""canvas => Array.from(
      canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.filter((_, i) => i % 4 === 0))""")
    sheet = np.array(raw, np.uint8).reshape(lines * (size + 2) - 2, columns * (size + 2) - 2)
    places = [(y * (size + 2), x * (size + 2)) for y in range(lines) for x in range(columns)]
    return np.stack([sheet[y : y + size, x : x + size] for y, x in places])


def test_a_drawing_is_finished_in_several_ways(visit: Callable[..., Page]) -> None:
    page = visit("/pixelcnn")
    writer = written(page, 1)
    pad = page.locator(".gm-pad").first
    pad.get_by_role("button", name="Clear").click()
    draw(page, pad.locator(".gm-pad-canvas"), [(0.3, 0.2), (0.7, 0.2), (0.6, 0.45)])
    deadline = time.monotonic() + 3 * PATIENCE / 1000
    made, former = tiles(written(page, 1).locator(".gm-writer-pictures"), 4, 2, 28), None
    while (made[0, :14].max() < 200 or not np.array_equal(made, former)) and time.monotonic() < deadline:
        page.wait_for_timeout(1000)  # the strokes are answered one after the other: the last answer counts
        made, former = tiles(written(page, 1).locator(".gm-writer-pictures"), 4, 2, 28), made
    assert made[0, :14].max() > 200, "the drawing"
    assert all(np.array_equal(one[:14], made[0, :14]) for one in made), "is in all of them"
    assert len({one[14:].tobytes() for one in made}) == 8, "and ends differently in each"
    for rows, said in (("28", "nothing was hidden"), ("0", "on average")):
        pad.get_by_label("Rows given, from the top").fill(rows)
        expect(writer.locator(".gm-steps-caption")).to_contain_text(said, timeout=PATIENCE)
    expect(pad.locator(".gm-pad-keep output")).to_have_text("0 of 28")


def test_a_pixel_shows_what_was_expected_of_it(visit: Callable[..., Page]) -> None:
    page = visit("/pixelcnn")
    piece, screen = page.locator(".gm-expected"), page.locator(".gm-expected-picture")
    expect(piece).to_contain_text("Move over a picture", timeout=PATIENCE)
    plain = pixels(screen)
    box = screen.bounding_box()
    screen.scroll_into_view_if_needed()
    screen.hover(position={"x": box["width"] * 10.5 / 28, "y": box["height"] * 12.5 / 28})
    expect(piece).to_have_attribute("data-pixel", "10,12", timeout=PATIENCE)
    expect(piece.locator(".gm-expected-where")).to_contain_text("Column 11, row 13")
    expect(piece.locator(".gm-histogram")).to_have_count(1)
    assert piece.locator("rect").count() >= 1
    assert pixels(screen) != plain, "what comes later is greyed out"
    screen.focus()
    page.keyboard.press("ArrowRight")
    expect(piece).to_have_attribute("data-pixel", "11,12")
    section = page.locator(".gm-split", has=piece)
    section.get_by_role("button", name="all black").click()
    expect(page.locator(".gm-verdict").first).to_contain_text("bits/dim", timeout=PATIENCE)
    expect(piece.locator("figcaption").last).to_contain_text("most likely 0", timeout=PATIENCE)


def test_a_pixel_is_touched_on_a_phone(visit: Callable[..., Page]) -> None:
    page = visit("/pixelcnn", "phone")
    piece, screen = page.locator(".gm-expected"), page.locator(".gm-expected-bits")
    expect(piece).to_contain_text("Move over a picture", timeout=PATIENCE)
    screen.tap(position={"x": 3, "y": 3})
    expect(piece).to_have_attribute("data-pixel", "0,0", timeout=PATIENCE)


# ---- diffusion -------------------------------------------------------------------------------------------------------

needs_a_denoiser = pytest.mark.skipif(
    "diffusion-mnist" not in checkpoint.bundled(), reason="no diffusion model for digits"
)
needs_words = pytest.mark.skipif(not denoisers.text_models(), reason="no diffusion model of captions is bundled")


def section(page: Page, title: str) -> Locator:
    """The columns below the heading of a section."""
    heading = page.get_by_role("heading", name=title, exact=True)
    return heading.locator("xpath=following::div[contains(@class, 'gm-split')][1]")


def denoised(place: Locator, former: str | None = None) -> Locator:
    """The film of a section once it is complete, and of another run than `former`."""
    film = place.locator(".gm-denoiser")
    expect(film).to_have_attribute("data-state", "done", timeout=PATIENCE)
    if former is not None:
        expect(film).not_to_have_attribute("data-run", former, timeout=PATIENCE)
        expect(film).to_have_attribute("data-state", "done", timeout=PATIENCE)
    return film


def grey_tiles(canvas: Locator, n: int, columns: int) -> np.ndarray:
    return tiles(canvas, columns, -(-n // columns), 28)[:n]


@needs_a_denoiser
def test_steps_are_seen_live_and_scrubbed_afterwards(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=diffusion")
    place = section(page, "Generate")
    film = denoised(place)
    first = pixels(film.locator(".gm-denoiser-clean"))
    seen = film.evaluate("""film => new Promise((resolve) => {
      const save = film.querySelector('[data-action=save]'), counts = [], observer = new MutationObserver(() => {
        if (film.dataset.state === 'running') counts.push(save.disabled ? 0 : Number(film.dataset.frames));
        else if (counts.length) { observer.disconnect(); resolve(counts); }
      });
      observer.observe(film, { attributes: true });
      [...document.querySelectorAll('button')].find((b) => b.textContent.trim() === 'Generate').click();
    })""")
    assert seen[0] == 0, "it begins with the noise, before the network has answered"
    assert seen == sorted(seen)
    assert len(set(seen)) >= 4, "and is seen at many steps on its way"
    assert pixels(film.locator(".gm-denoiser-clean")) == first, "the same seed"
    scrubber, noisy, clean, caption = (
        film.locator(f".{part}") for part in ("gm-steps-scrubber", "gm-denoiser-noisy", "gm-denoiser-clean", "gm-steps-caption")
    )  # fmt: skip
    steps = denoisers.solver_settings("diffusion-mnist")["num_inference_steps"]
    expect(caption).to_contain_text(f"Done: {steps} steps")
    assert pixels(noisy) == pixels(clean), "at the end nothing is noise"
    views = set()
    for step in range(steps):
        scrubber.fill(str(step))
        expect(caption).to_contain_text(f"Step {step + 1} of {steps}")
        assert pixels(noisy) != pixels(clean)
        views.add(pixels(noisy))
    assert len(views) == steps
    film.get_by_role("button", name="Play").click()
    page.wait_for_function("bar => bar.value === bar.max", arg=scrubber.element_handle())
    assert pixels(clean) == first
    scrubber.fill("3")
    with page.expect_download() as download:
        film.get_by_role("button", name="Download PNG").click()
    with Image.open(download.value.path()) as file:
        assert file.text["model"] == "diffusion-mnist"
        assert file.text["step"] == "4"


@needs_a_denoiser
def test_stop_keeps_the_last_frame(visit: Callable[..., Page]) -> None:
    page = visit("/diffusion")
    place = section(page, "Generate")
    film, clean = denoised(place), place.locator(".gm-denoiser-clean")
    run = film.get_attribute("data-run")
    place.get_by_label("Steps").and_(page.locator("input[type=range]")).fill("60")
    film.evaluate("""(film, run) => new Promise((resolve) => {
      const observer = new MutationObserver(() => {
        if (film.dataset.run === run || film.dataset.state !== 'running' || Number(film.dataset.frames) < 4) return;
        observer.disconnect(); film.querySelector('.gm-steps-stop').click(); resolve();
      });
      observer.observe(film, { attributes: true });
    })""", run)  # fmt: skip
    expect(film).to_have_attribute("data-state", "stopped")
    frames, kept = int(film.get_attribute("data-frames")), pixels(clean)
    assert 4 <= frames < 30
    expect(film.locator(".gm-steps-caption")).to_contain_text("Stopped at step")
    page.wait_for_timeout(2000)
    assert int(film.get_attribute("data-frames")) == frames
    assert pixels(clean) == kept
    film.locator(".gm-steps-scrubber").fill("0")
    assert pixels(clean) != kept
    film.locator(".gm-steps-scrubber").fill(str(frames - 1))
    assert pixels(clean) == kept
    run = film.get_attribute("data-run")
    place.get_by_label("Steps").and_(page.locator("input[type=range]")).fill("3")
    denoised(place, run)


@needs_a_denoiser
def test_a_drawing_is_noised_and_denoised(visit: Callable[..., Page]) -> None:
    page = visit("/diffusion")
    place = section(page, "Noise it yourself")
    film = place.locator(".gm-denoiser")
    expect(film).to_have_attribute("data-state", "preview", timeout=PATIENCE)
    noisy, slider = (
        film.locator(".gm-denoiser-noisy"),
        place.get_by_label("Noise t").and_(page.locator("input[type=range]")),
    )
    run = film.get_attribute("data-run")
    pad = place.locator(".gm-pad")
    pad.get_by_role("button", name="Clear").click()
    draw(page, pad.locator(".gm-pad-canvas"), SEVEN)
    expect(film).not_to_have_attribute("data-run", run, timeout=PATIENCE)
    page.wait_for_timeout(1000)
    slider.fill("0.02")
    expect(film.locator(".gm-steps-caption")).to_contain_text("1.00 · picture", timeout=PATIENCE)
    little = grey_tiles(noisy, 4, 2).astype(int)
    slider.fill("0.8")
    expect(film.locator(".gm-steps-caption")).to_contain_text("0.95 · noise", timeout=PATIENCE)
    much = grey_tiles(noisy, 4, 2).astype(int)
    assert np.abs(little - little[0]).mean() < 20 < np.abs(much - much[0]).mean(), "each has noise of its own"
    seen = pixels(noisy)
    run = film.get_attribute("data-run")
    place.get_by_role("button", name="Denoise from here").click()
    denoised(place, run)
    film.locator(".gm-steps-scrubber").fill("0")
    assert pixels(noisy) == seen, "it began with what was on show"
    slider.fill("0.4")
    expect(film).to_have_attribute("data-state", "preview", timeout=PATIENCE)


@needs_a_denoiser
def test_fillings_keep_what_is_given(visit: Callable[..., Page]) -> None:
    page = visit("/diffusion")
    place = section(page, "Fill in")
    film = denoised(place)
    pad = place.locator(".gm-pad")
    run = film.get_attribute("data-run")
    pad.locator(".gm-thumb").nth(2).click()
    denoised(place, run)
    given = grey_tiles(film.locator(".gm-denoiser-clean"), 8, 4)
    assert len({one.tobytes() for one in given}) == 1, "with nothing hidden, all are the picture"
    run = film.get_attribute("data-run")
    pad.get_by_role("radio", name="Hide").click()
    pad.get_by_role("radio", name="Thick").click()
    draw(page, pad.locator(".gm-pad-canvas"), [(0.3, 0.5), (0.7, 0.5)])
    expect(film).not_to_have_attribute("data-run", run, timeout=PATIENCE)
    page.wait_for_timeout(1000)
    denoised(place)
    made = grey_tiles(film.locator(".gm-denoiser-clean"), 8, 4)
    kept = (made == given[0]).all(0)
    assert kept[:5].all()
    assert kept[24:].all(), "above and below the stroke"
    assert 20 < (~kept).sum() <= 28 * 11
    assert len({one.tobytes() for one in made}) == 8, "each is filled in differently"


@needs_a_denoiser
def test_solvers_are_compared_in_the_page(visit: Callable[..., Page]) -> None:
    page = visit("/diffusion")
    place = section(page, "How many steps, and whose?")
    expect(place.locator(".gm-solvers-wait")).to_have_count(20, timeout=PATIENCE)
    for steps in ("8", "16"):
        place.get_by_label(steps, exact=True).uncheck()
    place.get_by_role("button", name="Compare").click()
    expect(place.locator(".gm-solvers-cell")).to_have_count(12, timeout=PATIENCE)
    assert all(text.endswith(" ms") for text in place.locator(".gm-solvers-cell").all_inner_texts())
    same = section(page, "Same noise, told otherwise")
    expect(same.locator(".gm-item")).to_have_count(11, timeout=PATIENCE)


@needs_words
def test_a_hero_is_drawn_from_words(visit: Callable[..., Page]) -> None:
    page = visit("/diffusion")
    place = section(page, "Pictures from words")
    film = denoised(place)
    sentence, note = place.get_by_label("Sentence"), place.locator(".block.gm-quality")
    expect(note).to_contain_text("It knows all these words")
    run = film.get_attribute("data-run")
    place.get_by_role("button", name="Another one").click()
    denoised(place, run)
    run = film.get_attribute("data-run")
    sentence.fill("an elf in a zebra robe")
    place.get_by_role("button", name="Draw", exact=True).click()
    denoised(place, run)
    expect(note).to_contain_text("“zebra”")
    for wrong, said in (
        ("", "The sentence is empty"),
        ("zebra unicorn", "knows none of these words"),
        ("x" * 10_000, "at most 400"),
    ):
        sentence.fill(wrong)
        place.get_by_role("button", name="Draw", exact=True).click()
        expect(page.get_by_text(said).first).to_be_visible(timeout=PATIENCE)
    run = film.get_attribute("data-run")
    sentence.fill("a dwarf, café 日本語")
    place.get_by_role("button", name="Draw", exact=True).click()
    denoised(place, run)
    with page.expect_download() as download:
        film.get_by_role("button", name="Download PNG").click()
    with Image.open(download.value.path()) as file:
        assert file.text["prompt"] == "a dwarf, café 日本語"


# ---- between click and answer ----------------------------------------------------------------------------------------

#: Presses a button by its text and gives all states of a piece until it is done again: [state, caption, Stop, Play].
STATES = """(piece, text) => new Promise((resolve) => {
  const seen = [], find = (name) => piece.querySelector('.gm-steps-' + name);
  const observer = new MutationObserver(() => {
    const state = piece.dataset.state;
    seen.push([state, find('caption').textContent, !find('stop').disabled, !find('play').disabled]);
    if (state === 'done' && seen.some(([before]) => before !== 'done')) { observer.disconnect(); setTimeout(resolve, 50, seen); }
  });
  observer.observe(piece, { attributes: true, attributeFilter: ['data-state', 'data-frames', 'data-rows'] });
  setTimeout(resolve, 30000, seen);
  [...document.querySelectorAll('button')].find((b) => b.textContent.trim() === text).click();
})"""


def slowly(page: Page) -> None:
    """Let every answer of the server's queue come two seconds later."""

    def wait(route: sync_api.Route) -> None:
        time.sleep(2)
        route.continue_()

    page.route("**/queue/data*", wait)


@pytest.mark.parametrize(
    ("path", "piece", "button"),
    [
        ("/pixelcnn", ".gm-writer", "Write"),
        pytest.param("/diffusion", ".gm-denoiser", "Generate", marks=needs_a_denoiser),
    ],
)
def test_a_run_says_that_it_starts_and_stop_never_replays(
    visit: Callable[..., Page], path: str, piece: str, button: str
) -> None:
    page = visit(path)
    film = page.locator(piece).first
    expect(film).to_have_attribute("data-state", "done", timeout=PATIENCE)
    page.wait_for_timeout(1000)  # until the rest of the page has its first answers
    slowly(page)
    seen = film.evaluate(STATES, button)
    page.unroute("**/queue/data*")
    assert seen[0] == ["waiting", "Starting …", True, False]
    assert {state for state, *_ in seen} == {"waiting", "writing" if piece == ".gm-writer" else "running", "done"}
    assert all(stop and not play for state, _, stop, play in seen if state in ("writing", "running"))
    stop, screen = film.get_by_role("button", name="Stop"), film.locator("canvas").first
    expect(stop).to_be_disabled()
    stop.scroll_into_view_if_needed()
    box, shown = stop.bounding_box(), pixels(screen)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)  # too late
    page.wait_for_timeout(100)
    assert film.get_attribute("data-state") == "done"
    assert pixels(screen) == shown


@needs_a_denoiser
def test_stop_while_others_come_first(visit: Callable[..., Page], app_address: str) -> None:
    """The queue is busy with the long work of two others: who stops waiting is not served any more."""
    page = visit("/diffusion")
    place = section(page, "Generate")
    film = denoised(place)
    run = film.get_attribute("data-run")
    page.wait_for_timeout(1000)
    with contextlib.closing(Client(app_address, verbose=False)) as other:
        jobs = [other.submit(n=16, num_inference_steps=100, api_name="/diffusion_generate") for _ in range(2)]
        while not all(job.outputs() for job in jobs):
            page.wait_for_timeout(50)
        place.get_by_role("button", name="Generate").click()
        expect(film).to_have_attribute("data-state", "waiting")
        film.get_by_role("button", name="Stop").click()
        expect(film).to_have_attribute("data-state", "done")
        for job in jobs:
            job.cancel()
    page.wait_for_timeout(3000)
    assert (film.get_attribute("data-run"), film.get_attribute("data-state")) == (run, "done")
    place.get_by_role("button", name="Generate").click()
    denoised(place, run)


def test_a_page_that_outlives_its_server_shows_what_the_new_one_writes(
    browser: Browser, start: Callable[..., Popen]
) -> None:
    port = free_port()
    page = browser.new_page()
    for seed in ("3", "4"):
        server = start("app.py", GRADIO_SERVER_PORT=str(port), GRADIO_SERVER_NAME="127.0.0.1")
        wait_until_served(f"http://127.0.0.1:{port}", server)
        if seed == "3":
            page.goto(f"http://127.0.0.1:{port}/pixelcnn")
        former = pixels(written(page).locator(".gm-writer-pictures"))
        page.get_by_label("Seed", exact=True).first.fill(seed)
        page.get_by_role("button", name="Write", exact=True).click()
        canvas = page.locator(".gm-writer-pictures").first
        page.wait_for_function(
            "([canvas, former]) => canvas.toDataURL() !== former", arg=[canvas.element_handle(), former]
        )
        written(page)
        server.terminate()
        server.wait(20)
    page.close()


# ---- what only a browser shows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["café", "🦙, \n", "a\\0b"])
def test_a_picture_that_the_page_writes_keeps_any_script(visit: Callable[..., Page], said: str) -> None:
    page = visit("/autoencoder")
    page.add_script_tag(content=web.asset("shared.js"))
    with page.expect_download() as download:
        page.evaluate("""(said) => {
          const canvas = Object.assign(document.createElement('canvas'), { width: 3, height: 2 });
          canvas.getContext('2d').fillRect(0, 0, 3, 2);
          download(canvas, 4, { Software: 'genmodels', prompt: said }, 'picture.png');
        }""", said)  # fmt: skip
    with Image.open(download.value.path()) as file:
        file.load()
        assert file.size == (12, 8)
        assert file.text == {"Software": "genmodels", "prompt": said}


@pytest.mark.parametrize("size", list(SIZES))
def test_text_in_dropdowns_ends_before_the_arrow(visit: Callable[..., Page], size: str) -> None:
    page = visit("/?tab=diffusion" if denoisers.text_models() else "/vae", size)
    expect(page.get_by_role("combobox").first).to_be_visible(timeout=PATIENCE)
    gaps = page.evaluate("""() => [...document.querySelectorAll('input[role=combobox]')].filter((e) => e.offsetParent).map((e) => {
      const arrow = e.parentElement.querySelector('.icon-wrap path').getBoundingClientRect();
      return arrow.left - (e.getBoundingClientRect().right - parseFloat(getComputedStyle(e).paddingRight));
    })""")
    assert gaps
    assert min(gaps) >= 0


def test_the_footer_ends_with_a_word(visit: Callable[..., Page]) -> None:
    page = visit("/?tab=vae")
    expect(page.locator("footer")).to_have_text(re.compile("Use via API"), timeout=PATIENCE)
    assert page.locator("footer").inner_text().strip().endswith("Use via API")


def test_keys_scroll_the_table_of_figures(visit: Callable[..., Page]) -> None:
    page = visit("/vae", "phone")
    picture(page, "Samples")
    page.get_by_text("How it works").click()
    table = page.locator(".gm-scroll")
    table.scroll_into_view_if_needed()
    assert table.evaluate("e => e.scrollWidth > e.clientWidth")
    table.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("table => table.scrollLeft > 0", arg=table.element_handle())


def test_the_drawer_without_a_network(visit: Callable[..., Page]) -> None:
    page = visit("/diffusion")
    page.get_by_text("Pictures from words, by a model of the Hub").click()
    reason = "The Hub can't be reached, and 'stabilityai/sd-turbo' is not on this computer."
    expect(page.get_by_text(reason)).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("button", name="Generate", exact=True).last).to_be_disabled()
    expect(page.get_by_role("button", name="Ask again")).to_be_visible()
    expect(page.get_by_role("img", name="No picture yet")).to_be_visible()
    page.get_by_label("Prompt", exact=True).press("Shift+Enter")
    expect(page.locator(".block.gm-quality", has_text=reason)).to_have_count(2, timeout=PATIENCE)


@pytest.mark.parametrize(
    ("path", "size"),
    [*((path, "phone") for path in ("/?tab=autoencoder&__theme=light", "/?tab=vae&__theme=dark", "/gan", "/flow", "/pixelcnn")),
     *(pytest.param("/diffusion", size, marks=needs_a_denoiser) for size in SIZES), ("/?tab=gan", "desktop")],
)  # fmt: skip
def test_nothing_sticks_out_sideways(visit: Callable[..., Page], path: str, size: str) -> None:
    page = visit(path, size)
    if "diffusion" in path:
        denoised(section(page, "Fill in"))
        expect(page.locator(".gm-item").first).to_be_visible(timeout=PATIENCE)
    elif "pixelcnn" in path:
        written(page, 1)
        expect(page.locator(".gm-item").first).to_be_visible(timeout=PATIENCE)
    else:
        picture(page, "Reconstruction" if "autoencoder" in path else "Samples")
    if "gan" in path:
        expect(page.locator(".gm-tile")).to_have_count(8, timeout=PATIENCE)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= SIZES[size][0]
