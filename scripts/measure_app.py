"""Start the app as a user would, visit it with a real Chromium, and measure what a visitor waits for.

    PYTHONPATH=. python scripts/measure_app.py            # all, some minutes: on a quiet machine
    PYTHONPATH=. python scripts/measure_app.py --busy     # beside a neighbour who keeps two threads busy

Prints a Markdown table. A move: from a key on a control to the changed picture, and how long the browser's main thread was
busy for it; every slider of every section that answers at once. Opening: from the address to the tab's first picture in a
fresh profile, with the models loaded, and of the first visit after a start. Bytes: the document and our own scripts and
style sheets as sent, compressed; Gradio's own left out. Memory: of the server's two processes, what they share once, and
again after an hour's use.
"""

import argparse
import contextlib
import os
import re
import statistics
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright
from serving import CHROMIUM, memory, running_app, spec

from genmodels.timing import busy_neighbours

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
MOVES, OPENINGS, RUNS = 12, 3, 5
DATA = ("mnist", "fashion-mnist", "heroes")
HOURLY, VISITS = 5, 200
LANES = ("cpu", "heavy")  # of work that needs no Hub
WAIT = 120_000  # milliseconds

#: Counts answers, and says when the last one was on the canvas; `told`, if somebody waits for the next one, tells so.
LISTEN = """() => { window.seen = []; document.addEventListener('gm-change', (e) =>
    requestAnimationFrame(() => { window.seen.push([e.detail.section, performance.now()]); window.told?.(); })); }"""
#: Its promise is waited for without a look at every frame, which would count as the page's own work.
NEXT = "() => { window.next = new Promise((told) => { window.told = told; }); return performance.now(); }"
#: Whether all has been answered that was asked since a moment: at once, and after that what takes many steps.
ANSWERED = """(start) => {
    const [see, fill] = ['overview.see', 'overview.fill'].map((key) => seen.findLast(([name]) => name === key)?.[1] ?? 0);
    return start < see && see < fill; }"""
OWN = """() => performance.getEntries().filter((e) => e.entryType === 'navigation' || e.name.includes('/elements/'))
    .reduce((sum, e) => sum + e.transferSize, 0)"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--busy", action="store_true", help="beside a busy neighbour of two threads")
    beside = busy_neighbours(1) if options.parse_args().busy else contextlib.nullcontext()
    with beside, running_app() as (address, process, seconds), chromium() as browser:
        print(f"| measured on {os.cpu_count()} cores | value |\n| --- | ---: |")
        print(f"| command → first HTTP answer | {seconds:.1f} s |")
        tabs = tab_keys(address)
        for key in tabs:
            print(
                f"| open `{key}` → first picture, just started | {open_tab(browser, address, key):.1f} s |", flush=True
            )
        for key in tabs:
            times = [open_tab(browser, address, key) for _ in range(OPENINGS)]
            print(f"| open `{key}` → first picture, models loaded | {median(times):.2f} s |", flush=True)
        for key in tabs:
            print(
                f"| open `{key}` → every section in view filled | {fill_view(browser, address, key):.2f} s |",
                flush=True,
            )
        print(f"| HTML and own scripts, as sent | {sent(browser, address, '/') / 1000:.0f} kB |")
        only = sent(browser, address, f"/?only={first_section(address)}")
        print(f"| a page for one section alone | {only / 1000:.0f} kB |")
        for key in tabs:
            measure_moves(browser, address, key)
        for line in draw_once(browser, address):
            print(line, flush=True)
        for line in watch_work(browser, address):
            print(line, flush=True)
        if "diffusion" in tabs:
            print(f"| solver grid: Stop → the next answer | {stop_solvers(browser, address):.0f} ms |", flush=True)
        print(f"| memory after every section was used | {at_rest(process.pid):.0f} MB |", flush=True)
        count = use_for_an_hour(address)
        print(f"| memory after {count} more answers, {VISITS} visits among them | {at_rest(process.pid):.0f} MB |")


# -- the app, see serving.py -------------------------------------------------------------------------------------------


def tab_keys(address: str) -> list[str]:
    return [tab["key"] for tab in spec(address)["tabs"]]


def first_section(address: str) -> str:
    return next(tab["sections"][0]["key"] for tab in spec(address)["tabs"] if tab["is_family"])


def use_for_an_hour(address: str) -> int:
    """What one visitor asks for in an hour, and others look at: every section with each of its models, five times over, with
    other seeds; and `VISITS` openings of the page. Returns the number of answers."""
    count = 0
    with httpx.Client(base_url=address, timeout=600) as client:
        page = next(c for c in client.get("/config").json()["components"] if "server_fns" in c["props"])
        sections = [section for tab in page["props"]["props"]["spec"]["tabs"] for section in tab["sections"]]
        for seed in range(HOURLY):
            for _ in range(VISITS // HOURLY):
                client.get("/")
            for section in sections:
                for model in section["models"]:
                    ask_once(
                        client,
                        page["id"],
                        section,
                        {"model": model} | ({"seed": seed} if "seed" in section["fields"] else {}),
                    )
                    count += 1
    return count + VISITS


def ask_once(client: httpx.Client, component: int, section: dict[str, Any], state: dict[str, Any]) -> None:
    """As the page asks: at once, or by the queue."""
    if not section["work"]:
        question = {"section": section["key"], "state": state}
        body = {"session_hash": "page", "component_id": component, "fn_name": "ask", "data": question}
        client.post("/gradio_api/component_server", json=body).raise_for_status()
    elif section["lane"] in LANES:
        call = f"/gradio_api/call/work_{section['lane']}"
        event = client.post(call, json={"data": [section["key"], state]}).json()["event_id"]
        with client.stream("GET", f"{call}/{event}") as answers:
            for _ in answers.iter_raw():
                pass


def at_rest(pid: int) -> float:
    """Megabytes, once the app has given back what its last answers took: it does so where nobody asks for a second."""
    time.sleep(3)
    return memory(pid)


# -- the browser -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def visited(browser: Browser, address: str) -> Iterator[Page]:
    """The page in a profile of its own, with an empty cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(address)
    yield page
    context.close()


