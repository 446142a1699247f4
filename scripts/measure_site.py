"""What a visitor of the page without a server waits for, and how much is sent: lines for its issue of figures.

    python -m genmodels export-site runs/site
    python scripts/measure_site.py runs/site

Serves the folder by Python's own server, which compresses nothing, and opens it in Chromium, on one core where `taskset -c 0`
begins the line. Each figure is the median of RUNS.
"""

import argparse
import functools
import http.server
import shutil
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

RUNS = 5
TABS = ("overview", "vae")
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
OPEN = """async () => {
    const { fetchedJson } = await import('/local/runtime.js');
    const { LocalBackend } = await import('/local/backend.js');
    const site = await fetchedJson('/site.json.gz', 'The list');
    window.backend = new LocalBackend(new URL('/', location.href), { ...site, posters: {} }, false);
}"""
#: Milliseconds of a question, asked a few times after a first one that loads the model.
TIMED = """async ([key, states]) => {
    const answer = async (state) => {
        if (!backend.sections[key].work) return backend.ask(key, state);
        let last;
        for await (const one of backend.follow(key, state)) last = one;
        return last;
    };
    const taken = [];
    for (const state of states) {
        const start = performance.now();
        const { error } = await answer(state);
        if (error) throw new Error(error);
        taken.push(performance.now() - start);
    }
    return taken.slice(1);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    chromium = (
        shutil.which("chromium")
        or shutil.which("chromium-headless-shell")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    flags = ["--no-sandbox", "--disable-gpu"]
    with served(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        for line in (*sizes(folder), *waits(browser, address)):
            print(line)
        browser.close()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def sizes(folder: Path) -> Iterator[str]:
    def total(files: Any) -> int:
        return sum(file.stat().st_size for file in files)

    yield f"runtime: {total((folder / 'runtime').iterdir()) / 1e6:.2f} MB"
    models: dict[str, int] = {}
    for file in (folder / "models").glob("*.gz"):
        name = file.name.partition(".")[0]
        models[name] = models.get(name, 0) + file.stat().st_size
    for name, size in sorted(models.items(), key=lambda one: -one[1]):
        yield f"model {name}: {size / 1e6:.2f} MB"


def waits(browser: Browser, address: str) -> Iterator[str]:
    for tab in TABS:
        page = browser.new_context(**PHONE).new_page()
        sent: list[int] = []
        page.on("response", lambda answer, sent=sent: sent.append(int(answer.headers.get("content-length", 0))))
        page.goto(f"{address}?tab={tab}")
        page.locator(".gm-section.gm-filled").first.wait_for()
        page.wait_for_timeout(1000)
        yield f"bytes before anything is pressed, on a phone, tab {tab}: {sum(sent) / 1e3:.0f} kB in {len(sent)} files"
    for what, query in (("beforehand", ""), ("here", "&section=map&model=vae2d-mnist&x=1&y=1")):
        times = [first_picture(browser, f"{address}?tab=vae{query}") for _ in range(RUNS)]
        yield f"first picture of the map with an empty cache, computed {what}: {statistics.median(times):.2f} s"
    page = browser.new_page()
    page.goto(f"{address}README.md")
    page.evaluate(OPEN)
    questions: list[tuple[str, str, list[dict[str, Any]]]] = [
        ("map drag, a picture", "vae.map", [{"model": "vae2d-mnist", "x": i / 10, "y": 0.3} for i in range(40)]),
        ("GAN, 16 pictures", "gan.generate", [{"model": "gan-mnist", "seed": i} for i in range(RUNS + 1)]),
        (
            "one digit, written pixel by pixel", "pixelcnn.write",
            [{"model": "pixelcnn-mnist", "seed": i, "n": 1} for i in range(RUNS + 1)],
        ),
        (
            "one drawing, what all families see at once", "overview.see",
            [{"data": "mnist", "picture": f"#{i}"} for i in range(RUNS + 1)],
        ),
        (
            "one drawing, what they take steps for", "overview.fill",
            [{"data": "mnist", "picture": f"#{i}"} for i in range(RUNS + 1)],
        ),
        (
            "fast diffusion, 4 pictures", "diffusion.generate",
            [{"model": "diffusion-mnist-fast", "seed": i, "n": 4} for i in range(RUNS + 1)],
        ),
    ]  # fmt: skip
    for what, key, states in questions:
        yield f"{what}: {timed(page, key, states):.0f} ms"


def first_picture(browser: Browser, address: str) -> float:
    """Seconds from the address to the first answer."""
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script("addEventListener('gm-change', () => (window.firstAnswer ??= performance.now()))")
    page.goto(address)
    page.wait_for_function("window.firstAnswer", timeout=60_000)
    found = page.evaluate("firstAnswer") / 1000
    context.close()
    return float(found)


def timed(page: Page, key: str, states: list[dict[str, Any]]) -> float:
    return statistics.median(page.evaluate(TIMED, [key, states]))


if __name__ == "__main__":
    main()
