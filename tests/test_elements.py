"""The elements' modules alone, in a real browser and without the app: bytes, pictures, PNG text, addresses, asking,
controls."""

import base64
import http.server
import io
import json
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import quote_plus

import numpy as np
import pytest
from helpers import ROOT
from PIL import Image
from test_browser import CHROMIUM, browser  # noqa: F401  a fixture

from genmodels.real_images import real_images
from genmodels.tabs import page as laid_out
from genmodels.wrappers import experiment_results
from genmodels.wrappers.experiment_results import ResultsState
from genmodels.wrappers.packing import unpacked
from genmodels.wrappers.section import Section

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")]
ELEMENTS = ROOT / "genmodels/web/elements"


@pytest.fixture(scope="module")
def run(browser: Any) -> Iterator[Any]:  # noqa: F811
    """run(module, body): what an async function with this body returns, in a page that has the module's names as `m`."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(ELEMENTS)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}/page.css")

    def call(module: str, body: str) -> Any:
        return page.evaluate(f"async () => {{ const m = await import('/{module}'); {body} }}")

    yield call
    page.close()
    server.shutdown()
    server.server_close()


def test_bytes_travel_as_base64(run):
    sent = bytes(range(256)) * 50
    code = base64.b64encode(sent).decode()
    assert run("bytes.js", f"return m.textOf(m.bytesOf('{code}')) === '{code}' && m.bytesOf('{code}').length") == len(
        sent
    )
    assert run("bytes.js", "return m.bytesOf('').length") == 0


@pytest.mark.parametrize(
    ("n", "columns"), [(1, 1), (2, 2), (3, 2), (6, 3), (8, 4), (7, 3), (10, 5), (12, 4), (15, 5), (16, 4)]
)
def test_sheets_without_holes(run, n, columns):
    assert run("picture.js", f"return m.columnsFor({n})") == columns


def test_a_sheet_shows_its_pictures(run):
    """Two grey pictures of 2x2 side by side, two points apart, and one of colour alone."""
    grey = base64.b64encode(bytes([0, 50, 100, 150, 200, 210, 220, 230])).decode()
    draw = f"""
        const canvas = document.createElement('canvas');
        const sheet = m.drawSheet(canvas, {{ pixels: '{grey}', shape: [2, 1, 2, 2] }});
        const at = (x, y) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data];
        return [canvas.width, canvas.height, sheet.columns, at(1, 0), at(4, 0), at(5, 1), at(2, 0)];
    """
    assert run("picture.js", draw) == [
        6,
        2,
        2,
        [50, 50, 50, 255],
        [200, 200, 200, 255],
        [230, 230, 230, 255],
        [0, 0, 0, 0],
    ]
    take = f"const p = m.pictureAt({{ pixels: '{grey}', shape: [2, 1, 2, 2] }}, 1); return [[...p.pixels], p.shape];"
    assert run("picture.js", take) == [[200, 210, 220, 230], [1, 2, 2]]


def test_a_png_says_how_it_was_made_in_any_script(run):
    """Written by the browser; read back by the browser and by Pillow."""
    write = """
        const canvas = Object.assign(document.createElement('canvas'), { width: 3, height: 2 });
        const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
        const png = m.withText(new Uint8Array(await blob.arrayBuffer()), { class: 'café 日本語 🎲', seed: 5, model: 'vae-mnist' });
        return [btoa(String.fromCharCode(...png)), m.textOfPng(png)];
    """
    text, read = run("png.js", write)
    wanted = {"class": "café 日本語 🎲", "seed": "5", "model": "vae-mnist"}
    assert read == wanted
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        image.load()
        assert image.size == (3, 2)
        assert dict(image.text) == wanted


SECTIONS = [section for section in laid_out.sections().values() if section.is_ready]


def named(section: Section, model: str) -> dict[str, str]:
    """The first key of a state that is fitted to this model, if it has one."""
    subjects = section.State.subjects(section.models())
    return (
        {section.State.subject: next(key for key, value in subjects.items() if value == model)}
        if section.State.subject
        else {}
    )


def changed(section: Section, model: str) -> dict[str, Any]:
    """A state of the section of which no value is the default's, where another one can be."""

    def other(kind: dict[str, Any], fit: dict[str, Any]) -> Any:
        choices = [c[1] if isinstance(c, (list, tuple)) else c for c in fit.get("choices", [])]
        if kind["kind"] == "choices":
            return choices[-2:]
        if kind["kind"] == "numbers":
            return [fit["low"], *fit["default"][1:]]
        if "high" in fit:
            return fit["low"] if fit["default"] != fit["low"] else fit["high"]
        if kind["kind"] == "picks":
            return [0, 3]
        if kind["kind"] in ("drawing", "drawings", "hidden"):
            return {"drawing": "#-2", "drawings": ["#-2", "#0"], "hidden": "lower half"}[kind["kind"]]
        return choices[-1] if choices else "a café, 日本語 & more = 5%"

    fields = section.State.kinds()
    return named(section, model) | {key: other(kind.spec(), kind.fit(model)) for key, kind in fields.items()}


