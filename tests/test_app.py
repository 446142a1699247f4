"""The app over HTTP: its endpoints through gradio_client, its direct calls and its work step by step as its page asks them,
with good and with bad input. One process serves them all, which writes down what it does."""

import contextlib
import itertools
import json
import math
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import anyio
import gradio
import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from helpers import APP, ROOT, environment, first_of, free_port, picture, wait_until_served

from genmodels import app, checkpoint, start
from genmodels.registry import kin, representatives
from genmodels.tabs import document, page
from genmodels.wrappers import core, denoisers, examples, hub_repos
from genmodels.wrappers.section import Section
from genmodels.wrappers.state import FreeState

pytestmark = pytest.mark.skipif(not checkpoint.bundled(), reason="no bundled models")
PATIENCE = 120  # seconds; a busy machine is slow
NO_PICTURE = "There is no picture yet: draw one, pick an example or upload a file."
SECTIONS = {key: section for key, section in page.sections().items() if section.is_ready}
#: What Compare has besides figures.
USEFUL = {"compare.outsiders", "compare.dataset"}
#: They ask the Hub: test_hub_pipelines.py serves one.
OF_THE_HUB = {"diffusion.hub", "diffusion.hub_cost"}
needs_a_denoiser = pytest.mark.skipif(
    "diffusion-mnist" not in checkpoint.bundled(), reason="no diffusion model for digits"
)
needs_words = pytest.mark.skipif(not denoisers.text_models(), reason="no diffusion model of captions is bundled")

#: The app as it is, but that every host which it asks is written down, and every row or step of work, which is slower than
#: it is while a file is there.
WATCHED = """
import os, sys, time
from pathlib import Path

folder = Path(sys.argv[1])

def note(name, *words):
    with open(folder / name, "a") as log:
        print(*words, file=log)

def watch(event, arguments):
    host = None
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    if host not in (None, "", "localhost", "127.0.0.1", "::1", b"localhost", b"127.0.0.1"):
        note("hosts", event, host)

sys.addaudithook(watch)
from genmodels.models import pipeline
from genmodels.models.autoregressive import Writer

def counted(real):
    def call(*args, **kwargs):
        if (folder / "slow").exists():
            note("calls", "called")
            time.sleep(0.1)
        return real(*args, **kwargs)
    return call

Writer.write_row = counted(Writer.write_row)
pipeline.velocity = counted(pipeline.velocity)
"""