def open_tab(browser: Browser, address: str, key: str) -> float:
    """Seconds from the address to the tab's first picture."""
    start = time.perf_counter()
    with visited(browser, f"{address}/?tab={key}") as page:
        page.wait_for_selector(".gm-section.gm-filled")
        return time.perf_counter() - start


#: Whether a section that is on the screen still waits for its picture.
WAITS = """() => ![...document.querySelectorAll('.gm-section')].some((section) => {
    const { top, bottom } = section.getBoundingClientRect();
    return bottom > 0 && top < innerHeight && !section.classList.contains('gm-filled'); })"""


def fill_view(browser: Browser, address: str, key: str) -> float:
    """Seconds from the address until every section on the screen has its picture."""
    start = time.perf_counter()
    with visited(browser, f"{address}/?tab={key}") as page:
        page.wait_for_selector(".gm-section.gm-filled")
        page.wait_for_function(WAITS)
        return time.perf_counter() - start


def sent(browser: Browser, address: str, path: str) -> int:
    """Bytes of the document, our scripts and style sheets as they were sent."""
    with visited(browser, address + path) as page:
        page.wait_for_selector(".gm-section.gm-filled")
        return int(page.evaluate(OWN))


def measure_moves(browser: Browser, address: str, key: str) -> None:
    """A line per section of a tab whose sliders answer at once."""
    with visited(browser, f"{address}/?tab={key}") as page:
        page.wait_for_selector(".gm-section.gm-filled")
        page.evaluate(LISTEN)
        for section in page.query_selector_all(".gm-section"):
            slider = section.query_selector("input[type=range]:not([aria-label])")
            if slider is None or not slider.is_visible() or section.query_selector("button.gm-primary"):
                continue
            section.scroll_into_view_if_needed()
            page.wait_for_function("(s) => s.classList.contains('gm-filled')", arg=section)
            times, busy = moves(page, slider)
            p95 = statistics.quantiles(times, n=20)[-1]
            name = (section.get_attribute("id") or "").removeprefix("section-")
            print(
                f"| `{name}`: move → picture, median / p95; main thread | {median(times):.0f} / {p95:.0f}; {busy:.0f} ms |",
                flush=True,
            )


def moves(page: Page, slider: Any) -> tuple[list[float], float]:
    """Milliseconds from each of some keys to its picture, and the main thread's per move."""
    slider.focus()
    page.wait_for_timeout(400)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    before, times = task_seconds(session), []
    ways = ("ArrowLeft", "ArrowRight") if slider.evaluate("s => s.value === s.max") else ("ArrowRight", "ArrowLeft")
    for i in range(MOVES):
        start = page.evaluate(NEXT)
        page.keyboard.press(ways[i % 2])
        times.append(page.evaluate("next.then(() => seen.at(-1)[1])") - start)
    return times, 1000 * (task_seconds(session) - before) / MOVES