ROUND_TRIP = """
    const spec = %s, states = %s;
    return states.map((state) => m.stateOf(new URLSearchParams(`${new URLSearchParams(m.textOf(state))}`), spec));
"""


@pytest.mark.skipif(not SECTIONS, reason="no bundled models")
@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.key)
def test_a_state_as_an_address_and_back(run, section):
    """The default of every model, as the server says it, and a state of other values; a null is the default, unsaid."""
    models = list(section.State.subjects(section.models()).values())
    parsed = [(named(section, model), section.parse(named(section, model))) for model in models]
    defaults = [first | {key: getattr(state, key) for key in section.State.kinds()} for first, state in parsed]
    states = json.loads(json.dumps([*defaults, *(changed(section, model) for model in models)]))
    back = run("address.js", ROUND_TRIP % (json.dumps(section.spec()), json.dumps(states)))
    assert back == [{key: value for key, value in state.items() if value is not None} for state in states]


def drawings() -> dict[str, tuple[np.ndarray, int]]:
    """Drawings (H, W, C), and the letters that each may take: strokes, real images, photos, noise, masks."""
    dice = np.random.default_rng(0)
    strokes = np.zeros((28, 28, 1), np.uint8)
    for i in range(28):
        strokes[i, max(0, i - 2) : i + 2] = strokes[3:6, i] = 255 - 4 * i
    found = {"strokes": (strokes, 400), "noise": (dice.integers(0, 256, (28, 28, 1), dtype=np.uint8), 1100)}
    for data, limit in (("mnist", 400), ("fashion-mnist", 900)):
        found[data] = (real_images(data, (1, 28, 28)).pixels[0].numpy().transpose(1, 2, 0), limit)
    found["hero"] = (real_images("heroes", (3, 32, 32)).pixels[0].numpy().transpose(1, 2, 0), 1500)
    few = dice.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    photo = np.asarray(Image.fromarray(few).resize((32, 32), Image.Resampling.BICUBIC))
    grain = dice.normal(0, 8, (32, 32, 3))
    found["photo"] = (photo, 2800)
    found["grainy photo"] = (np.clip(photo + grain, 0, 255).astype(np.uint8), 3600)
    found["noise in colour"] = (dice.integers(0, 256, (32, 32, 3), dtype=np.uint8), 4110)
    found["mask"] = ((np.arange(28 * 28).reshape(28, 28, 1) > 400).astype(np.uint8), 40)
    found["patches"] = ((dice.random((32, 32, 1)) < 0.1).astype(np.uint8), 400)
    return found