class Served(SimpleNamespace):
    """The app that is served: `address`, `folder` of its notes, and the ways by which it is asked."""

    def ask(self, section: str, state: Any, **more: Any) -> dict[str, Any]:
        """A direct call, as the page's scripts make it; a body that is no JSON for the server counts as a refusal."""
        return self.call({"section": section, "state": state} | more)

    def call(self, question: Any) -> dict[str, Any]:
        body = {"component_id": self.component, "fn_name": "ask", "session_hash": "visitor", "data": question}
        answer = self.http.post(f"{self.address}/gradio_api/component_server", content=json.dumps(body))
        if answer.status_code == 422:
            return {"error": "This is no JSON.", "field": None}
        assert answer.status_code == 200, answer.text
        return answer.json()

    def work(self, section: Any, state: Any, lane: str = "cpu") -> Iterator[dict[str, Any]]:
        """The answers of a work section, one by one; closing the iterator hangs up."""
        address = f"{self.address}/gradio_api/call/work_{lane}"
        asked = self.http.post(address, content=json.dumps({"data": [section, state]}))
        if asked.status_code == 422:
            yield {"error": "This is no JSON.", "field": None}
            return
        with self.http.stream("GET", f"{address}/{asked.json()['event_id']}") as stream:
            event = ""
            for line in stream.iter_lines():
                event = line.removeprefix("event: ") if line.startswith("event: ") else event
                assert event != "error", line
                if line.startswith("data: ") and event in ("generating", "complete"):
                    yield from json.loads(line.removeprefix("data: "))

    def refused(self, section: str, state: Any) -> dict[str, Any]:
        """How a section refuses a state, whichever way it is asked."""
        found = SECTIONS[section]
        answer = next(self.work(section, state, found.lane)) if found.work else self.ask(section, state)
        assert "error" in answer, f"{section} took {str(state)[:80]}"
        return answer

    def calls(self) -> int:
        log = self.folder / "calls"
        return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """With the Hub not ruled out, no data set at hand, and the usual folder for temporary files taken by somebody else.

    At the end its log holds no error: refusals of bad input are none."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "gradio").write_text("somebody else's")
    port = free_port()
    env = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "HF_HUB_OFFLINE": None}
    env |= {"GENMODELS_DATA": None, "TMPDIR": str(folder), "GRADIO_TEMP_DIR": None, "PYTHONUNBUFFERED": "1"}
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", WATCHED + APP, str(folder)], cwd=ROOT, env=environment(**env), stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_served(address, process)
        config = httpx.get(f"{address}/config").json()
        component = next(c["id"] for c in config["components"] if "ask" in c["props"].get("server_fns", []))
        with httpx.Client(timeout=PATIENCE, headers={"content-type": "application/json"}) as http:
            yield Served(address=address, folder=folder, component=component, http=http)
    finally:
        process.terminate()
        process.wait(20)
        text = (folder / "log").read_text()
    assert "Traceback" not in text, text


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Client]:
    with contextlib.closing(Client(served.address, verbose=False)) as client:
        yield client


@pytest.fixture(scope="module")
def endpoints(client: Client) -> dict[str, Any]:
    return client.view_api(return_format="dict", print_info=False)["named_endpoints"]


def assert_one_sentence(message: str, where: str) -> None:
    assert 0 < len(message) < 1500, where  # the longest names all garments
    assert message[0] == "'" or message[0].isupper(), f"{where}: {message}"
    assert message.endswith("."), f"{where}: {message}"
    for unexplained in ("Traceback", "\n", "upstream Gradio app has raised an exception"):
        assert unexplained not in message, f"{where}: {message}"


# -- what the API says -------------------------------------------------------------------------------------------------


def test_every_demo_says_what_people_use_it_for():
    """One sentence, with its source, in what is shown and in what its endpoint says of itself."""
    tabs = [tab for tab in page.tabs().values() if tab.is_family or tab.key == "compare"]
    demos = [one for tab in tabs for one in tab.sections if not one.hidden and (tab.is_family or one.key in USEFUL)]
    assert len(demos) > 30
    for one in demos:
        assert re.fullmatch(r"[A-Z][^.!?]*(\.[a-z][^.!?]*)*\.", one.use.text), one.key
        assert re.search(r" 20\d\d$", one.use.source), one.key
        assert re.fullmatch(r"arxiv\.org/abs/\d{4}\.\d{5}|doi\.org/10\.\S+", one.use.address), one.key
        assert f"In the real world: {one.use.text} ({one.use.source}, {one.use.address})" in one.function().__doc__


def test_every_section_is_an_endpoint_of_its_states_keys(endpoints: dict[str, Any]) -> None:
    """Named, typed, with a default for each, and told what it does; the page's own ways are not in the API."""
    assert set(endpoints) == {f"/{section.endpoint}" for section in SECTIONS.values()}
    for section in SECTIONS.values():
        said = endpoints[f"/{section.endpoint}"]
        parameters = {p["parameter_name"]: p for p in said["parameters"]}
        subject = section.State.subject
        assert list(parameters) == [*([subject] if subject else []), *section.State.kinds()]
        assert all(p["parameter_has_default"] for p in parameters.values()), section.key
        if subject:
            first = next(iter(section.State.subjects(section.models())))
            assert parameters[subject]["parameter_default"] == first
        assert said["description"].startswith(section.title)
        for key, kind in section.State.kinds().items():
            wanted = {"real": "number", "seed": "integer", "numbers": "array"}.get(type(kind).__name__.lower())
            assert wanted is None or parameters[key]["type"]["type"] == wanted, f"{section.key} {key}"


@first_of("heavy", False, True)
def test_every_endpoint_answers_its_defaults_without_another_host(client: Client, served: Served, heavy: bool) -> None:
    """Work ones say all of it in their last answer. (The models of the Hub ask it: they are left out.)"""
    wanted = [one for key, one in SECTIONS.items() if key not in OF_THE_HUB and (one.lane == "heavy") == heavy]
    for section in wanted:
        answer = client.predict(api_name=f"/{section.endpoint}")
        shown = {view.key for view in section.views if view.options.get("place") != "side"}  # there, fields are chosen
        assert shown - set(answer) <= {"given", "words", "other"}, section.key
        assert "error" not in answer
        assert not section.work or answer["done"] is True, section.key
    assert not (served.folder / "hosts").exists(), (served.folder / "hosts").read_text()


