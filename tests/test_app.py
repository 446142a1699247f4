"""The app's endpoints, pressed over HTTP with gradio_client: every named one, with good and with bad input."""

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from helpers import free_port, wait_until_served
from PIL import Image

from genmodels import checkpoint
from genmodels.registry import FAMILIES
from genmodels.wrappers import core, denoisers, examples, pictures, solver_grid

pytestmark = pytest.mark.skipif(not checkpoint.bundled(), reason="no bundled models")
BACKGROUND_LIMIT = 60
AT_ONCE = 32  # requests; the queue takes 64
needs_a_denoiser = pytest.mark.skipif(
    "diffusion-mnist" not in checkpoint.bundled(), reason="no diffusion model for digits"
)
needs_words = pytest.mark.skipif(not denoisers.text_models(), reason="no diffusion model of captions is bundled")


@pytest.fixture(scope="module")
def client(app_address: str) -> Iterator[Client]:
    client = Client(app_address, verbose=False)
    yield client
    client.close()


@pytest.fixture(scope="module")
def endpoints(client: Client) -> dict[str, Any]:
    return client.view_api(return_format="dict", print_info=False)["named_endpoints"]


@pytest.fixture(scope="module")
def picture_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("uploads") / "picture.png"
    Image.radial_gradient("L").save(file)
    return file


def arguments(endpoint: dict[str, Any], picture_file: Path) -> dict[str, Any]:
    """What a visitor sends who changes nothing: the defaults, an example for a pad, one picture of each pair for a board,
    a file for an upload."""
    chosen: dict[str, Any] = {}
    for parameter in endpoint["parameters"]:
        name = parameter["parameter_name"]
        if parameter["component"] == "Html" and parameter["type"]["type"] == "array":
            chosen[name] = [0, 2, 4, 6]
        elif parameter["component"] == "Html":
            model = next(v for v in chosen.values() if v in checkpoint.bundled())
            chosen[name] = examples.of_kind(model)[0][1]
        elif parameter["component"] == "Uploadbutton":
            chosen[name] = handle_file(str(picture_file))
        else:
            assert parameter["parameter_has_default"], f"{name} has no default"
            chosen[name] = parameter["parameter_default"]
    return chosen


def numbers(endpoint: dict[str, Any]) -> dict[str, tuple[str, float, float]]:
    """The numeric parameters of an endpoint: the label of the field, and its range."""
    ranges = {}
    for parameter in endpoint["parameters"]:
        if parameter["component"] == "Slider":
            low, high = re.findall(r"-?[\d.]+", parameter["type"]["description"])
            ranges[parameter["parameter_name"]] = parameter["label"], float(low), float(high)
        elif parameter["component"] == "Number":  # all number fields are seeds
            ranges[parameter["parameter_name"]] = parameter["label"], 0, core.MAX_SEED
    return ranges


