"""The sections of uses in a real Chromium: a data set that is downloaded, a visitor's own pictures that are ranked."""

import zipfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect
from test_browser import CHROMIUM, browser, context, pytestmark, section, visit  # noqa: F401  fixtures

from genmodels.data import to_png
from genmodels.real_images import real_images


def test_a_data_set_is_made_at_a_press(visit: Callable[..., Page]) -> None:  # noqa: F811
    page = visit("/?only=compare.dataset&model=gan-mnist&n=40&seed=3", "desk")
    place = section(page, "compare.dataset", filled=False)
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
    """On a phone: what can't be read is said, what can be is ranked, and no address gets long by it."""
    files = [tmp_path / f"{i}.png" for i in range(4)]
    for file, pixels in zip(files, real_images("mnist").pixels, strict=False):
        file.write_bytes(to_png(pixels))
    (tmp_path / "none.png").write_text("no picture")
    page = visit("/?only=compare.outsiders&strangers=noise", "phone")
    place = section(page, "compare.outsiders")
    expect(place.locator("gm-words")).to_contain_text("at the top")
    with page.expect_file_chooser() as chooser:
        place.get_by_role("button", name="Your own pictures").tap()
    chooser.value.set_files([*files, tmp_path / "none.png"])
    expect(place.locator("gm-many .gm-note")).to_contain_text("none.png: This file can't be read as a picture")
    expect(place.locator("gm-words")).to_contain_text("The strangest by all scores together")
    expect(place.locator(".gm-ranking").first.locator("canvas")).to_have_count(4)
    assert len(page.url) < 300
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