def test_the_page_is_answered_as_the_endpoint_is(served: Served, client: Client) -> None:
    for key in ("autoencoder.blend", "vae.map", "gan.mix", "flow.likelihood", "pixelcnn.expect"):
        model = SECTIONS[key].models()[-1]
        answer = served.ask(key, {"model": model})
        assert "error" not in answer
        called = client.predict(model=model, api_name=f"/{SECTIONS[key].endpoint}")
        assert answer | {"ms": 0} == called | {"ms": 0}, key


def test_the_same_seed_gives_the_same_picture(served: Served) -> None:
    asked = [{"model": "vae-mnist", "seed": seed, "n": 4} for seed in (1, 1, 2)]
    first, again, other = (served.ask("vae.generate", state)["samples"] for state in asked)
    assert first == again
    assert first["pixels"] != other["pixels"]


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, 10**18, {}, [[]]], ids=["nan", "huge", "object", "lists"])
def test_no_field_takes_what_is_none_of_its_values(served: Served, bad: Any) -> None:
    """Every field of every section; the refusal names the field, so that the page can say it there. (Of work, the first field over
    HTTP and the others as its queue asks, which is quicker.)"""
    for key, section in SECTIONS.items():
        for i, field in enumerate(section.State.kinds()):
            over_http = i == 0 or not section.work
            answer = served.refused(key, {field: bad}) if over_http else next(page.follow(key, {field: bad}))
            assert_one_sentence(answer["error"], f"{key} {field}={bad}")
            assert answer["field"] in (field, None), f"{key} {field}: {answer}"


def test_another_model_is_refused_with_those_that_there_are(served: Served) -> None:
    wrong = ("../../etc/passwd", "nothing", "", 7, ["vae-mnist"], {})
    for key, model in itertools.product(("vae.map", "gan.generate", "pixelcnn.write"), wrong):
        answer = served.refused(key, {"model": model})
        assert answer["field"] == "model"
        assert SECTIONS[key].models()[0] in answer["error"]
        assert_one_sentence(answer["error"], key)


def test_keys_that_a_state_has_not_are_refused(served: Served) -> None:
    for key, section in SECTIONS.items():
        answer = served.refused(key, {"unicorn": 1})
        known = section.State.subject or section.State.kinds()
        told = f"the keys are {section.State.subject}" if known else "nothing is chosen here."
        assert answer["error"].startswith(f"There is no key 'unicorn'; {told}")
        assert all(field in answer["error"] for field in section.State.kinds())


def test_pictures_that_were_tampered_with_are_refused(served: Served) -> None:
    tampered = ("AAAA", "no base64!", "#999", "#x", "#-99999999999", "A" * 300_000, "", 5, ["#0"], {"pixels": "AAAA"})
    for key in ("autoencoder.blend", "vae.where", "gan.critic", "pixelcnn.finish"):
        for field, kind in SECTIONS[key].State.kinds().items():
            for value in tampered if type(kind).__name__ == "Drawing" else ():
                answer = served.refused(key, {field: value})
                assert_one_sentence(answer["error"], f"{key} {field} {str(value)[:20]}")
                assert answer["field"] == field


def test_a_mask_that_does_not_fit_is_refused(served: Served) -> None:
    for key, section in SECTIONS.items():
        if "hidden" in section.State.kinds():
            answer = served.refused(key, {"hidden": "AAAA"})
            assert answer["field"] == "hidden"
            assert "28x28" in answer["error"]


@pytest.mark.parametrize(
    ("endpoint", "values", "said"),
    [
        ("vae_generate", {"n": 0}, "from 1 to"),
        ("vae_generate", {"label": "unicorn"}, "the classes are 0, 1, 2"),
        ("vae_generate", {"model": "../../etc/passwd"}, "the models are vae-mnist"),
        ("vae_map", {"x": 1e300}, "must be a number from"),
        ("gan_walk", {"space": "x"}, "must be one of z, w"),
        ("gan_spot", {"picks": [99]}, ""),
        ("flow_round_trip", {"picture": "AAAA"}, "bytes"),
        ("pixelcnn_write", {"temperature": "hot"}, "must be a number from 0 to 1.5"),
        pytest.param("diffusion_generate", {"scheduler": "magic"}, "must be one of", marks=needs_a_denoiser),
        pytest.param("diffusion_solvers", {"schedulers": []}, "must be 1 to", marks=needs_a_denoiser),
        pytest.param("diffusion_words", {"prompt": "quux zzyzx"}, "none of these words", marks=needs_words),
        pytest.param("diffusion_hub", {"repo": "../../etc"}, "is not the id of a Hub repo", marks=needs_a_denoiser),
    ],
)
def test_the_api_refuses_in_one_sentence(client: Client, endpoint: str, values: dict[str, Any], said: str) -> None:
    with pytest.raises(AppError) as refused:
        client.predict(**values, api_name=f"/{endpoint}")
    (key,) = values
    sentence = str(refused.value).removeprefix(f"{key}: ")  # the argument, where it is about one
    assert_one_sentence(sentence, endpoint)
    assert said in sentence