@pytest.mark.parametrize("name", drawings())
def test_a_drawing_is_packed_without_loss_in_few_letters(run, name):
    """Unpacked by the server as it was; letters that an address takes as they are."""
    picture, limit = drawings()[name]
    height, width, channels = picture.shape
    code = base64.b64encode(picture.tobytes()).decode()
    bytes_ = f"Uint8Array.from(atob('{code}'), (c) => c.charCodeAt(0))"
    packed = run("packing.js", f"return m.packed({bytes_}, {channels}, {width})")
    assert unpacked(packed, (channels, height, width)) == picture.tobytes()
    assert quote_plus(packed) == packed
    assert len(packed) <= limit, "no more than is promised of links"


def test_what_an_address_says_is_typed(run):
    """Lists by commas or by repeated keys; what is of no kind stays text, for the server to refuse; pages' keys are none."""
    spec = {
        "models": ["a"],
        "fields": {
            "seed": {"kind": "seed"},
            "t": {"kind": "real"},
            "steps": {"kind": "choices"},
            "n": {"kind": "choice"},
            "values": {"kind": "numbers"},
            "prompt": {"kind": "text"},
            "label": {"kind": "label"},
        },
        "fits": {
            "*": {
                "steps": {"choices": [["1", 1], ["8", 8]]},
                "n": {"choices": [["four", 4]]},
                "label": {"choices": ["7"]},
            }
        },
    }
    body = "return %s.map((text) => m.stateOf(new URLSearchParams(text), %s));"

    def typed(*texts: str) -> list[dict[str, Any]]:
        return run("address.js", body % (json.dumps(texts), json.dumps(spec)))

    assert typed("seed=5&t=0.25", "t=1e-2", "t=hot&seed=", "t=Infinity", "t=NaN") == [
        {"seed": 5, "t": 0.25},
        {"t": 0.01},
        {"t": "hot", "seed": ""},
        {"t": "Infinity"},
        {"t": "NaN"},
    ]
    assert typed("steps=1,8", "steps=1&steps=8", "steps=3", "values=-1,0.5,x", "values=") == [
        {"steps": [1, 8]},
        {"steps": [1, 8]},
        {"steps": ["3"]},
        {"values": [-1, 0.5, "x"]},
        {"values": []},
    ]
    assert typed("n=4", "n=5", "label=7", "prompt=5", "prompt=a,b", "seed=1&seed=2") == [
        {"n": 4},
        {"n": "5"},
        {"label": "7"},
        {"prompt": "5"},
        {"prompt": "a,b"},
        {"seed": [1, 2]},
    ]
    assert typed("tab=vae&section=x&only=y&view=api&__theme=dark&__sign=1&utm_source=z&colour=3&constructor=1") == [
        {"colour": "3", "constructor": "1"}
    ]


def test_of_many_questions_the_latest_wins(run):
    body = """
        const asked = [], shown = [];
        const ask = (q) => { asked.push(q); return new Promise((done) => setTimeout(done, 20, q * 10)); };
        const go = m.latestOnly(ask, (answer, q) => shown.push([q, answer]));
        await Promise.all([go(1), go(2), go(3), go(4)]);
        return [asked, shown];
    """
    assert run("backend.js", body) == [[1, 4], [[1, 10], [4, 40]]]


def test_answers_come_one_by_one(run):
    """Cut anywhere, as networks do; who waits is told how many are before; a failure ends them with one sentence."""
    told = [
        {"msg": "estimation", "rank": 3, "queue_size": 4, "rank_eta": 12.3},
        {"msg": "estimation", "rank": 0, "queue_size": 4, "rank_eta": None},
        {"msg": "process_starts"},
        {"msg": "process_generating", "success": True, "output": {"data": [{"row": 1}]}},
        {"msg": "heartbeat"},
        {"msg": "process_completed", "success": True, "output": {"data": [{"row": 2}]}},
        {"msg": "close_stream"},
    ]
    body = """
        const cut = (text, n) => new ReadableStream({ start(c) { for (let i = 0; i < text.length; i += n) c.enqueue(new TextEncoder().encode(text.slice(i, i + n))); c.close(); } });
        const text = %s.map((told) => `data: ${JSON.stringify(told)}\\n\\n`).join('');
        const all = [], waits = [];
        for await (const answer of m.events(cut(text, 7), null, (said) => waits.push(said))) all.push(answer);
        return [all, waits];
    """
    rows, waits = run("backend.js", body % json.dumps(told))
    assert [(row["row"], row["complete"]) for row in rows] == [(1, False), (2, True)]
    assert waits == ["Waiting: 3 before you, about 12 s", "Waiting: you are next", "Starting …"]
    for output, said in (
        ({"error": "The seed must be a number."}, "The seed must be a number."),
        ({"error": None}, "Something went wrong on the server."),
    ):
        failed = [{"msg": "process_completed", "success": False, "output": output}]
        assert run("backend.js", body % json.dumps(failed)) == [[{"error": said}], []]