def task_seconds(session: Any) -> float:
    found = session.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in found if metric["name"] == "TaskDuration")


def draw_once(browser: Browser, address: str) -> Iterator[str]:
    """Lines for the drawing that all families see: milliseconds from the end of a stroke to what they answer at once, and
    from the last one to all that takes many steps."""
    for data in DATA:
        with visited(browser, f"{address}/?tab=overview&section=see&data={data}") as page:
            page.evaluate(LISTEN)
            canvas = page.locator("gm-see .gm-pad-canvas")
            canvas.scroll_into_view_if_needed()
            page.wait_for_function("seen.some(([name]) => name === 'overview.fill')")
            box: Any = canvas.bounding_box()
            at_once, rest = [], []
            for i in range(MOVES):
                page.evaluate("() => { seen.length = 0; }")
                page.mouse.move(box["x"] + box["width"] * (0.3 + 0.03 * i), box["y"] + box["height"] * 0.3)
                page.mouse.down()
                page.mouse.move(box["x"] + box["width"] * (0.6 - 0.03 * i), box["y"] + box["height"] * 0.6, steps=3)
                start = page.evaluate("performance.now()")
                page.mouse.move(box["x"] + box["width"] * (0.6 - 0.03 * i), box["y"] + box["height"] * 0.7)
                page.mouse.up()
                page.wait_for_function(ANSWERED, arg=start)
                times = dict(page.evaluate("seen"))
                at_once.append(times["overview.see"] - start)
                rest.append(times["overview.fill"] - start)
            for what, found in (("all families at once", at_once), ("the rest of all", rest)):
                p95 = statistics.quantiles(found, n=20)[-1]
                yield f"| a stroke of {data} → {what}, median / p95 | {median(found):.0f} / {p95:.0f} ms |"


def watch_work(browser: Browser, address: str) -> Iterator[str]:
    """Lines for what comes step by step: milliseconds from the button to the first and the last answer."""
    for tab in spec(address)["tabs"]:
        with visited(browser, f"{address}/?tab={tab['key']}") as page:
            page.evaluate(LISTEN)
            for key in [section["key"] for section in tab["sections"] if section["work"] and section["lane"] in LANES]:
                section = page.locator(f"[id='section-{key}']")
                section.scroll_into_view_if_needed()
                button, stop = (
                    section.get_by_role("button").filter(has_text=RUN),
                    section.get_by_role("button", name="Stop"),
                )
                if button.count() == 0:
                    continue
                timed = [one_run(page, section, button.first, stop.first, key) for _ in range(RUNS)]
                first, last = (median(times) for times in zip(*timed, strict=True))
                yield f"| `{key}`: first / all, median | {first:.0f} / {last:.0f} ms |"


def stop_solvers(browser: Browser, address: str) -> float:
    """Milliseconds from Stop, in the middle of the grid of solvers, to the answer of another section's slider."""
    with visited(browser, f"{address}/?tab=diffusion&section=solvers") as page:
        page.wait_for_selector(".gm-section.gm-filled")
        page.evaluate(LISTEN)
        grid = page.locator("[id='section-diffusion.solvers']")
        slider = page.locator("[id='section-diffusion.noise'] input[type=range]").first
        times = []
        for i in range(RUNS):
            page.evaluate("() => { seen.length = 0; }")
            grid.get_by_role("button", name="Compare").click()
            page.wait_for_function("seen.length > 4")
            page.evaluate("() => { seen.length = 0; window.pressed = performance.now(); }")
            grid.get_by_role("button", name="Stop").click()
            slider.press(("ArrowRight", "ArrowLeft")[i % 2])
            page.wait_for_function("seen.some(([section]) => section === 'diffusion.noise')")
            times.append(page.evaluate("seen.find(([section]) => section === 'diffusion.noise')[1] - pressed"))
        return median(times)


RUN = re.compile(r"^(Generate|Write|Finish|Fill|Draw|Compare|Denoise|Run|Walk)")


def one_run(page: Page, section: Any, button: Any, stop: Any, key: str) -> tuple[float, float]:
    """Milliseconds from the press to the first and the last answer of a work section."""
    page.wait_for_function("(e) => !e || e.disabled", arg=stop.element_handle())
    page.evaluate("() => { seen.length = 0; }")
    start = page.evaluate("performance.now()")
    button.click()
    page.wait_for_function("(e) => seen.length > 0 && e.disabled", arg=stop.element_handle())
    times = [at for name, at in page.evaluate("seen") if name == key]
    return times[0] - start, times[-1] - start


if __name__ == "__main__":
    main()
