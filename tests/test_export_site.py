"""The page without a server: a folder served by Python's own server, in a real Chromium that reaches no other host."""

import base64
import contextlib
import gzip
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import ROOT, forget, free_port, one_of_each_pair, script, serving, wait_until_served
from huggingface_hub import SpaceCard
from playwright.sync_api import expect
from test_browser import CHROMIUM, PATIENCE, SIZES, Browser, Page, browser, pytestmark, section  # noqa: F401
from torch import Tensor

from genmodels.__main__ import main
from genmodels.export_site import FILL, LOCAL, PARTS, POLICY, READINGS, SEE, SOLVERS, export_site, offered
from genmodels.models import pipeline
from genmodels.tabs import page as laid_out
from genmodels.wrappers import overview

pytest.importorskip("onnxscript", reason="exporting needs the extra 'export'")

#: Of npm's package onnxruntime-web, as an installed folder; else npm fetches it.
RUNTIME = os.environ.get("ONNXRUNTIME_WEB")
needs_runtime = pytest.mark.skipif(not (RUNTIME or shutil.which("npm")), reason="no npm to fetch the runtime")
LEVELS = 2  # of 256, by which a picture may differ from the server's
QUICK = {
    "models": ["ae-mnist", "vae2d-mnist", "gan-mnist", "pixelcnn-mnist", "diffusion-mnist-fast"],
    "sections": [
        "overview.see",
        "vae.map",
        "gan.generate",
        "gan.mix",
        "gan.critic",
        "pixelcnn.write",
        "diffusion.generate",
    ],
}
PICTURES = ("#3", "#-1", "#7", "#-4", "#1")
#: Those whose answers come as fast as the machine is: the last one has it all.
AS_IT_COMES = ("pixelcnn.write", "pixelcnn.finish")
#: One model for each section that takes no seed from the page, and the values that are asked for besides.
ASKED: dict[str, dict[str, Any]] = {
    "vae.map": {"x": 0.4, "y": -1.2},
    "vae.where": {"picture": "#3"},
    "vae.knobs": {"values": [1, -2, 0.5], "swept": 2},
    "vae.walk": {"first_label": "1", "last_label": "8"},
    "flow.generate": {"guidance_scale": 1.5},
    "flow.layers": {"guidance_scale": 2},
    "gan.critic": {"picture": "#-2"},
    "autoencoder.bottleneck": {"sigma": 0.4, "hidden": "lower half"},
    "pixelcnn.expect": {"x": 13, "y": 9},
    "pixelcnn.write": {"n": 2},
    "pixelcnn.finish": {"n": 2, "label": "8"},
    "diffusion.generate": {"n": 2},
    "diffusion.noise": {"t": 0.33, "n": 2},
    "diffusion.denoise": {"t": 0.5, "n": 2},
}
OPEN = script("measure_site").OPEN
ASK = "([key, state]) => backend.ask(key, state)"
FOLLOW = "async ([key, state]) => { const all = []; for await (const one of backend.follow(key, state)) all.push(one); return all; }"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site") / "quick"
    export_site(out, QUICK["sections"], models=QUICK["models"], runtime=RUNTIME)
    return out


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with served(folder) as found:
        yield found


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """By Python's own server, which compresses nothing."""
    port, unread = free_port(), subprocess.DEVNULL  # what it logs: in a pipe that is full it would wait for a reader
    command = [sys.executable, "-m", "http.server", str(port), "-d", str(folder), "-b", "127.0.0.1"]
    with subprocess.Popen(command, stdout=unread, stderr=unread) as process:
        try:
            wait_until_served(f"http://127.0.0.1:{port}/", process)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()


@contextlib.contextmanager
def strictly_served(folder: Path) -> Iterator[str]:
    """The same with the header that the README names."""
    with serving(folder, Content_Security_Policy=POLICY) as found:
        yield found