def test_controls_speak_with_values_of_their_kind(run):
    body = """
        const heard = [];
        const field = (kind, more) => ({ kind, label: kind, info: '', ...more });
        const range = m.control('t', field('real', { step: 0.05 }), { default: 1, low: 0, high: 1.5 }, (v) => heard.push(v));
        const list = m.control('c', field('label'), { default: 'b', choices: ['a', 'b', 'c'] }, (v) => heard.push(v));
        const pick = m.control('s', field('choice'), { default: 4, choices: [['four', 4], ['eight', 8]] }, (v) => heard.push(v));
        document.body.append(range.element, list.element, pick.element);
        const slider = range.element.querySelector('input');
        slider.value = 0.7; slider.dispatchEvent(new Event('input'));
        const set = (one, i) => { const s = one.element.querySelector('select'); s.value = i; s.dispatchEvent(new Event('change')); };
        const first = list.element.querySelector('select').value;
        set(list, 2); set(pick, 1);
        range.refuse('The temperature must be a number.'); range.set(0.3);
        return [heard, first, slider.value, range.element.querySelector('[role=alert]').textContent, slider.labels[0].textContent];
    """
    heard, first, shown, said, label = run("controls.js", body)
    assert heard == [0.7, "c", 8]
    assert (first, shown, said, label) == ("1", "0.3", "The temperature must be a number.", "real")


def test_words_and_commands_in_a_sentence(run):
    """Plain text with **bold** or with `code`; markup of any other kind stays text."""
    body = """
        const html = (nodes) => { const p = document.createElement('p'); p.append(...nodes); return p.innerHTML; };
        return [html(m.spoken('a **b** `c` <i>')), html(m.coded('run `x y` **now**')), html(m.coded(''))];
    """
    assert run("views.js", body) == ["a <b>b</b> `c` &lt;i&gt;", "run <code>x y</code> **now**", ""]


def test_a_series_has_the_same_dashes_in_the_key_and_in_every_panel(run):
    """Also in a panel that lacks the series before it."""
    body = """
        const series = (name) => ({ name, family: 'vae', points: [{ x: 1, y: 2, label: name }, { x: 2, y: 3, label: name }] });
        const axis = (title) => ({ title, log: false, names: [] });
        const panel = (title, ...names) => ({ title, lines: [], series: names.map(series) });
        const plots = document.createElement('gm-plots');
        document.body.append(plots);
        plots.show({ title: '', kind: 'curves', x: axis('x'), y: axis('y'), panels: [panel('one', 'a', 'b'), panel('two', 'b', 'c')] });
        const dashes = (selector) => [...plots.querySelectorAll(selector)].map((line) => line.getAttribute('stroke-dasharray'));
        const panels = [...plots.querySelectorAll('.gm-panel-plot')].map((one) => [...one.querySelectorAll('polyline')]);
        plots.remove();
        return [dashes('.gm-plot-keys line'), ...panels.map((lines) => lines.map((line) => line.getAttribute('stroke-dasharray')))];
    """
    assert run("plot.js", body) == [["", "6 4", "2 3"], ["", "6 4"], ["6 4", "2 3"]]