def test_questions_that_are_none_are_answered_with_a_sentence(served: Served) -> None:
    for question in (
        None, 5, [], "vae.map", {}, {"section": None}, {"section": ["vae.map"]}, {"section": "vae.nothing"},
        {"section": "pixelcnn.write", "state": {}}, {"section": "vae.map", "state": 5},
        {"section": "page.points", "state": 5}, {"section": "x" * 10_000},
    ):  # fmt: skip
        assert_one_sentence(served.call(question)["error"], str(question)[:80])


def test_other_functions_cannot_be_called(served: Served) -> None:
    for name in ("__init__", "launch", "answer", "follow"):
        body = {"component_id": served.component, "fn_name": name, "session_hash": "visitor", "data": {}}
        answer = served.http.post(f"{served.address}/gradio_api/component_server", content=json.dumps(body))
        assert answer.status_code >= 400, name


# -- what the page asks for itself -------------------------------------------------------------------------------------


def test_examples_of_every_model(served: Served) -> None:
    for name in ("ae-mnist", "ae-heroes", "flow-fashion-mnist"):
        strips = served.ask("page.examples", {"model": name})["strips"]
        pads = examples.of_kind(name)
        assert [p["pixels"] for p in strips[0]["pictures"]] == [pad["pixels"] for _, pad in pads]
        assert all(p["label"] and p["shape"] == core.describe(name)["shape"] for s in strips for p in s["pictures"])


def test_an_uploaded_file_is_seen_as_the_model_sees_pictures(served: Served) -> None:
    import base64
    import io

    file = io.BytesIO()
    picture(1, (300, 200), "RGB").save(file, "png")
    raw = base64.b64encode(file.getvalue()).decode()
    for name in ("ae-mnist", "ae-heroes"):
        answer = served.ask("page.upload", {"model": name, "file": raw})
        assert answer["shape"] == core.describe(name)["shape"]
        assert len(base64.b64decode(answer["pixels"])) == math.prod(answer["shape"])
    nonsense = base64.b64encode(b"\x89PNG nonsense").decode()
    assert "can't be read as a picture" in served.ask("page.upload", {"model": "ae-mnist", "file": nonsense})["error"]
    for bad, said in (
        ("", "The file is empty."),
        (None, NO_PICTURE),
        (5, NO_PICTURE),
        ("@@", "The file must come as base64."),
    ):
        assert served.ask("page.upload", {"model": "ae-mnist", "file": bad})["error"] == said
    assert "at most 10 MB" in served.ask("page.upload", {"model": "ae-mnist", "file": "A" * 14_000_001})["error"]
    assert "error" in served.ask("page.upload", {"model": "../secret", "file": raw})


def test_what_is_told_of_each_family(served: Served) -> None:
    for tab in (tab for tab in page.shown_tabs() if tab.is_family):
        html = served.ask("page.about", {"tab": tab.key})["html"]
        assert "<h3>Measured</h3>" in html
        assert "<table>" in html
        assert "<script" not in html
    for tab in ("unicorn", "overview", None, ["vae"], 5):
        assert_one_sentence(served.ask("page.about", {"tab": tab})["error"], str(tab))


def test_the_maps_points(served: Served) -> None:
    points = served.ask("page.points", {"model": "vae2d-mnist"})
    assert len(points["points"]) > 100
    assert points["classes"] == [str(i) for i in range(10)]
    for model in ("vae-mnist", "gan-mnist", "nothing", None, ["vae2d-mnist"]):
        assert_one_sentence(served.ask("page.points", {"model": model})["error"], str(model))


# -- work, step by step ------------------------------------------------------------------------------------------------