def refusals(client: Client, calls: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """The sentences with which calls (endpoint, arguments) are refused, many at once."""
    sentences = []
    for some in (calls[i : i + AT_ONCE] for i in range(0, len(calls), AT_ONCE)):
        asked = [client.submit(**values, api_name=name) for name, values in some]
        for job in asked:
            with pytest.raises(AppError) as refused:
                job.result(BACKGROUND_LIMIT)
            sentences.append(str(refused.value))
    return sentences


#: The app as it is, where every look-up of another host and every connection to one is written down.
WATCHED = """
import runpy, socket, sys

def watch(event, arguments):
    host = None
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    if host not in (None, "", "localhost", "127.0.0.1", "::1", b"localhost", b"127.0.0.1"):
        with open(sys.argv[1], "a") as log:
            print(event, host, file=log)

sys.addaudithook(watch)
runpy.run_path("app.py", run_name="__main__")
"""


def test_every_endpoint_answers_without_another_host(
    client: Client, endpoints: dict[str, Any], picture_file: Path, start: Callable[..., Any], tmp_path: Path
) -> None:
    """With the Hub not ruled out and no data set at hand. (The drawer of the Hub's models asks it, if it is opened.)

    And with the usual folders for temporary files taken by another user of the machine."""
    assert {name.split("_")[0] for name in endpoints} >= {f"/{family}" for family in FAMILIES if core.available(family)}
    log, port = tmp_path / "hosts.log", free_port()
    for taken in ("gradio", "genmodels-walks"):
        (tmp_path / taken).write_text("somebody else's")
    env = {"GRADIO_SERVER_NAME": "127.0.0.1", "HF_HUB_OFFLINE": None, "GENMODELS_DATA": None}
    env |= {"TMPDIR": str(tmp_path), "GRADIO_TEMP_DIR": None}
    process = start("-c", WATCHED, log, GRADIO_SERVER_PORT=str(port), **env)
    wait_until_served(f"http://127.0.0.1:{port}", process)
    with contextlib.closing(Client(f"http://127.0.0.1:{port}", verbose=False)) as watched:
        for name, endpoint in endpoints.items():
            if name.endswith("_hub_generate"):
                continue  # it needs a Hub: test_hub_pipelines.py presses it
            visitor = client if "_hub_" in name else watched
            result = visitor.predict(**arguments(endpoint, picture_file), api_name=name)
            results = result if isinstance(result, tuple) else (result,)
            for returned, value in zip(endpoint["returns"], results, strict=True):
                if returned["component"] == "Image":
                    assert Path(value).stat().st_size > 0, f"{name} returned no picture"
    assert not log.exists(), log.read_text()


@pytest.mark.parametrize("bad", [10**9, -1, "three", None])
def test_bad_numbers_are_refused_in_one_sentence(
    client: Client, endpoints: dict[str, Any], picture_file: Path, bad: Any
) -> None:
    calls = [
        (name, arguments(endpoint, picture_file) | {number: bad}, label)
        for name, endpoint in endpoints.items()
        for number, (label, low, high) in numbers(endpoint).items()
        if not (isinstance(bad, int) and low <= bad <= high)  # not bad for this one
    ]
    assert len(calls) > 20
    for (name, _, label), said in zip(calls, refusals(client, [call[:2] for call in calls]), strict=True):
        assert_one_sentence(said, f"{name} {label}={bad}")
        assert f"“{label}”" in said or (bad is None and "seed" in said), f"{name}: {said}"


@pytest.mark.parametrize("bad", ["unicorn", [[]], {}])
def test_choices_that_are_not_offered_are_refused_with_the_field(
    client: Client, endpoints: dict[str, Any], picture_file: Path, bad: Any
) -> None:
    calls = [
        (name, arguments(endpoint, picture_file) | {parameter["parameter_name"]: bad}, parameter["label"])
        for name, endpoint in endpoints.items()
        for parameter in endpoint["parameters"]
        if parameter["component"] in ("Radio", "Checkboxgroup")
    ]
    assert len(calls) > 20
    for (name, _, label), said in zip(calls, refusals(client, [call[:2] for call in calls]), strict=True):
        assert_one_sentence(said, f"{name} {label}={bad}")
        assert said.startswith(f"“{label}” must be among "), f"{name}: {said}"


def test_an_upload_without_a_file_is_refused(client: Client, endpoints: dict[str, Any], picture_file: Path) -> None:
    uploads = {
        name: parameter["parameter_name"]
        for name, endpoint in endpoints.items()
        for parameter in endpoint["parameters"]
        if parameter["component"] == "Uploadbutton"
    }
    assert len(uploads) >= 6
    calls = [(name, arguments(endpoints[name], picture_file) | {file: None}) for name, file in uploads.items()]
    assert set(refusals(client, calls)) == {"There is no picture yet: draw one, pick an example or upload a file."}


@pytest.mark.parametrize(
    ("endpoint", "data", "allowed"),
    [
        ("vae_generate", '["vae-mnist", null, NaN, 0, 1]', "from 1 to 64"),
        ("gan_walk", '["gan-mnist", null, 1, 4, "z", NaN, 1]', "from 8 to 96"),
        ("gan_reveal", "[[NaN]]", "take a new round"),
        ("flow_generate", '["flow-mnist", null, 16, 0, NaN]', "from 0 to 1.5"),
        ("pixelcnn_write", '["pixelcnn-mnist", null, 16, 0, NaN]', "from 0 to 1.5"),
        *(
            pytest.param("diffusion_generate", f'["diffusion-mnist", null, {values}]', allowed, marks=needs_a_denoiser)
            for values, allowed in (('16, 0, 10, "ddim", NaN', "from 0 to 8"),)
        ),
    ],
)
def test_nan_is_refused(app_address: str, endpoint: str, data: str, allowed: str) -> None:
    """JSON has no NaN, and gradio_client sends none; but Python's parser would let it in."""
    call = f"{app_address}/gradio_api/call/{endpoint}"
    answer = httpx.post(call, content=f'{{"data": {data}}}', headers={"content-type": "application/json"})
    if answer.status_code == 200:
        result = httpx.get(f"{call}/{answer.json()['event_id']}", timeout=BACKGROUND_LIMIT).text
        assert "event: error" in result
        assert allowed in result
    else:
        assert answer.status_code == 422


def assert_one_sentence(message: str, where: str) -> None:
    assert 0 < len(message) < (600 if "There is no model" in message else 400), where  # the former lists all models
    for unexplained in ("Traceback", "\n", "upstream Gradio app has raised an exception"):
        assert unexplained not in message, f"{where}: {message}"


def test_no_images_is_refused_with_the_range(client: Client) -> None:
    with pytest.raises(AppError, match=r"1.*(64|100)|minimum.*1|less than.*1"):
        client.predict(n=0, api_name="/vae_generate")


def test_a_class_that_does_not_exist_is_refused_with_the_classes(client: Client) -> None:
    with pytest.raises(AppError, match=r"classes are 0"):
        client.predict(label="unicorn", api_name="/vae_generate")


def test_a_model_that_does_not_exist_is_refused(client: Client) -> None:
    with pytest.raises(AppError, match="vae-mnist"):
        client.predict(name="../../etc/passwd", api_name="/vae_generate")


@pytest.mark.parametrize(
    "endpoint",
    ["/autoencoder_see", "/gan_judge", "/flow_there_and_back", "/flow_likelihood", "/flow_swap",
     "/pixelcnn_finish", "/pixelcnn_expect", "/pixelcnn_likelihood",
     *(pytest.param(f"/diffusion_{name}", marks=needs_a_denoiser) for name in ("noise", "denoise", "fill"))],
)  # fmt: skip
def test_pads_that_do_not_fit_are_refused(client: Client, endpoint: str) -> None:
    with pytest.raises(AppError) as refused:
        client.predict(picture={"pixels": "AAAA", "mask": "", "shape": [1, 28, 28]}, api_name=endpoint)
    assert_one_sentence(str(refused.value), endpoint)


@pytest.mark.parametrize(
    "endpoint",
    ["/autoencoder_upload", "/gan_critic_upload", "/flow_back_upload", "/flow_likely_upload",
     "/pixelcnn_finish_upload", "/pixelcnn_expect_upload",
     *(pytest.param(f"/diffusion_{name}_upload", marks=needs_a_denoiser) for name in ("noise", "fill"))],
)  # fmt: skip
def test_an_upload_that_is_no_picture_is_refused(client: Client, endpoint: str, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_text("this is no picture")
    with pytest.raises(AppError, match="can't be read as a picture"):
        client.predict(path=handle_file(str(file)), api_name=endpoint)


def test_pictures_carry_their_settings(client: Client) -> None:
    file = client.predict(seed=5, label="3", n=4, temperature=0.7, api_name="/vae_generate")[0]
    with Image.open(file) as picture:
        text = picture.text
    assert text["Software"].startswith("genmodels ")
    assert text["model"] == "vae-mnist"
    assert text["class"] == "3"
    assert json.loads(text["seed"]) == 5
    assert json.loads(text["temperature"]) == 0.7


def test_the_same_seed_gives_the_same_picture(client: Client) -> None:
    first, second, other = (client.predict(seed=seed, api_name="/vae_generate")[0] for seed in (1, 1, 2))
    pixels = [Image.open(file).tobytes() for file in (first, second, other)]
    assert pixels[0] == pixels[1] != pixels[2]


def component_server(app_address: str, data: Any, function: str = "decode") -> dict[str, Any]:
    """What a piece's script does that has a server function, such as the latent map's: call it."""
    config = httpx.get(f"{app_address}/config").json()
    piece = next(c for c in config["components"] if function in c["props"].get("server_fns", []))
    body = {"component_id": piece["id"], "fn_name": function, "session_hash": "test", "data": data}
    answer = httpx.post(f"{app_address}/gradio_api/component_server", json=body, timeout=BACKGROUND_LIMIT)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_map_decodes_points_and_clamps_them(app_address: str) -> None:
    inside = component_server(app_address, {"name": "vae2d-mnist", "x": 0.5, "y": -1})
    far = [component_server(app_address, {"name": "vae2d-mnist", "x": x, "y": 0}) for x in (1000, 2000)]
    assert inside["pixels"] != far[0]["pixels"]
    assert far[0] == far[1]


@pytest.mark.parametrize(
    "point", [None, {}, {"name": "vae2d-mnist", "x": "a", "y": 0}, {"name": "vae-mnist", "x": 0, "y": 0},
              {"name": "vae2d-mnist", "x": 1e300, "y": None}, {"name": ["vae2d-mnist"], "x": 0, "y": 0}],
)  # fmt: skip
def test_the_map_answers_nonsense_with_a_sentence(app_address: str, point: Any) -> None:
    assert_one_sentence(component_server(app_address, point)["error"], repr(point))


def test_the_pointer_asks_what_is_expected(app_address: str) -> None:
    pixels = examples.of_kind("pixelcnn-mnist")[3][1]["pixels"]
    question = {"name": "pixelcnn-mnist", "pixels": pixels, "x": 14, "y": 9}
    (channel,) = component_server(app_address, question, "expected")["channels"]
    assert sum(channel["probabilities"]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    "change", [{"x": 28}, {"y": "a"}, {"x": None}, {"pixels": "AAAA"}, {"pixels": None}, {"name": ["pixelcnn-mnist"]},
               {"name": "vae-mnist"}, None],
)  # fmt: skip
def test_questions_that_are_nonsense_are_answered_with_a_sentence(app_address: str, change: Any) -> None:
    question = {"name": "pixelcnn-mnist", "pixels": pictures.blank("pixelcnn-mnist")["pixels"], "x": 0, "y": 0}
    question = question | change if isinstance(change, dict) else change
    assert_one_sentence(component_server(app_address, question, "expected")["error"], repr(change))


def test_a_mask_that_does_not_fit_is_refused(client: Client) -> None:
    picture = examples.of_kind("pixelcnn-mnist")[0][1] | {"mask": "AAAA"}
    with pytest.raises(AppError, match="28x28") as refused:
        client.predict(picture=picture, api_name="/pixelcnn_finish")
    assert_one_sentence(str(refused.value), "mask")


def test_rows_come_one_by_one(client: Client) -> None:
    job = client.submit(n=2, api_name="/pixelcnn_write")
    job.result()
    assert [len(state["rows"]) for state in job.outputs()] == list(range(1, 29))


#: The app with a log of the calls of one function, each a bit slower than it is.
COUNTING = """
import sys, time
from genmodels import app
from genmodels.wrappers import core, denoisers, examples, pictures, solver_grid
from {module} import {owner}
real = {owner}.{name}

def counted(*args, **kwargs):
    with open(sys.argv[1], "a") as log:
        print("called", file=log)
    time.sleep(0.1)
    return real(*args, **kwargs)

{owner}.{name} = counted
app.build_app().launch(**app.launch_options())
"""


@pytest.mark.parametrize(
    ("module", "owner", "name", "endpoint", "settings", "all_calls"),
    [
        ("genmodels.models.pixelcnn", "Writer", "write_row", "/pixelcnn_write", {"n": 1}, 28),
        pytest.param(
            "genmodels.models", "pipeline", "velocity", "/diffusion_generate", {"n": 1, "num_inference_steps": 30}, 30,
            marks=needs_a_denoiser,
        ),
    ],
)  # fmt: skip
def test_stop_stops_the_work_within_a_step(
    start: Callable[..., Any], tmp_path: Path, module: str, owner: str, name: str, endpoint: str, settings: dict, all_calls: int,
) -> None:  # fmt: skip
    log, port = tmp_path / "calls.log", free_port()
    script = COUNTING.format(module=module, owner=owner, name=name)
    start("-c", script, log, GRADIO_SERVER_PORT=str(port), GRADIO_SERVER_NAME="127.0.0.1")
    address = f"http://127.0.0.1:{port}"
    wait_until_served(address)
    with contextlib.closing(Client(address, verbose=False)) as visitor:
        job = visitor.submit(**settings, api_name=endpoint)
        while len(job.outputs()) < 3:
            time.sleep(0.01)
        job.cancel()
        called = len(log.read_text().splitlines())
        time.sleep(1.5)
        assert len(log.read_text().splitlines()) <= called + 1 < all_calls


@needs_a_denoiser
def test_steps_come_one_by_one(client: Client) -> None:
    job = client.submit(n=2, num_inference_steps=6, api_name="/diffusion_generate")
    job.result()
    states = job.outputs()
    assert [len(state["frames"]) for state in states] == [1, *range(1, 8), 7]
    assert [state["state"] for state in states] == ["running"] * 8 + ["done"]
    assert states[-1]["info"]["num_inference_steps"] == "6"


@needs_a_denoiser
def test_solvers_are_compared_cell_by_cell(client: Client) -> None:
    job = client.submit(schedulers=["ddim", "heun"], steps=[1, 2], api_name="/diffusion_compare")
    job.result()
    done = [text.count("<img") for text in job.outputs() if isinstance(text, str)]
    assert done == [0, 1, 2, 3, 4]


@needs_a_denoiser
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"schedulers": []}, "Choose 1 to 5 solvers"),
     ({"schedulers": ["ddim", "heun", "ddpm", "euler"], "steps": list(solver_grid.GRID_STEPS)}, "at most 400")],
)  # fmt: skip
def test_comparisons_that_are_too_much_are_refused(client: Client, settings: dict, sentence: str) -> None:
    with pytest.raises(AppError, match=sentence) as refused:
        client.predict(**settings, api_name="/diffusion_compare")
    assert_one_sentence(str(refused.value), repr(settings))


