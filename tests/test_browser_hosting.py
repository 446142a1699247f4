"""The page where others host it: under a path, behind a reverse proxy, and mounted into another server."""

import subprocess
from collections.abc import Callable, Iterator

import pytest
from helpers import APP, free_port, in_background, wait_until_served

from genmodels.tabs import page as laid_out

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Page, expect
from test_browser import FIRST, browser, context, pytestmark, section, visit  # noqa: F401
from test_browser_embed import article, demo, read  # noqa: F401

PATH = "/models/ours"
#: As docs/hosting.md says it, beside something else that the server has.
MOUNTED = """
import sys, uvicorn
from fastapi import FastAPI
from genmodels.app import mount
server = FastAPI()
server.get("/favicon.ico")(lambda: "the host's own")
mount(server, sys.argv[2])
uvicorn.run(server, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"""


@pytest.fixture(scope="module", params=["proxy", "mount"])
def app_address(request: pytest.FixtureRequest) -> Iterator[str]:
    """The app's address, with which all that it asks for must begin."""
    with in_background() as start:
        yield served(start, request.param)


def served(start: Callable[..., subprocess.Popen], way: str) -> str:
    outer = free_port()
    address = f"http://127.0.0.1:{outer}{PATH}"
    if way == "mount":
        process = start("-c", MOUNTED, str(outer), PATH)
    else:
        inner = free_port()
        env = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(inner), "GRADIO_ROOT_PATH": PATH}
        process = start("-c", APP, **env)
        start("tests/reverse_proxy.py", str(outer), PATH, f"http://127.0.0.1:{inner}")
    wait_until_served(f"{address}/", process)
    return address


def test_every_tab(visit: Callable[..., Page]):  # noqa: F811
    """One after the other: its first picture comes, and nothing is asked for outside of its own path."""
    page = visit("/")
    for tab, first in FIRST.items():
        page.locator(f"[role=tab][value={tab}]").click()
        section(page, first, filled=not laid_out.sections()[first].work)


def test_what_works_step_by_step(visit: Callable[..., Page]):  # noqa: F811
    """Through the queue, whose answers stream."""
    section(visit("/?only=pixelcnn.write"), "pixelcnn.write")


def test_a_family_of_its_own(visit: Callable[..., Page]):  # noqa: F811
    page = visit("/vae")
    section(page, FIRST["vae"])
    expect(page.locator("gm-tab")).to_have_count(1)


def test_a_demo_in_an_article(read: Callable[..., Page], app_address: str):  # noqa: F811
    demo(read(article(app_address, '<div class="genmodels" data-section="vae.map"></div>')), ".genmodels")