def test_rows_come_one_by_one(served: Served) -> None:
    """Each answer with the rows that are new; the last one is the whole."""
    answers = list(served.work("pixelcnn.write", {"model": "pixelcnn-mnist", "n": 12}))
    parts = [answer for answer in answers if not answer.get("done")]
    assert len(parts) > 5
    rows = 0
    for part in parts:
        assert part["row"] == rows, "none is left out or sent twice"
        rows += part["samples"]["shape"][2]
    assert 20 < rows < 28
    assert answers[-1]["done"] is True
    assert answers[-1]["samples"]["shape"] == [12, 1, 28, 28]


@needs_a_denoiser
def test_steps_come_one_by_one(served: Served) -> None:
    steps = list(served.work("diffusion.generate", {"n": 2, "num_inference_steps": 6}))
    frames = [step["film"] for step in steps]
    assert [frame["at"] for frame in frames if frame.get("frame")] == sorted(
        frame["at"] for frame in frames if frame.get("frame")
    )
    assert len({frame["at"] for frame in frames if frame.get("frame")}) == 7
    assert steps[-1]["done"] is True
    assert not frames[-1].get("frames"), "no answer repeats what was sent"


def test_a_refusal_of_work_is_an_answer(served: Served) -> None:
    for section, state, field in (
        ("pixelcnn.write", {"temperature": 9}, "temperature"),
        ("pixelcnn.write", {"model": "vae-mnist"}, "model"),
        ("vae.map", {}, ""),
        ("nothing", {}, ""),
        ("page.points", {}, ""),
        (None, {}, ""),
        (["pixelcnn.write"], {}, ""),
    ):
        (answer,) = {str(answer): answer for answer in served.work(section, state)}.values()
        assert_one_sentence(answer["error"], str(section))
        assert answer["field"] == field


@pytest.mark.parametrize(
    ("section", "state", "all_calls"),
    [
        ("pixelcnn.write", {"model": "pixelcnn-mnist", "n": 1}, 28),
        ("compare.race", {"racers": ["pixelcnn-mnist"]}, 28 + 28),  # the first race warms up with one picture
        pytest.param("diffusion.generate", {"n": 1, "num_inference_steps": 30}, 30, marks=needs_a_denoiser),
    ],
)
def test_hanging_up_stops_the_work_within_a_step(
    served: Served, section: str, state: dict[str, Any], all_calls: int
) -> None:
    slow = served.folder / "slow"
    slow.touch()
    try:
        before = served.calls()
        answers = served.work(section, state)
        for _ in range(3):
            next(answers)
        answers.close()
        time.sleep(0.3)
        called = served.calls() - before
        time.sleep(1.5)
        assert 2 <= served.calls() - before <= called + 1 < all_calls
    finally:
        slow.unlink()
    assert list(served.work(section, state))[-1]["done"] is True, "the next one is served"


@needs_a_denoiser
def test_downloads_keep_no_turn_from_what_answers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many visitors wait for a model of the Hub, one download after the other."""
    going, let_go = [], threading.Event()

    def join(repo: str) -> None:
        going.append(repo)
        assert let_go.wait(PATIENCE)
        raise ValueError(f"There is no {repo}.")

    monkeypatch.setattr(page.hub_checkpoints, "join", join)
    answers: dict[str, Any] = {}

    async def ask(key: str, question: Any) -> None:
        answers[key] = await page.ask(question)

    async def visit() -> None:
        async with anyio.create_task_group() as visitors:
            for i in range(page.AT_ONCE + 1):
                state = {"repo": f"user/{i}"}
                visitors.start_soon(ask, f"user/{i}", {"section": page.HUB_MODEL, "state": state})
            try:
                with anyio.fail_after(PATIENCE):
                    while not going:
                        await anyio.sleep(0.01)
                    assert "error" in await page.ask({"section": "page.state", "state": None})
                assert len(going) == 1
                assert answers == {}
            finally:
                let_go.set()

    try:
        anyio.run(visit)
    finally:
        for limiter in (page._turns, page._downloads):
            limiter.cache_clear()  # it belongs to that loop
    assert answers == {f"user/{i}": {"error": f"There is no user/{i}.", "field": ""} for i in range(page.AT_ONCE + 1)}


def test_no_refusal_says_where_something_lies_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither to the page, at once or step by step, nor to who calls by name. What has no path is said as it is."""
    told = {
        "/home/anna/app/models/x/config.json can't be read": "config.json can't be read",
        "Choose 1/2 or /compare/?model=a/b…": "Choose 1/2 or /compare/?model=a/b…",
    }
    for said, shown in told.items():

        def refuse(*_: Any, said: str = said) -> Any:
            raise ValueError(said)

        def refuse_later(*_: Any, said: str = said) -> Iterator[Any]:
            yield {}
            raise ValueError(said)

        sections = {}
        for answer in (refuse, refuse_later):
            section = Section(f"x.{answer.__name__}", "X", "", list, FreeState, answer, work=answer is refuse_later)
            sections[section.key] = section
        monkeypatch.setattr(page, "sections", lambda found=sections: found)
        refused = {"error": shown, "field": ""}
        assert page.answer({"section": "x.refuse", "state": {}}) == refused
        assert list(page.follow("x.refuse_later", {})) == [{}, refused]
        for section in sections.values():
            with pytest.raises(gradio.Error) as error:
                list(page.polite(section.function())())
            assert error.value.message == shown