@needs_words
@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("", "empty"),
        ("quux zzyzx", "none of these words"),
    ],
)
def test_sentences_that_say_nothing_are_refused(client: Client, prompt: Any, sentence: str) -> None:
    for endpoint, name in (("/diffusion_words", "prompt"), ("/diffusion_same", "lines")):
        values = {"name": denoisers.text_models()[0], name: prompt}
        with pytest.raises(AppError, match=sentence if name == "prompt" or prompt else "1 to 8 sentences") as refused:
            client.predict(**values, api_name=endpoint)
        assert_one_sentence(str(refused.value), repr(prompt))


@needs_words
def test_unknown_words_are_named_politely(client: Client) -> None:
    job = client.submit(prompt="a robe of <quux>", n=1, num_inference_steps=1, api_name="/diffusion_words")
    job.result()
    (note, _), (_, last) = job.outputs()[0], job.outputs()[-1]
    assert "never read" in note
    assert "“quux”" in note
    assert "<quux>" not in note
    assert last["state"] == "done"


def submit(app_address: str, endpoint: str, data: list, session: str) -> str:
    """Everything that the server sends to a browser that presses an endpoint."""
    config = httpx.get(f"{app_address}/config").json()
    function = next(d["id"] for d in config["dependencies"] if d["api_name"] == endpoint)
    body = {"data": data, "fn_index": function, "session_hash": session}
    httpx.post(f"{app_address}/gradio_api/queue/join", json=body).raise_for_status()
    return httpx.get(f"{app_address}/gradio_api/queue/data?session_hash={session}", timeout=BACKGROUND_LIMIT).text


