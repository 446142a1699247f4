"""The sections of uses in a real Chromium: a data set that is downloaded, own pictures that are ranked, a hero told otherwise."""

import zipfile
from collections.abc import Callable
from pathlib import Path

from helpers import first_of
from playwright.sync_api import Page, expect
from test_browser import CHROMIUM, browser, changed, context, drag, pixels, pytestmark, section, seen_text, visit  # noqa: F401  fixtures

from genmodels.data import to_png
from genmodels.real_images import real_images


def test_a_data_set_is_made_at_a_press(visit: Callable[..., Page]) -> None:  # noqa: F811
    page = visit("/?only=compare.dataset&model=gan-mnist&n=40&seed=3", "desk")
    place = section(page, "compare.dataset", filled=False)
    sheet = place.locator(".gm-sheet").first
    assert sheet.evaluate("(canvas) => getComputedStyle(canvas).animationName") == "none", "nothing is on its way"
    expect(place.locator("gm-grid .gm-save")).to_be_disabled()
    expect(place.get_by_role("button", name="Download gan")).to_be_hidden()
    place.get_by_role("button", name="Make it").click()
    with page.expect_download() as download:
        place.get_by_role("button", name="Download gan-mnist_40_3.zip").click()
    assert download.value.suggested_filename == "gan-mnist_40_3.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 42
    expect(place.locator("gm-words")).to_contain_text("It helps where")


def test_own_pictures_are_ranked(visit: Callable[..., Page], tmp_path: Path) -> None:  # noqa: F811
    """On a phone: what can't be taken is said, what can be is ranked, and no address gets long by it; and back to the given ones."""
    files = [tmp_path / f"{i}.png" for i in range(4)]
    for file, digit in zip(files, real_images("mnist").pixels, strict=False):
        file.write_bytes(to_png(digit))
    (tmp_path / "none.png").write_text("no picture")
    (tmp_path / "huge.png").write_bytes(b"no picture" * 1_000_001)
    page = visit("/?only=compare.outsiders&strangers=noise", "phone")
    place = section(page, "compare.outsiders")
    expect(place.locator("gm-words")).to_contain_text("at the top")
    for name, said in (
        ("huge.png", "huge.png: The file is too large; at most 10 MB are allowed."),
        ("none.png", "none.png: This file can't be read as a picture"),
    ):
        with page.expect_file_chooser() as chooser:
            place.get_by_role("button", name="Your own pictures").tap()
        chooser.value.set_files([*files, tmp_path / name])
        expect(place.locator("gm-many .gm-note")).to_contain_text(said)
    expect(place.locator("gm-words")).to_contain_text("The strangest by all scores together")
    expect(place.locator(".gm-ranking").first.locator("canvas")).to_have_count(4)
    assert len(page.url) < 300
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    given = place.get_by_role("button", name="The given ones again")
    given.tap()
    expect(place.locator("gm-words")).to_contain_text("at the top")
    expect(place.locator("gm-many canvas")).to_have_count(0)
    expect(given).to_be_hidden()


#: The places in a gallery of four: full, while the first of new pictures has come, and when that was all of them.
PLACES = """() => {
    const gallery = document.querySelector('gm-gallery'), one = { pictures: { shape: [1, 1, 2, 2], pixels: btoa('1234') }, titles: [['one']] };
    const places = () => gallery.querySelectorAll('figure').length;
    return [places(), ...[false, true].map((complete) => (gallery.show(one, { complete }), places()))];
}"""


@first_of("size", "phone", "desk")
def test_the_words_of_a_hero_are_changed(visit: Callable[..., Page], size: str) -> None:  # noqa: F811
    """Read, drawn again, compared by a slider; corrected, changed in part, refused; and another picture is read anew."""
    page = visit("/?only=diffusion.reword", size)
    place = section(page, "diffusion.reword")
    shows, drawn = place.get_by_label("What it shows"), place.get_by_label("Draw it as")
    words, after = place.locator("gm-words"), place.locator("gm-compared canvas").nth(1)
    expect(words).to_contain_text("The referee sees a red cloak")
    expect(shows).to_have_value("a deep dwarf in a cyan robe, wearing a horned helmet, holding a flail")
    expect(drawn).to_have_value(
        "a deep dwarf in a cyan robe with a red cloak, wearing a horned helmet, holding a flail"
    )
    slider = place.get_by_role("slider", name="Before and after")
    slider.focus()
    drag(slider, 20)
    expect(slider).to_have_attribute("aria-valuetext", "20 % before")
    assert "20%" in after.evaluate("canvas => getComputedStyle(canvas).clipPath")
    former = pixels(after)
    with page.expect_download() as download:
        place.get_by_role("button", name="Download: after").click()
    assert seen_text(Path(download.value.path()).read_bytes())["cloak"] == "a red cloak"
    place.get_by_label("Cloak", exact=True).select_option("as it is")
    expect(words).to_contain_text("The same words: the picture comes back. 100 %")
    former = changed(after, former)
    shows.fill("a dwarf in a cyan robe, wearing a horned helmet, holding a flail")
    shows.press("Tab")
    expect(drawn).to_have_value("a dwarf in a cyan robe, wearing a horned helmet, holding a flail")
    drawn.fill("a dwarf on a unicycle")
    drawn.press("Tab")
    expect(place.get_by_role("alert").filter(has_text="never read “on”, “unicycle”")).to_be_visible()
    expect(drawn).to_have_value("a dwarf in a cyan robe, wearing a horned helmet, holding a flail")
    page.get_by_role("button", name="elf", exact=True).first.click()
    changed(after, former)
    expect(shows).to_have_value(
        "an elf with a red cloak, wearing a black and red wizard hat, holding a dagger and a red tower shield"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= (390 if size == "phone" else 1280)
    assert page.evaluate(PLACES) == [4, 4, 1]