class Visit:
    """A page, what its console complained of, and what was asked of other hosts."""

    def __init__(self, browser: Browser, hosts: Sequence[str], size: str = "desk", **options: Any) -> None:  # noqa: F811
        width, height = SIZES[size]
        phone = {"has_touch": True, "is_mobile": True} if size != "desk" else {}
        self.context = browser.new_context(viewport={"width": width, "height": height}, **phone, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        self.complaints: list[str] = []
        self.bytes = 0
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "request",
            lambda one: None if one.url.startswith((*hosts, "blob:", "data:")) else self.complaints.append(one.url),
        )
        self.page.on("response", lambda one: self._add(int(one.headers.get("content-length", 0))))

    def _add(self, count: int) -> None:
        self.bytes += count


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Callable[..., Visit]]:  # noqa: F811
    """visit(path, size): a page of the folder; without complaints unless some are expected."""
    visits: list[tuple[Visit, bool]] = []

    def open_page(
        path: str = "",
        size: str = "desk",
        at: str = address,
        hosts: Sequence[str] = (),
        quiet: bool = True,
        **options: Any,
    ) -> Visit:
        made = Visit(browser, (at, *hosts), size, **options)
        visits.append((made, quiet))
        made.page.goto(at + path)
        return made

    yield open_page
    for made, quiet in visits:
        made.context.close()
        assert not (quiet and made.complaints)


# -- the same answers --------------------------------------------------------------------------------------------------


def compare(mine: Any, server: Any, path: str = "") -> None:
    """Pictures up to LEVELS of 256, numbers up to rounding, words but for milliseconds."""
    if isinstance(server, dict) and server.keys() == {"pixels", "shape"}:
        assert mine["shape"] == server["shape"], path
        one, other = (np.frombuffer(base64.b64decode(a["pixels"]), np.uint8).astype(int) for a in (mine, server))
        assert np.abs(one - other).max() <= LEVELS, path
    elif isinstance(server, dict):
        keys = {key for key in server if not key.startswith("ms")}
        assert {key for key in mine if not key.startswith("ms")} - {"complete"} == keys, path
        for key in keys:
            if key == "bits" and isinstance(server[key], str):  # bytes
                compare({"pixels": mine[key], "shape": []}, {"pixels": server[key], "shape": []}, f"{path}.{key}")
            else:
                compare(mine[key], server[key], f"{path}.{key}")
    elif isinstance(server, list):
        assert len(mine) == len(server), path
        for i, (one, other) in enumerate(zip(mine, server, strict=True)):
            compare(one, other, f"{path}[{i}]")
    elif isinstance(server, (int, float)) and not isinstance(server, bool):
        # of a few hundred test images one may be on the other side of what float16 rounds
        assert mine == pytest.approx(server, rel=2e-3, abs=0.3 if path.endswith("percent") else 2e-3), path
    elif isinstance(server, str):
        assert re.sub(r"\d+ ms", "", mine) == re.sub(r"\d+ ms", "", server), path
    else:
        assert mine == server, path


def check_readings(page: Page, mine: Any, state: overview.SeeState, key: str) -> None:
    """What each family makes of a drawing, by the models that the folder has; what isn't there is said."""
    for family, one in page.evaluate("data => backend.site.readings[data]", state.data).items():
        reader, part = overview.readers()[family], mine["families"].get(family)
        if key == SEE:
            assert part.pop("note", "") == one.get("lacks", "")
            compare(part, plain(reader.at_once(one["model"], state)), f"{family} {state.picture[:20]}")
        elif "then" in one:
            whole: dict[str, Any] = {}
            for told in reader.then(one["model"], state):
                whole |= {} if "progress" in told else told
            compare(part, plain(whole), f"{family} {state.picture[:20]}")
        assert reader.then is None or "then" in one or one["lacks"]


def plain(answer: Any) -> Any:
    return json.loads(json.dumps(answer))


def check_equal(page: Page, key: str, model: str, seed: int) -> None:
    found = laid_out.sections()[key]
    subject = next(told for told, name in found.State.subjects(found.models()).items() if name == model)
    state = {found.State.subject: subject} | ASKED.get(key, {})
    seeds = [one for one, kind in found.State.kinds().items() if type(kind).__name__ == "Seed"]
    state |= {one: seed + 7 * i for i, one in enumerate(seeds)}
    if (not seeds or key in (SEE, FILL)) and "picture" in found.State.kinds():
        state["picture"] = PICTURES[seed % 7 % len(PICTURES)]
    mine = page.evaluate(FOLLOW if found.work else ASK, [key, state])
    if key in (SEE, FILL):
        return check_readings(page, mine[-1] if found.work else mine, found.parse(state), key)
    answer = found.answer(found.parse(state))
    if key in AS_IT_COMES:
        mine, answer = mine[-1:], list(answer)[-1:]
    server = [getattr(one, "new", one) for one in answer] if found.work else answer
    compare(mine, json.loads(json.dumps(server)), f"{key} {state}")