def test_a_model_of_the_hub_without_a_network() -> None:
    (said,) = page.follow("diffusion.hub_cost", {"repo": "stabilityai/sd-turbo"})
    assert said["error"] == "The Hub can't be reached, and 'stabilityai/sd-turbo' is not on this computer."


# -- routes, bytes, places ---------------------------------------------------------------------------------------------


def test_routes_answer(served: Served) -> None:
    for tab in ("", *(tab.key for tab in page.shown_tabs())):
        for path in (f"/{tab}", f"/?tab={tab}", f"/?tab={tab}&section=generate", f"/?only={tab}.generate"):
            assert served.http.get(served.address + path).status_code == 200, path


@pytest.mark.parametrize(("path", "limit"), [("/", 250_000), ("/?only=vae.map", 400_000)])
def test_the_page_is_small_as_it_is_sent(served: Served, path: str, limit: int) -> None:
    """The document, and all modules and style sheets of our own, compressed."""
    sent = 0
    for address in (path, *(f"{app.ELEMENTS}/{file.name}" for file in app.WEB.iterdir())):
        with served.http.stream("GET", served.address + address, headers={"accept-encoding": "gzip"}) as answer:
            assert answer.status_code == 200, address
            for _ in answer.iter_raw():
                pass
            assert answer.num_bytes_downloaded < 1000 or answer.headers.get("content-encoding") == "gzip", address
            sent += answer.num_bytes_downloaded
    assert sent <= limit


@pytest.mark.parametrize("path", ["/", "/vae"])
def test_the_document_begins_with_our_modules(served: Served, path: str) -> None:
    document = served.http.get(served.address + path).text
    (module,) = re.findall(r'<script type="module"[^>]*src="([^"]+)"', document)
    assert module.endswith("/start.js"), "ours; Gradio's is left for later"
    (later,) = re.findall(r'href="([^"]+)" data-later', document)
    assert served.http.get(f"{served.address}/{later}").status_code == 200
    fonts = re.findall(r'as="font" [^>]*href="([^"]+)"', document)
    assert len(fonts) == 2
    assert {served.http.get(f"{served.address}/{font}").status_code for font in fonts} == {200}
    theme = re.search(r'href="(theme.css\?v=\w+)"', document)
    assert theme
    assert served.http.get(f"{served.address}/{theme[1]}").text.startswith("\n@font-face")


def test_what_is_loaded_at_a_press_is_not_fetched_ahead(served: Served) -> None:
    ahead = set(re.findall(r"/(\w[\w-]*\.js)\"", served.http.get(served.address).text.partition("<base")[0]))
    late = {file.name for file in app.WEB.glob("*.js")} - ahead
    assert {"embedding.js", "alone.js"} <= late
    written = " ".join(file.read_text("utf-8") for file in app.WEB.glob("*.js"))
    assert late <= set(re.findall(r"'\./([\w-]+\.js)'", written)), "all are used"