def test_points_over_words_are_told_apart_by_marks_and_stand_side_by_side(run):
    """In the key as in the plot, all points of a series in its colour; long names are slanted."""
    body = """
        const point = (x) => ({ x, y: 50 + x, label: 'one', family: 'vae' });
        const series = (name) => ({ name, family: name === 'b' ? 'vae' : null, points: [point(0), point(1)] });
        const names = ['real pictures that are long', 'variational autoencoder'];
        const page = document.createElement('div');
        const plots = document.createElement('gm-plots');
        page.append(plots);
        document.body.append(page);
        plots.closest = () => ({ spec: { families: { vae: {} } } });
        page.style.width = '300px';
        plots.style.display = 'block';
        const x = { title: 'Family', log: false, names };
        plots.show({ title: 'P', kind: 'points', x, y: { title: 'y', log: false, names: [] }, panels: [{ title: '', lines: [], series: ['a', 'b'].map(series) }] });
        const marks = [...plots.querySelectorAll('.gm-panel-plot .gm-point')];
        const found = [marks.map((one) => one.localName), [...plots.querySelectorAll('.gm-plot-keys .gm-point')].map((one) => one.localName)];
        const lefts = marks.map((one) => one.getBoundingClientRect().left);
        const style = marks.map((one) => one.closest('g').getAttribute('style').includes('--gm-vae'));
        const slanted = plots.querySelectorAll('text[transform*="rotate(-45)"]').length;
        page.remove();
        return [...found, style, lefts[0] < lefts[2], lefts[1] < lefts[3], slanted];
    """
    shapes = ["circle", "circle", "path", "path"]
    assert run("plot.js", body) == [shapes, ["circle", "path"], [False, False, True, True], True, True, 2]


#: drawn(plot): the signs of each key of a plot and of its series in the panels below, {name: colour, outline, dash}.
SIGNS = """
    const sign = (element, line) => {
        const mark = element.querySelector('.gm-point');
        const outline = mark.getAttribute('d') ?? mark.localName;
        return [getComputedStyle(mark).getPropertyValue('--gm-family'), outline, line?.getAttribute('stroke-dasharray') ?? null].join(' | ');
    };
    const drawn = (plot) => {
        const page = document.createElement('div');
        const plots = document.createElement('gm-plots');
        page.append(plots);
        document.body.append(page);
        plots.closest = () => ({ spec: { families: FAMILIES } });
        for (const one of [...Object.keys(FAMILIES), 'muted']) page.style.setProperty(`--gm-${one}`, one);
        page.style.width = '900px';
        plots.style.display = 'block';
        plots.show(plot);
        const panels = [...plots.querySelectorAll('.gm-panel-plot')];
        const keys = (place) => [...place.querySelectorAll('.gm-plot-keys span')].map((key) => [key.textContent, sign(key, key.querySelector('line'))]);
        const groups = (panel) => [...panel.querySelectorAll('.gm-series')].map((group) => sign(group, group.querySelector('polyline')));
        const named = (i) => groups(panels[i]).map((found, j) => [plot.panels[i].series[j].name, found]);
        const own = panels.some((panel) => panel.querySelector('.gm-plot-keys'));
        const all = panels.map((panel, i) => ({ keys: keys(own ? panel : plots), series: named(i) }));
        const spots = [...plots.querySelectorAll('.gm-panel-plot .gm-point')];
        const alone = spots.every((one) => !one.getAttribute('style')); // nothing but its series colours a point
        page.remove();
        return { all, alone };
    };
"""


def test_every_series_of_an_experiment_is_told_apart_and_drawn_as_its_key_says(run):
    families = laid_out.families()
    every = [
        plot for name in experiment_results.files() for plot in experiment_results.show(name)(ResultsState())["plots"]
    ]
    assert len(every) > 5
    script = SIGNS.replace("FAMILIES", json.dumps(families)) + f"return {json.dumps(every)}.map(drawn);"
    for plot, found in zip(every, run("plot.js", script), strict=True):
        assert found["alone"]
        for place, panel in zip(found["all"], plot["panels"], strict=True):
            keys = dict(place["keys"])
            assert len(set(keys.values())) == len(keys) >= len(panel["series"]), plot["title"]
            assert place["series"] == [[one["name"], keys[one["name"]]] for one in panel["series"]], plot["title"]
            for one in panel["series"]:
                colour = one["family"] if one["family"] in families else "muted"
                assert keys[one["name"]].split(" | ")[0] == colour, (plot["title"], one["name"])