@needs_runtime
@pytest.mark.parametrize(
    ("key", "model"),
    [
        ("vae.map", "vae2d-mnist"),
        ("gan.generate", "gan-mnist"),
        ("pixelcnn.write", "pixelcnn-mnist"),
        (SEE, "ae-mnist"),
        (FILL, "ae-mnist"),
        ("diffusion.generate", "diffusion-mnist-fast"),
    ],
)
def test_the_browser_computes_what_the_server_does(visit: Callable[..., Visit], key: str, model: str) -> None:
    page = visit("README.md", quiet=False).page  # any document
    page.evaluate(OPEN)
    for seed in (12345, 5) if key == FILL else (0, 5, 12345, 2**31 - 50):
        check_equal(page, key, model, seed)


SOLVE = """async ([name, count, ends, strength, x]) => {
    const { solver } = await import('/local/solvers.js');
    const steps = solver(name, count, ends, strength);
    for (const [i, t] of steps.ts.entries()) {
        const [alpha] = steps.level(i);
        x = steps.step(x, x.map((value) => Math.tanh(2 * alpha * value + t / 1000 - 0.5)));
    }
    return [steps.ts, x];
}"""


@pytest.mark.parametrize(("ends", "strength"), [((1.0, 1.0), 1.0), ((0.5, 0.3), 1.0), ((0.5, 0.3), 0.61)])
def test_solvers_take_the_servers_steps(browser: Browser, ends: tuple[float, float], strength: float) -> None:  # noqa: F811
    """Of whatever sizes, to the same numbers."""
    start = [-1.5, -0.2, 0.4, 2.0]

    def predict(noisy: Tensor, t: float) -> Tensor:
        asked.append(t)
        angle = float(pipeline._between(torch.tensor(t, dtype=torch.float64)))
        clean = (2 * math.cos(angle) * noisy + t / 1000 - 0.5).tanh()
        return (math.cos(angle) * noisy - clean) / math.sin(angle)

    with served(ROOT / "genmodels/web") as address:
        page = browser.new_page()
        page.goto(f"{address}local/theme.css")
        for name in SOLVERS:
            asked: list[float] = []
            ts, found = page.evaluate(SOLVE, [name, 9, ends, strength, start])
            *_, last = pipeline.denoise(
                predict, pipeline.make_scheduler(name), lambda alpha, sigma: torch.tensor(start, dtype=torch.float64).view(-1, 1, 1, 1),
                9, generator=None, strength=strength, step_ends=ends,
            )  # fmt: skip
            assert ts == pytest.approx(asked, abs=1e-6), name
            assert [min(max(x, -1), 1) for x in found] == pytest.approx(last.clean.flatten().tolist(), abs=1e-4), name
        page.close()


@needs_runtime
@pytest.mark.slow
def test_every_section_computes_what_the_server_does(browser: Browser, tmp_path: Path) -> None:  # noqa: F811
    """For one model of each section, and one whose guidance has an interval, and five seeds."""
    models = {key: [name for name in laid_out.sections()[key].models() if LOCAL[key].models(name)][:1] for key in LOCAL}
    models["diffusion.generate"].append("diffusion-heroes")
    names = sorted({name for some in models.values() for name in some})
    export_site(tmp_path / "site", models=names, runtime=RUNTIME)
    with served(tmp_path / "site") as address:
        page = Visit(browser, [address]).page
        page.goto(f"{address}README.md")
        page.evaluate(OPEN)
        for key, some in models.items():
            for name in some:
                for seed in range(5):
                    check_equal(page, key, name, 1000 * seed)