def test_articles_get_a_small_script_posters_and_frames(served: Served) -> None:
    """On plain HTTP, under an address that stays; nothing forbids to show the page in a frame."""
    script = served.http.get(f"{served.address}/embed.js")
    assert "javascript" in script.headers["content-type"]
    assert len(script.content) < 3072
    for tab in page.tabs():
        poster = served.http.get(f"{served.address}/poster/{tab}.any")
        assert poster.headers["content-type"] == "image/webp"
    assert served.http.get(f"{served.address}/poster/..%2f..%2fapp.py").headers["content-type"] != "text/x-python"
    document = served.http.get(f"{served.address}/?only=vae.map")
    assert not {"x-frame-options", "content-security-policy", "set-cookie"} & set(document.headers)
    assert 'rel="modulepreload" crossorigin' not in document.text, "a section alone does without Gradio's modules"
    assert "gradio_api_info" not in document.text
    assert "gradio_api_info" in served.http.get(served.address).text
    module = served.http.get(f"{served.address}{app.ELEMENTS}/start.js")
    assert "immutable" in module.headers["cache-control"]


def test_what_is_no_page_passes_as_it_is(served: Served) -> None:
    config = served.http.get(f"{served.address}/config")
    assert config.headers["content-type"] == "application/json"
    assert "start.js" not in config.text.split("js_on_load")[0]
    missing = served.http.get(f"{served.address}/elements/missing.js")
    assert missing.status_code == 404
    assert "modulepreload" not in missing.text


@pytest.mark.parametrize("tag", [b"<gradio-app></gradio-app>", b'<base href="/" />'])
def test_a_document_with_half_of_what_a_page_has_stays_as_it_is(tag: bytes) -> None:
    """Gradio's module would never begin if nothing of ours stood beside it."""
    script = b'<script type="module" crossorigin src="./assets/index.js"></script>'
    half = b"<html><head>" + script + b"</head><body>" + tag + b"</body></html>"
    assert document.with_tags(half) == half
    whole = half.replace(script, script + b"<base><gradio-app>")
    assert b"start.js" in document.with_tags(whole)
    assert script not in document.with_tags(whole)


def test_a_family_without_a_model_has_no_tab(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [tab.key for tab in page.tabs().values() if not tab.is_family]
    monkeypatch.setattr(core, "available", lambda family: [] if family == "gan" else [f"{family}-mnist"])
    assert sorted(tab.key for tab in page.shown_tabs()) == sorted(
        [*others, *(f for f in representatives() if f != "gan")]
    )
    monkeypatch.setattr(core, "available", lambda family: [])
    assert sorted(tab.key for tab in page.shown_tabs()) == sorted([*others, *representatives()])


def test_families_are_told_and_nothing_else_is_one() -> None:
    """With a colour of their own, and some words for each of the cards' and tables' fields."""
    told = [tab for tab in page.tabs().values() if tab.is_family]
    assert {tab.key for tab in told} == set(representatives())
    assert all([tab.key, *tab.kin] == kin(tab.key) for tab in told)
    cards = page.families()
    optional = {"of", "picture"}
    assert all(all(value for key, value in card.items() if key not in optional) for card in cards.values())
    for theme in ("light", "dark"):
        assert len({card["accent"][theme] for card in cards.values()}) == len(cards)


@pytest.mark.parametrize(
    ("env", "place", "any_repo"),
    [
        ({}, ("127.0.0.1", False), True),
        ({"GRADIO_SERVER_NAME": "0.0.0.0"}, ("0.0.0.0", False), False),
        ({"GRADIO_SHARE": "True"}, ("127.0.0.1", True), False),
        ({"GRADIO_SHARE": "false", "GRADIO_SERVER_NAME": "localhost"}, ("localhost", False), True),
    ],
)
def test_the_environment_says_where_it_is_served(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], place: tuple[str, bool], any_repo: bool
) -> None:
    """And only on one's own computer any repo of the Hub will do."""
    seen: dict[str, Any] = {}
    fake = SimpleNamespace(launch=lambda **options: seen.update(options), block_thread=lambda: None)
    monkeypatch.setattr(app, "build_app", lambda: fake)
    monkeypatch.setattr(start, "prepare", lambda: None)  # it would fork the tests
    monkeypatch.setattr(start, "warm_up", lambda: None)
    for name in ("GRADIO_SERVER_NAME", "GRADIO_SHARE", "GENMODELS_HUB_MODELS", "SPACE_ID"):
        monkeypatch.setenv(name, env.get(name, ""))
        if name not in env:
            monkeypatch.delenv(name)
    app.main(port=1234)
    assert (seen["server_name"], seen["share"]) == place
    assert seen["server_port"] == 1234
    assert (hub_repos.allowed_ids() is None) == any_repo
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