@pytest.mark.parametrize(("names", "count"), [([], 20), (["a", "b"], 10)], ids=["curves", "words"])
def test_many_series_of_one_colour_are_told_apart(run, names, count):
    points = [{"x": x, "y": x, "label": "one"} for x in (0, 1)]
    axes = {"x": {"title": "x", "log": False, "names": names}, "y": {"title": "y", "log": False, "names": []}}
    series = [{"name": str(i), "family": "vae", "points": points} for i in range(count)]
    plot = {
        "title": "P",
        "kind": "points" if names else "curves",
        "panels": [{"title": "", "lines": [], "series": series}],
    }
    script = SIGNS.replace("FAMILIES", "{ vae: {} }") + f"return drawn({json.dumps(plot | axes)});"
    (place,) = run("plot.js", script)["all"]
    assert place["keys"] == place["series"]
    assert len({sign for _, sign in place["keys"]}) == count


def test_a_curve_has_the_values_that_series_share_along_its_axis(run):
    """The last one in any case, others where they have room."""
    points = [{"x": x, "y": x, "label": "one"} for x in (1, 10, 100, 480, 500)]
    series = [{"name": name, "family": None, "points": points} for name in "abc"]
    axes = {"x": {"title": "x", "log": True, "names": []}, "y": {"title": "y", "log": False, "names": []}}
    plot = {"title": "P", "kind": "curves", "panels": [{"title": "", "lines": [], "series": series}]}
    body = f"""
        const plots = document.createElement('gm-plots');
        document.body.append(plots);
        plots.style.display = 'block';
        plots.style.width = '400px';
        plots.show({json.dumps(plot | axes)});
        const said = [...plots.querySelectorAll('text[text-anchor=middle]:not(.gm-axis)')].map((one) => one.textContent);
        plots.remove();
        return said;
    """
    assert sorted(run("plot.js", body), key=float) == ["1", "10", "100", "500"]


#: A pad with props; stroke(points), in pixels of the picture, and what is on it; press(element, key) with Ctrl.
PAD = """
    const pad = document.createElement('gm-pad');
    Object.assign(pad.props, { tools: ['pen', 'erase', 'hide'], background: 0, strips: [], ...PROPS });
    document.body.replaceChildren(pad);
    const canvas = pad.querySelector('canvas');
    canvas.setPointerCapture = () => {}; // there is no real pointer
    canvas.hasPointerCapture = () => true;
    const point = (kind, [x, y]) => {
        const { left, top, width } = canvas.getBoundingClientRect();
        const [clientX, clientY] = [left + (x * width) / 28, top + (y * width) / 28];
        canvas.dispatchEvent(new PointerEvent(kind, { clientX, clientY, bubbles: true, cancelable: true }));
    };
    const stroke = (points) => {
        point('pointerdown', points[0]);
        for (const one of points.slice(1)) point('pointermove', one);
        point('pointerup', points.at(-1));
        return pad.props.value;
    };
    const press = (element, key, more) =>
        element.dispatchEvent(new KeyboardEvent('keydown', { key, ctrlKey: true, bubbles: true, cancelable: true, ...more }));
    const line = (from, to) => Array.from({ length: 20 }, (_, i) => [0, 1].map((k) => from[k] + ((to[k] - from[k]) * i) / 19.3));
    const seven = [...line([6, 6], [21, 7]), ...line([21, 7], [11.3, 23])];
"""