@needs_runtime
@pytest.mark.slow
def test_a_model_of_one_s_own(
    browser: Browser,  # noqa: F811
    image_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Trained a moment ago on a folder of pictures."""
    small = ["steps=1", "batch_size=4", "latent_dim=4", "widths=[4,8]", "prior_layers=2", "prior_width=8"]
    run = tmp_path / "my run #1"
    assert (
        main(["train", "vae", "--data", str(image_folder), "--out", str(run), "--shape", "1,8,8", "--set", *small]) == 0
    )
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(run))
    forget()
    name = next(name for name in laid_out.sections()["vae.generate"].models() if "my run" in name)
    export_site(tmp_path / "site", ["vae.generate", "vae.walk"], models=[name], runtime=RUNTIME)
    with served(tmp_path / "site") as address:
        page = Visit(browser, [address]).page
        page.goto(f"{address}README.md")
        page.evaluate(OPEN)
        for key in ("vae.generate", "vae.walk"):
            found = laid_out.sections()[key]
            mine = page.evaluate(ASK, [key, {"model": name}])
            compare(mine, json.loads(json.dumps(found.answer(found.parse({"model": name})))))
    forget()


# -- the page ----------------------------------------------------------------------------------------------------------


@needs_runtime
@one_of_each_pair(("size", ("desk", "phone")), ("theme", ("light", "dark")))
def test_every_tab(visit: Callable[..., Visit], folder: Path, size: str, theme: str) -> None:
    """All sections have their pictures, under the strictest header; a phone waits for a tap before it loads a model."""
    with strictly_served(folder) as address:
        seen = visit("", size, at=address, color_scheme=theme)
        for key in QUICK["sections"]:
            seen.page.goto(f"{address}?tab={key.partition('.')[0]}")
            section(seen.page, key)
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert ("dark" in (seen.page.locator("body").get_attribute("class") or "")) == (theme == "dark")
        seen.context.close()


@needs_runtime
def test_a_phone_loads_nothing_large_before_a_tap(visit: Callable[..., Visit]) -> None:
    seen = visit("?tab=gan", "phone")
    found = section(seen.page, "gan.generate")
    button = found.get_by_role("button", name=re.compile(r"Load the model \(\d\.\d MB\)"))
    button.wait_for()
    seen.page.wait_for_timeout(300)
    assert 50_000 < seen.bytes < 300_000
    before = found.locator("canvas").first.evaluate("canvas => canvas.toDataURL()")
    button.click()
    found.get_by_text("Computed in this browser").wait_for()
    found.locator("select").first.select_option("7")
    seen.page.wait_for_function(
        "(before) => document.querySelector('#section-gan\\\\.generate canvas').toDataURL() !== before", arg=before
    )
    assert seen.bytes > 4_000_000


DRAWN = """() => ({ families: Object.fromEntries(Object.entries(document.querySelector('gm-see').cards).map(([key, card]) =>
    [key, [card.words.textContent, card.trouble.textContent, card.slots.every(({ element }) => element.className === 'gm-known')]])),
    state: document.querySelector('gm-see').asked })"""


@needs_runtime
@pytest.mark.parametrize(("size", "theme"), [("desk", "dark"), ("phone", "light")])
def test_one_drawing_is_read_by_all_families(visit: Callable[..., Visit], size: str, theme: str) -> None:
    """Of the first example it is known; a stroke has the models loaded, on a phone after a tap, and each says what a server says."""
    seen = visit("?tab=overview", size, color_scheme=theme)
    page, found = seen.page, section(seen.page, SEE)
    assert seen.bytes < 300_000
    assert page.workers == []
    pad = found.locator(".gm-pad-canvas")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.8, steps=4)
    page.mouse.up()
    if size == "phone":
        found.get_by_role("button", name=re.compile(r"Load the models \(\d\d\.\d MB\)")).click()
    found.get_by_text("Computed in this browser").wait_for()
    page.wait_for_function(f"() => Object.values(({DRAWN})().families).every(([words, , known]) => words && known)")
    page.wait_for_function("() => document.querySelector('gm-see').spoken.textContent")
    told = page.evaluate(DRAWN)
    assert len(page.workers) == 1
    state = laid_out.sections()[SEE].parse(told["state"])
    models = json.loads(gzip.decompress(page.request.get(f"{page.url.split('?')[0]}site.json.gz").body()))["readings"]
    for family, (words, trouble, _) in told["families"].items():
        reader, model = overview.readers()[family], models["mnist"][family]["model"]
        parts = [
            reader.at_once(model, state),
            *(reader.then(model, state) if "then" in models["mnist"][family] else []),
        ]
        assert not trouble
        assert words == [part["words"] for part in parts if part.get("words")][-1].replace("**", "")
    found.get_by_text("takes gradients to find").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_accessible(page)


@needs_runtime
def test_a_family_whose_model_is_missing_leaves_the_others_alone(browser: Browser, address: str) -> None:  # noqa: F811
    seen = Visit(browser, [address])
    seen.context.route(re.compile(r"models/gan-mnist\.realism.*"), lambda route: route.fulfill(status=404))
    seen.page.goto(f"{address}?tab=overview&section=see&picture=%233")
    found = section(seen.page, SEE)
    found.get_by_text("The model gan-mnist is missing on this host (404).").wait_for()
    found.get_by_text(re.compile("nearest test images are")).wait_for()
    seen.context.close()


@needs_runtime
def test_a_link_of_the_app_shows_the_same_picture(visit: Callable[..., Visit]) -> None:
    state = {"model": "gan-mnist", "seed": 77, "label": "3", "n": 4, "truncation_psi": 0.5}
    weights = laid_out.spec()["facts"]["gan-mnist"]["weights"]
    query = "&".join(f"{key}={value}" for key, value in (state | {"model": f"gan-mnist@{weights}"}).items())
    page = visit(f"?tab=gan&section=generate&{query}").page
    found = section(page, "gan.generate")
    found.get_by_text(re.compile(r"4 pictures in \d+ ms")).wait_for()
    section_ = laid_out.sections()["gan.generate"]
    expected = section_.answer(section_.parse(state))["samples"]
    compare(page.evaluate("document.getElementById('section-gan.generate').answer.samples"), expected)
    assert page.evaluate("document.getElementById('section-gan.generate').whole().seed") == "77"


@needs_runtime
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("seed=9&label=seven", "Choose a class: each in turn, 0, 1,"),
        ("seed=1.5", "The seed must be a whole number from 0 to 2147483647, not 1.5."),
        ("sead=1", 'There is no key "sead"; the keys are model, label, seed, n, truncation_psi.'),
        ("model=gan-cats", 'There is no model "gan-cats" here; the models are gan-mnist.'),
        ("model=gan-mnist@abcdef", "This was made with other weights of gan-mnist (abcdef)"),
    ],
)
def test_a_tampered_link_is_told_in_one_sentence(visit: Callable[..., Visit], query: str, said: str) -> None:
    found = section(visit(f"?tab=gan&section=generate&{query}").page, "gan.generate")
    visible = found.locator(".gm-trouble", has_text=said).or_(found.page.locator(".gm-trouble", has_text=said))
    visible.first.wait_for()


NO_WASM = "delete globalThis.WebAssembly;"
NO_SIMD = "WebAssembly.validate = () => false;"


@needs_runtime
@pytest.mark.parametrize(
    ("script", "missing", "said"),
    [
        (NO_WASM, "", "This browser has no WebAssembly"),
        (NO_SIMD, "", "lacks SIMD"),
        ("", r"models/gan-mnist\.styles.*", "The model gan-mnist is missing on this host (404)."),
        ("", r"runtime/ort\.wasm\.gz", "The runtime is damaged or was cut off."),
    ],
)
def test_what_can_not_be_computed_is_told_in_one_sentence(
    browser: Browser,  # noqa: F811
    address: str,
    folder: Path,
    script: str,
    missing: str,
    said: str,
) -> None:
    """And the rest of the page lives: what was computed beforehand is there."""
    seen = Visit(browser, [address])
    seen.page.add_init_script(script)
    if missing:
        cut = (folder / "runtime/ort.wasm.gz").read_bytes()[:1_000_000] if "wasm" in missing else None
        told = {"status": 404} if cut is None else {"body": cut}
        seen.context.route(re.compile(missing), lambda route: route.fulfill(**told))
    seen.page.goto(f"{address}?tab=gan")
    found = section(seen.page, "gan.generate")
    found.locator("select").first.select_option("7")
    found.locator(".gm-trouble", has_text=said).wait_for()
    section(seen.page, "gan.critic")
    seen.context.close()


@needs_runtime
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_nothing_stands_in_the_way_of_a_screen_reader(visit: Callable[..., Visit], size: str) -> None:
    page = visit("?tab=gan", size).page
    section(page, "gan.critic")
    check_accessible(page)


def check_accessible(page: Page) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    assert found.violations_count == 0, found.generate_report()


# -- the folder --------------------------------------------------------------------------------------------------------


@needs_runtime
def test_the_folder_is_a_static_space(folder: Path) -> None:
    card = SpaceCard.load(folder / "README.md")
    assert card.data.sdk == "static"
    assert card.data.app_file == "index.html"
    assert len(card.data.short_description) <= 60
    site = json.loads(gzip.decompress((folder / "site.json.gz").read_bytes()))
    assert [one["key"] for tab in site["spec"]["tabs"] for one in tab["sections"]] == QUICK["sections"]
    for path, size in site["sizes"].items():
        assert (folder / path).stat().st_size == size
    for name in QUICK["models"]:
        assert sum(file.stat().st_size for file in (folder / "models").glob(f"{name}.*")) <= 6_000_000
    assert sum(file.stat().st_size for file in (folder / "runtime").iterdir()) <= 4_000_000
    html = (folder / "index.html").read_text("utf-8")
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", html)
    assert all((folder / name).is_file() for name in re.findall(r'(?:src|href)="([^"]+)"', html))


@needs_runtime
def test_what_is_there_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run exports nothing again, and removes what the sections don't need any more."""
    monkeypatch.setattr("genmodels.export.export", lambda *_: pytest.fail("it was exported again"))
    out = folder.parent / "again"
    shutil.copytree(folder, out)
    made = export_site(out, ["gan.generate"], models=["gan-mnist"], runtime=RUNTIME)
    kept = {file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file()}
    assert kept == {one.path for one in made}
    assert not [name for name in kept if "vae2d" in name or "realism" in name]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--sections", "gan.spot"],
            "There is no section 'gan.spot' for a page without a server; there are overview.see, autoencoder.",
        ),
        (
            ["--sections", "vae.map", "--models", "vae2d-mnist", "gan-cats"],
            "These sections have no model 'gan-cats'; theirs are vae2d-fashion-mnist, vae2d-mnist.",
        ),
        (["--runtime", "."], "is not npm's package onnxruntime-web: it has no package.json."),
    ],
)
def test_what_can_not_be_is_refused(tmp_path: Path, monkeypatch, capsys, arguments: list[str], said: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export-site", "site", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, capsys) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert main(["export-site", str(tmp_path)]) == 2
    assert "holds something else; choose a new folder, or one that export-site made." in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_header_is_documented() -> None:
    assert POLICY in (ROOT / "docs/hosting.md").read_text("utf-8")


def test_every_section_that_is_offered_is_computed() -> None:
    """web/local knows each, and each is a section of the app."""
    scripts = "\n".join(
        file.read_text("utf-8") for file in (Path(laid_out.__file__).parents[1] / "web/local").glob("*.js")
    )
    for key, one in LOCAL.items():
        assert f"'{key}': " in scripts
        assert laid_out.sections()[key].hidden == bool(one.within)
    assert set(offered()) == {key for key, one in LOCAL.items() if not one.within}
    assert set(READINGS) == {reader.at_once.__name__ for reader in overview.READERS}
    assert all(f"'{key}': " in scripts for key in PARTS.keys() - {"see.map"})


# -- in articles -------------------------------------------------------------------------------------------------------

ARTICLE = ROOT / "docs/article.html"
STATES = "() => [...document.querySelectorAll('.demo')].map((demo) => demo.shadowRoot?.querySelector('.gm-section')?.className ?? '')"


@pytest.fixture(scope="module")
def article(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The article beside the folder, as the address of both."""
    place = tmp_path_factory.mktemp("article")
    shutil.copy(ARTICLE, place / "index.html")
    (place / "site").symlink_to(folder, target_is_directory=True)
    with served(place) as found:
        yield found


@needs_runtime
@pytest.mark.parametrize(("size", "theme"), [("desk", "light"), ("phone", "dark")])
def test_an_article_with_five_elements(visit: Callable[..., Visit], article: str, size: str, theme: str) -> None:
    """They are drawn when they come near, in the article's colours; all share one runtime."""
    seen = visit("", size, at=article, color_scheme=theme)
    asked: list[str] = []
    seen.page.on("request", lambda one: asked.append(one.url))
    demos = seen.page.locator(".demo")
    assert demos.count() == 5
    for i in range(5):
        demos.nth(i).scroll_into_view_if_needed()
        expect(demos.nth(i).locator(".gm-section")).to_have_class(re.compile(r"\bgm-filled\b"))
    assert demos.first.locator("gm-page").evaluate("page => getComputedStyle(page).colorScheme") == theme
    assert len([url for url in asked if "ort.wasm" in url]) == (1 if size == "desk" else 0)
    check_accessible(seen.page)
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@needs_runtime
@pytest.mark.slow
def test_what_is_published(visit: Callable[..., Visit], folder: Path, tmp_path: Path) -> None:
    """By the script of the workflow: the page, and the article beside it."""
    out = tmp_path / "public"
    shutil.copytree(folder, out)
    arguments = [
        "--models",
        *QUICK["models"],
        "--sections",
        *QUICK["sections"],
        *(["--runtime", RUNTIME] if RUNTIME else []),
    ]
    subprocess.run(
        ["bash", ROOT / ".ci/pages", out, *arguments], check=True, env=os.environ | {"PYTHON": sys.executable}
    )
    with served(out) as address:
        section(visit("?tab=overview", at=address).page, SEE)
        demo = visit("article.html", at=address).page.locator("gm-map")
        expect(demo.locator(".gm-section")).to_have_class(re.compile(r"\bgm-filled\b"))


@needs_runtime
def test_attributes_are_the_state_and_changes_are_told(visit: Callable[..., Visit], article: str) -> None:
    page = visit("", at=article).page
    page.evaluate(
        "addEventListener('gm-change', ({ target, detail }) => (window.told = { ...detail, by: target.localName }))"
    )
    demo = page.locator("gm-gan-generate")
    demo.scroll_into_view_if_needed()
    expect(demo.locator(".gm-section")).to_have_class(re.compile(r"\bgm-filled\b"))
    demo.evaluate("demo => demo.setAttribute('seed', 11)")
    page.wait_for_function(
        "window.told?.by === 'gm-gan-generate' && told.state.seed === 11 && told.state.label === '7'"
    )
    found = laid_out.sections()["gan.generate"]
    expected = found.answer(found.parse({"model": "gan-mnist", "seed": 11, "label": "7"}))["samples"]
    shown = demo.evaluate("demo => demo.shadowRoot.querySelector('.gm-section').answer.samples")
    compare(shown, expected)
    demo.evaluate("demo => demo.setAttribute('label', 'seven')")
    demo.locator(".gm-trouble", has_text="Choose a class: each in turn, 0, 1,").wait_for()
    demo.evaluate("demo => demo.setAttribute('theme', 'dark')")
    expect(demo.locator(".dark gm-page")).to_have_count(1)


@needs_runtime
def test_what_the_page_gives_to_paste_works(visit: Callable[..., Visit], address: str) -> None:
    """Two lines: the section as it is now, without a frame."""
    page = visit("?tab=gan&section=generate&model=gan-mnist&seed=77&label=3&n=4").page
    found = section(page, "gan.generate")
    found.get_by_text(re.compile(r"4 pictures in")).wait_for()
    found.get_by_role("button", name="Embed").click()
    text = found.get_by_role("textbox", name="An element of the article itself").input_value()
    assert text.splitlines()[0] == f'<script type="module" src="{address}genmodels.js"></script>'
    shown = found.evaluate("section => section.answer.samples")
    pasted = f"<!doctype html><html lang=en><title>An article</title><link rel=icon href=data:,>{text}"
    page.route("**/pasted.html", lambda route: route.fulfill(body=pasted, content_type="text/html"))
    page.goto(f"{address}pasted.html")
    demo = page.locator("gm-gan-generate")
    expect(demo.locator(".gm-section")).to_have_class(re.compile(r"\bgm-filled\b"))
    demo.get_by_text(re.compile(r"4 pictures in")).wait_for()
    assert demo.evaluate("demo => demo.shadowRoot.querySelector('.gm-section').answer.samples") == shown


@needs_runtime
def test_an_article_on_another_host(visit: Callable[..., Visit], folder: Path, tmp_path: Path) -> None:
    """The worker's script is another origin's there, and starts from a blob."""
    with serving(folder, Access_Control_Allow_Origin="*") as elsewhere:
        text = ARTICLE.read_text("utf-8").replace("site/genmodels.js", f"{elsewhere}genmodels.js")
        (tmp_path / "index.html").write_text(text, encoding="utf-8")
        with served(tmp_path) as here:
            page = visit("", at=here, hosts=(elsewhere,)).page
            demo = page.locator("gm-gan-generate")
            demo.scroll_into_view_if_needed()
            expect(demo.locator(".gm-section")).to_have_class(re.compile(r"\bgm-filled\b"))
            link = demo.get_by_role("link", name="open the whole page").get_attribute("href")
            assert link is not None
            assert link.startswith(elsewhere)