def test_the_truth_stays_on_the_server_until_it_is_revealed(app_address: str) -> None:
    """A round of the game, as a browser sees it: pictures first, the answers with the picks only, and those once."""
    dealt = submit(app_address, "gan_deal", ["gan-mnist", None], "player")
    assert '"pictures"' in dealt
    for secret in ('"sought"', '"truth"', '"critic"'):
        assert secret not in dealt
    revealed = submit(app_address, "gan_reveal", [[0, 2, 4, 6], None, None], "player")
    assert '"sought"' in revealed
    assert "This round" in revealed
    assert "take a new round" in submit(app_address, "gan_reveal", [[0, 2, 4, 6], None, None], "player")
    assert "take a new round" in submit(app_address, "gan_reveal", [[0], None, None], "somebody else")


@pytest.mark.parametrize("picks", [None, [9]])
def test_picks_that_are_no_positions_are_refused(client: Client, picks: Any) -> None:
    client.predict(api_name="/gan_deal")
    with pytest.raises(AppError) as refused:
        client.predict(picks=picks, api_name="/gan_reveal")
    assert_one_sentence(str(refused.value), repr(picks))


def test_a_walk_through_neither_z_nor_w_is_refused(client: Client) -> None:
    with pytest.raises(AppError) as refused:
        client.predict(space="x", api_name="/gan_walk")
    assert_one_sentence(str(refused.value), "space")