@pytest.mark.parametrize("props", ["{}", "{ centre: true }", "{ background: 255 }"])
def test_undo_brings_the_very_bytes_back(run, props):
    """Of a drawing, whatever was done since: another stroke, the eraser, a hidden patch, an empty picture."""
    same = """
        const before = JSON.stringify(stroke(seven));
        const tool = (name) => pad.querySelector(`[data-value=${name}]`).click();
        const steps = [
            () => stroke(line([4, 20], [24, 12])),
            () => { tool('erase'); stroke(line([9, 3], [17, 25])); },
            () => { tool('hide'); stroke(line([9, 9], [14, 14])); },
            () => pad.querySelector('[data-action=clear]').click(),
        ];
        return steps.map((step) => {
            step();
            const changed = JSON.stringify(pad.props.value) !== before;
            pad.querySelector('[data-action=undo]').click();
            return changed && JSON.stringify(pad.props.value) === before;
        });
    """
    assert run("pad.js", PAD.replace("PROPS", props) + same) == [True] * 4


def test_undo_while_other_examples_come_keeps_the_drawing(run):
    """The strokes before the last one stay, and those before a stroke that is being made."""
    kept = """
        const [first, both] = [stroke(seven), stroke(line([4, 20], [24, 12]))].map(JSON.stringify);
        pad.props.strips = [{ label: 'Others', pictures: [] }];
        press(canvas, 'z');
        const undone = JSON.stringify(pad.props.value);
        point('pointerdown', [4, 20]);
        for (const [i, one] of line([4, 20], [24, 12]).slice(1).entries()) {
            if (i === 9) pad.props.background = 0; // paints all again
            point('pointermove', one);
        }
        point('pointerup', [24, 12]);
        return [undone === first, JSON.stringify(pad.props.value) === both];
    """
    assert run("pad.js", PAD.replace("PROPS", "{}") + kept) == [True, True]


@pytest.mark.parametrize("place", ["canvas", "[data-group=size] button", "[data-action=undo]", ".gm-pad"])
def test_the_pad_hears_undo_wherever_it_was_pressed(run, place):
    """Redo is no undo, and what is typed elsewhere is none of the pad's business."""
    heard = f"""
        const field = document.body.appendChild(document.createElement('input'));
        const before = JSON.stringify(stroke(seven));
        const both = JSON.stringify(stroke(line([4, 20], [24, 12])));
        const target = pad.querySelector('{place}');
        target.focus();
        const after = (element, key, more) => [press(element, key, more), JSON.stringify(pad.props.value)];
        return [
            target.matches(':focus'),
            ...[after(field, 'z'), after(target, 'Z', {{ shiftKey: true }})].map(([free, now]) => free && now === both),
            ...[after(target, 'z')].map(([free, now]) => !free && now === before),
        ];
    """
    assert run("pad.js", PAD.replace("PROPS", "{}") + heard) == [True] * 4


def test_every_block_of_the_style_sheet_is_closed():
    """A browser takes what follows an open one for a part of it, without a word."""
    depth = 0
    for number, line in enumerate((ELEMENTS / "page.css").read_text(encoding="utf-8").splitlines(), 1):
        assert not (depth and line.startswith(("/* ----", "@media"))), f"a block is open before line {number}"
        depth += line.count("{") - line.count("}")
    assert depth == 0


def test_a_link_that_no_server_takes_is_not_copied(run):
    """Neither as such nor in a snippet; a long one that can be opened comes with a word of warning."""
    said = run(
        "links.js",
        "const copied = []; Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (t) => copied.push(t.length) } });"
        "const said = []; for (const n of [8000, 8001, 60000, 60001]) await m.copied('x'.repeat(n), (t) => said.push(t));"
        "return [copied, said]",
    )
    assert said[0] == [8000, 8001, 60000]
    assert said[1][0] == "Copied."
    assert said[1][1] == "Copied. It has 8,001 characters, and some programs cut off so long a link."
    assert said[1][3] == "Not copied. It has 60,001 characters; a link can have 60,000: choose fewer pictures."