def test_knobs_have_the_names_of_the_field(endpoints: dict[str, Any]) -> None:
    knobs = {
        "/vae_generate": "temperature",
        "/gan_generate": "truncation_psi",
        "/flow_generate": "temperature",
        "/pixelcnn_write": "temperature",
        "/diffusion_generate": "guidance_scale",
    }
    for endpoint, knob in knobs.items():
        if not core.available(endpoint[1:].partition("_")[0]):
            continue
        assert knob in {parameter["parameter_name"] for parameter in endpoints[endpoint]["parameters"]}


@pytest.mark.parametrize("route", ["", *(family for family in FAMILIES if core.available(family))])
def test_routes_answer(app_address: str, route: str) -> None:
    assert httpx.get(f"{app_address}/{route}").status_code == 200


def test_a_family_without_a_model_has_no_tab(monkeypatch: pytest.MonkeyPatch) -> None:
    from genmodels import app

    monkeypatch.setattr(core, "available", lambda family: [] if family == "gan" else [f"{family}-mnist"])
    assert [tab.key for tab in app.tabs_shown()] == [family for family in FAMILIES if family != "gan"]
    monkeypatch.setattr(core, "available", lambda family: [])
    assert [tab.key for tab in app.tabs_shown()] == list(FAMILIES)


# -- who may load what -------------------------------------------------------------------------------------------------


@needs_a_denoiser
def test_on_ones_own_computer_any_repo_will_do(client: Client) -> None:
    said = client.predict("user/other", 7.5, 4, 64, 64, api_name="/diffusion_hub_cost")
    assert said == "The Hub can&#x27;t be reached, and &#x27;user/other&#x27; is not on this computer."


@needs_a_denoiser
def test_where_others_reach_the_app_they_choose_among_what_is_offered(start: Callable[..., Any]) -> None:
    port = free_port()
    process = start("app.py", GRADIO_SERVER_PORT=str(port), GRADIO_SERVER_NAME="0.0.0.0", GENMODELS_HUB_MODELS=None)
    wait_until_served(f"http://127.0.0.1:{port}", process)
    with contextlib.closing(Client(f"http://127.0.0.1:{port}", verbose=False)) as stranger:
        with pytest.raises(AppError, match="“Model” must be among stabilityai/sd-turbo, "):
            stranger.predict("user/other", 7.5, 4, 64, 64, api_name="/diffusion_hub_cost")
        offered = stranger.predict("stabilityai/sd-turbo", 0, 1, 512, 512, api_name="/diffusion_hub_cost")
        assert "is not on this computer" in offered
