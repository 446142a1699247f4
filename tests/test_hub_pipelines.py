"""Text-to-image pipelines of the Hub: tiny ones of all the true components, served by olah, a server of the Hub's protocol.

Before olah stands a gate of ours, which lets everything through but for two repositories: one is gated, with the answer
that the Hub itself gives, and of one the weights come so slowly that there is time to stop.
"""

import contextlib
import http.server
import json
import math
import re
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest
import torch
from helpers import APP, ROOT, free_port, git_repo, online, python, serve_hub, wait_until_served

from genmodels import checkpoint
from genmodels.tabs import page
from genmodels.wrappers import core, hub_pictures, hub_pipelines, hub_repos

TESTS = f"{ROOT}:{ROOT}/tests"
BUILD = """
import sys
from pathlib import Path
import tiny_pipelines as tiny
root = Path(sys.argv[1])
sd, flux = tiny.stable_diffusion(), tiny.flux()
tiny.save(sd, root / "tiny", half=True)
tiny.save(sd, root / "parts", max_shard_size="100KB")
tiny.save(sd, root / "pickled", safe_serialization=False)
tiny.save(flux, root / "flux")
"""


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repositories: good ones, with much beside them that nobody needs, and such as can't be used."""
    root = tmp_path_factory.mktemp("mirror")
    models = root / "models/tester"
    built = python("-W", "ignore", "-c", BUILD, models, PYTHONPATH=TESTS)
    assert built.returncode == 0, built.stderr
    tiny = models / "tiny"
    for name in ("slow", "gated", "inpaint", "custom", "alien", "partial", "broken", "garbled", "lcm"):
        shutil.copytree(tiny, models / name)
    for name in ("README.md", "tiny.ckpt", "pytorch_model.bin", "unet/diffusion_pytorch_model.bin", "unet/model.py",
                 "unet/diffusion_flax_model.msgpack", "vae_decoder/model.onnx", "unet/lora.safetensors"):  # fmt: skip
        (tiny / name).parent.mkdir(exist_ok=True)
        (tiny / name).write_bytes(b"raise SystemExit('code from the Hub was run')")
    edit(models / "inpaint", "_class_name", "StableDiffusionInpaintPipeline")
    edit(models / "custom", "_class_name", ["pipeline", "Mine"])
    edit(models / "alien", "unet", ["my_library", "UNet"])
    edit(models / "lcm", "_class_name", "LatentConsistencyModelPipeline")
    for weights in (models / "partial/unet").glob("*.safetensors"):
        weights.unlink()
    shutil.copy(models / "parts/unet/diffusion_pytorch_model-00001-of-00003.safetensors", models / "partial/unet")
    for weights in (models / "broken/unet").glob("*.safetensors"):
        weights.write_bytes(weights.read_bytes()[:-100])
    (models / "garbled/model_index.json").write_text("{")
    (models / "foreign").mkdir()
    (models / "foreign/config.json").write_text('{"model_type": "bert"}')
    for folder in models.iterdir():
        git_repo(folder)
    return root


def edit(folder: Path, key: str, value: Any) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {key: value}))


class Gate(http.server.BaseHTTPRequestHandler):
    """Passes requests on to `behind`, but see the top of this file."""

    behind = ""

    def do_GET(self) -> None:
        if self.path.startswith("/tester/gated/resolve"):
            self.send_response(403)
            self.send_header("X-Error-Code", "GatedRepo")
            self.send_header("X-Error-Message", "Access to model tester/gated is restricted.")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in ("host", "accept-encoding")
        }
        request = urllib.request.Request(self.behind + self.path, headers=headers, method=self.command)
        try:
            with urllib.request.urlopen(request) as answer:
                self.pass_on(answer)
        except urllib.error.HTTPError as error:
            self.pass_on(error)

    do_HEAD = do_GET

    def pass_on(self, answer: Any) -> None:
        slow = self.path.startswith("/tester/slow/resolve") and "safetensors" in self.path and self.command == "GET"
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value.replace(self.behind, f"http://{self.headers['Host']}"))
        body = answer.read()
        if "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            if slow and "Range" not in self.headers:
                for i in range(60):
                    self.wfile.write(body[i : i + 1])
                    self.wfile.flush()
                    time.sleep(1)
            elif self.command == "GET":
                self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def endpoint(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_hub(mirror, tmp_path_factory.mktemp("olah"), "tester/tiny") as behind:
        gate = type("GateHere", (Gate,), {"behind": behind})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), gate)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        server.server_close()


def visit(endpoint: str, home: Path, **jobs: list) -> dict[str, Any]:
    """What came of some jobs of hub_visitor.py, in a process of their own."""
    options = online(endpoint, home) | {"PYTHONPATH": TESTS, "GENMODELS_HUB_MODELS": "*"}
    result = python(ROOT / "tests/hub_visitor.py", json.dumps(jobs), **options)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


REFUSED = {
    "tester/nothing": "There is no repo 'tester/nothing' on the Hub, or it is private.",
    "tester/gated": "The repo 'tester/gated' is gated: accept its terms on its page, and start the app with your HF_TOKEN.",
    "tester/foreign": "The repo 'tester/foreign' is no diffusers pipeline: it has no model_index.json.",
    "tester/garbled": "The model_index.json of 'tester/garbled' can't be read as JSON.",
    "tester/custom": "The repo 'tester/custom' asks for code of its own, which this app doesn't run.",
    "tester/inpaint": "The repo 'tester/inpaint' holds a StableDiffusionInpaintPipeline, which makes no pictures from text.",
    "tester/alien": "The unet of 'tester/alien' comes from 'my_library', which this app doesn't run.",
    "tester/pickled": "The repo 'tester/pickled' keeps its unet as a pickle, which can hold code; it needs safetensors.",
    "tester/partial": "The repo 'tester/partial' lacks weights of its unet.",
    "tester/broken": "'tester/broken' could not be loaded: ",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def outcome(endpoint: str, home: Path) -> dict[str, Any]:
    jobs = {"seeds": [], "straight": [], "other_kinds": [], "stop": [], "stop_download": [], "refusals": list(REFUSED)}
    return visit(endpoint, home, **jobs)


# -- pictures ----------------------------------------------------------------------------------------------------------


def test_the_seed_decides_the_picture(outcome: dict[str, Any]) -> None:
    made = outcome["seeds"]
    assert made["first"]["picture"] == made["again"]["picture"]
    assert len({made[name]["picture"] for name in ("first", "other", "negative", "unguided")}) == 4
    assert made["first"]["size"] == [64, 64]


def test_it_is_the_picture_that_diffusers_makes(outcome: dict[str, Any]) -> None:
    assert outcome["seeds"]["first"]["picture"] == outcome["straight"]["picture"]


def test_every_step_but_the_last_has_a_preview(outcome: dict[str, Any]) -> None:
    made = outcome["seeds"]["first"]
    assert made["steps"] == [[1, 4], [2, 4], [3, 4]]
    assert len({*made["previews"], made["picture"]}) == 4
    assert made["preview_sizes"] == [[64, 64]] * 3  # as small as latents of 8x8 are, they need not be averaged down
    assert made["done"] == [False] * (len(made["done"]) - 1) + [True]
    assert [text for text in made["texts"] if text != "Waiting for the picture before"] == [
        "Looking for tester/tiny on the Hub", "Downloading", "Loading", "Reading the prompt", "Denoising", "Decoding", "Done",
    ]  # fmt: skip
    assert all(left > 0 for left in made["left"])


def test_the_settings_are_in_the_picture(outcome: dict[str, Any]) -> None:
    info = outcome["seeds"]["negative"]["info"]
    settings = (
        "model",
        "prompt",
        "negative_prompt",
        "seed",
        "num_inference_steps",
        "guidance_scale",
        "width",
        "height",
    )
    assert [info[key] for key in settings] == ["tester/tiny", "a red bar", "blue", "1", "4", "7.5", "64", "64"]


def test_nothing_is_downloaded_that_is_not_used(outcome: dict[str, Any]) -> None:
    assert outcome["seeds"]["cached"] == [
        "model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json",
        "text_encoder/model.fp16.safetensors", "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json",
        "unet/config.json", "unet/diffusion_pytorch_model.fp16.safetensors", "vae/config.json",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    ]  # fmt: skip


def test_weights_in_parts_and_without_float16(outcome: dict[str, Any]) -> None:
    made = outcome["other_kinds"]["tester/parts"]
    assert sum("unet/diffusion_pytorch_model-0000" in name for name in made["cached"]) == 3
    assert "unet/diffusion_pytorch_model.safetensors.index.json" in made["cached"]
    assert made["steps"] == [[1, 4], [2, 4], [3, 4]]
    assert made["kept"] == "tester/parts", "one pipeline is kept, the last"


def test_a_transformer_with_packed_latents(outcome: dict[str, Any]) -> None:
    made = outcome["other_kinds"]["tester/flux"]
    assert made["steps"] == [[1, 4], [2, 4], [3, 4]]
    assert made["preview_sizes"] == [[64, 64]] * 3
    assert len(set(made["previews"])) == 3
    assert made["kept"] == "tester/flux"


def test_what_a_picture_costs(outcome: dict[str, Any], mirror: Path) -> None:
    """First from the number of weights and the speed of the machine, then as timed."""
    download, seconds, how = outcome["seeds"]["before"]
    needed = [mirror / "models/tester/tiny" / name for name in outcome["seeds"]["cached"]]
    index = (mirror / "models/tester/tiny/model_index.json").stat().st_size  # was read to find out
    assert download == sum(path.stat().st_size for path in needed) - index
    assert 0 < seconds < 60
    assert "million weights" in how
    download, seconds, how = outcome["seeds"]["after"]
    assert download == 0
    assert how == "as timed at its last picture"
    assert outcome["seeds"]["longer"][1] > 2 * seconds


# -- Stop --------------------------------------------------------------------------------------------------------------


def test_stop_stops_within_a_step(outcome: dict[str, Any]) -> None:
    stopped = outcome["stop"]
    assert 2 <= stopped["before"] <= stopped["after"] <= stopped["before"] + 1 < 100
    assert stopped["closing"] < 5, "who closes doesn't wait"
    assert stopped["next"]["picture"] == outcome["seeds"]["first"]["picture"]


def test_stop_ends_a_download(outcome: dict[str, Any]) -> None:
    stopped = outcome["stop_download"]
    assert stopped["running"]
    assert stopped["ended"]
    assert "unet/diffusion_pytorch_model.fp16.safetensors" not in stopped["cached"]


# -- what can't be -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("repo", REFUSED)
def test_repos_that_cannot_be_used_are_refused_in_one_sentence(outcome: dict[str, Any], repo: str) -> None:
    said = outcome["refusals"]["words"][repo]
    assert said.startswith(REFUSED[repo])
    assert "\n" not in said
    if repo != "tester/broken":
        assert not [name for name in outcome["refusals"]["cached"][repo] if name != "model_index.json"]


def test_a_negative_prompt_that_would_do_nothing_is_refused(outcome: dict[str, Any]) -> None:
    assert outcome["refusals"]["words"]["negative"] == (
        "'tester/lcm' holds a LatentConsistencyModelPipeline, which knows no negative prompt: leave it empty."
    )


def test_the_app_goes_on_after_refusals(outcome: dict[str, Any]) -> None:
    assert outcome["refusals"]["then"]["picture"] == outcome["seeds"]["first"]["picture"]


def test_without_a_network(outcome: dict[str, Any], home: Path) -> None:
    """What was fetched before still works, all else is refused."""
    again = visit("http://127.0.0.1:9", home, seeds=[], refusals=["tester/never"])
    assert again["seeds"]["first"]["picture"] == outcome["seeds"]["first"]["picture"]
    said = again["refusals"]["words"]["tester/never"]
    assert said == "The Hub can't be reached, and 'tester/never' is not on this computer."


GOOD: dict[str, Any] = {"repo": "tester/tiny", "prompt": "a red bar"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": ""}, "Say in the prompt what the picture shall show; it is empty."),
        ({"prompt": "x" * 10_000}, "The prompt must be a text of at most 1000 characters, not 10000 characters."),
        ({"prompt": None}, "The prompt must be a text of at most 1000 characters, not NoneType."),
        ({"negative_prompt": "x" * 10_000}, "The negative prompt must be a text of at most 1000 characters, not 10000 characters."),
        ({"width": 500}, "The width must be a multiple of 8, not 500."),
        ({"height": 10**5}, "The height must be a whole number from 64 to 2048, not 100000."),
        ({"num_inference_steps": 0}, "The number of steps must be a whole number from 1 to 100, not 0."),
        ({"guidance_scale": math.nan}, "The guidance scale must be a number from 0 to 30, not nan."),
        ({"seed": -1}, "The seed must be a whole number from 0 to 2147483647, not -1."),
        ({"repo": "nothing"}, "'nothing' is not the id of a Hub repo, which is written user/name."),
        ({"repo": "../../etc"}, "'../../etc' is not the id of a Hub repo, which is written user/name."),
        ({"repo": None}, "'None' is not the id of a Hub repo, which is written user/name."),
    ],
)  # fmt: skip
def test_bad_settings_are_refused_in_one_sentence(
    change: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the Hub is asked for anything."""
    monkeypatch.setenv("GENMODELS_HUB_MODELS", "*")
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        hub_pipelines.check_order(**GOOD | change)


def test_too_large_for_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said before the download: 10^13 weights fit into no computer."""
    contents = hub_repos.Contents("user/huge", "0" * 40, "FluxPipeline", {}, None, {"transformer": 10**13})
    with pytest.raises(ValueError, match=r"'user/huge' needs about 40002 GB of memory here, where \d+ GB are free\."):
        hub_pipelines._check_memory(contents)


# -- which repos are allowed -------------------------------------------------------------------------------------------


def test_the_setting_restricts_the_repos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_HUB_MODELS", "tester/tiny, stabilityai/sd-turbo")
    assert hub_repos.check_id(" tester/tiny ") == "tester/tiny"
    with pytest.raises(
        ValueError, match=r"^This app doesn't run 'tester/other'; it runs tester/tiny, stabilityai/sd-turbo\.$"
    ):
        hub_repos.check_id("tester/other")
    assert [repo for _, repo in hub_repos.offered()] == ["tester/tiny", "stabilityai/sd-turbo"]


@pytest.mark.parametrize(
    ("place", "env", "any_repo"),
    [
        (None, {}, False),  # mounted by another program
        (None, {"GENMODELS_HUB_MODELS": "*"}, True),
        *((address, {}, True) for address in ("127.0.0.1", "localhost", "::1", "[::1]")),
        *((address, {}, False) for address in ("0.0.0.0", "192.168.0.7", "example.org", "")),
        ("127.0.0.1", {"SPACE_ID": "user/space"}, False),
        ("127.0.0.1", {"GENMODELS_HUB_MODELS": "stabilityai/sd-turbo"}, False),
    ],
)
def test_strangers_may_use_what_is_offered(
    monkeypatch: pytest.MonkeyPatch, place: str | None, env: dict[str, str], any_repo: bool
) -> None:
    for name in ("GENMODELS_HUB_MODELS", "SPACE_ID"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    if place is not None:
        hub_repos.allow_any_on_loopback(place)
    assert (hub_repos.allowed_ids() is None) == any_repo
    assert next(repo for _, repo in hub_repos.offered()) == "stabilityai/sd-turbo"
    if not any_repo:
        with pytest.raises(ValueError, match=r"^This app doesn't run 'user/other'; it runs stabilityai/sd-turbo"):
            hub_repos.check_id("user/other")


def test_a_link_that_is_shared_is_for_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_HUB_MODELS", "")
    hub_repos.allow_any_on_loopback("127.0.0.1", share=True)
    assert hub_repos.allowed_ids() == tuple(suggestion.repo for suggestion in hub_repos.SUGGESTIONS)


@pytest.mark.parametrize("suggestion", hub_repos.SUGGESTIONS)
def test_suggestions_are_within_the_limits(suggestion: hub_repos.Suggestion) -> None:
    repo, _, steps, guidance, side = suggestion
    hub_pipelines.check_order(repo, "x", "", guidance, steps, side, side)


def test_our_models_can_be_loaded_while_a_pipeline_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile accelerate lets every module of the process be built without its weights."""
    import accelerate
    import diffusers

    begun, end = threading.Event(), threading.Event()

    def build(*_: Any, **__: Any) -> Any:
        with accelerate.init_empty_weights():
            begun.set()
            end.wait(1)
        return mock.MagicMock()

    monkeypatch.setattr(diffusers.AutoPipelineForText2Image, "from_pretrained", build)
    monkeypatch.setattr(hub_repos, "folder_of", lambda contents: "somewhere")
    builds = threading.Thread(target=hub_pipelines._load, args=(mock.MagicMock(variant=None), torch.float32))
    builds.start()
    begun.wait()
    core._on.cache_clear()
    model = core.load_model(next(iter(checkpoint.bundled())))
    end.set()
    builds.join()
    assert not any(parameter.is_meta for parameter in model.parameters())


# -- the section ---------------------------------------------------------------------------------------------------------

#: The app with a log of the steps that the network really takes.
COUNTED = """
import sys
from diffusers import UNet2DConditionModel
forward = UNet2DConditionModel.forward

def counted(self, *args, **options):
    with open(sys.argv[1], "a") as log:
        print("step", file=log)
    return forward(self, *args, **options)

UNet2DConditionModel.forward = counted
"""
SMALL: dict[str, Any] = {
    "repo": "tester/tiny",
    "prompt": "a red bar",
    "num_inference_steps": 4,
    "width": 64,
    "height": 64,
}


@pytest.fixture
def served(endpoint: str, home: Path, start: Callable[..., Any], tmp_path: Path) -> tuple[str, Path]:
    """Address and log of the app."""
    if not page.sections()["diffusion.hub"].models():
        pytest.skip("no diffusion model is bundled, so the tab is not laid out")
    log, port = tmp_path / "steps.log", free_port()
    options = online(endpoint, home) | {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    process = start("-c", COUNTED + APP, log, GENMODELS_HUB_MODELS="tester/tiny,tester/pickled", **options)
    address = f"http://127.0.0.1:{port}"
    wait_until_served(address, process)
    return address, log


def work(address: str, lane: str, section: str, state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The answers of a work section as the page gets them; closing the iterator hangs up."""
    call = f"{address}/gradio_api/call/work_{lane}"
    event = httpx.post(call, json={"data": [section, state]}, timeout=60).raise_for_status().json()["event_id"]
    with httpx.stream("GET", f"{call}/{event}", timeout=120) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: [{"):
                yield from json.loads(line.removeprefix("data: "))


def test_the_section(served: tuple[str, Path]) -> None:
    """Over HTTP: what it costs, previews and picture, refusals as a sentence beside their field, Stop."""
    address, log = served
    *_, cost = work(address, "network", "diffusion.hub_cost", SMALL)
    assert "A picture takes **less than 1 s** here, reckoned from the " in cost["words"]
    *_, said = work(address, "network", "diffusion.hub_cost", SMALL | {"repo": "tester/pickled"})
    assert "pickle" in said["error"]
    answers = list(work(address, "large", "diffusion.hub", SMALL | {"seed": 1}))
    assert answers[-1]["progress"] == "Done · step 4 of 4 · tester/tiny · seed 1"
    assert answers[-1]["picture"]["shape"] == [1, 3, 64, 64]
    assert len({answer["picture"]["pixels"] for answer in answers if "picture" in answer}) == 4
    assert len(log.read_text().splitlines()) == 4
    for change, field, words in (
        ({"repo": "tester/pickled"}, "", "safetensors"),
        ({"repo": "tester/other"}, "repo", "This app doesn't run 'tester/other'; it runs tester/tiny"),
        ({"prompt": ""}, "", "it is empty"),
        ({"width": 10**6}, "width", "from 64 to 2048"),
    ):
        refused = list(work(address, "large", "diffusion.hub", SMALL | change))[-1]
        assert words in refused["error"]
        assert refused["field"] == field
    assert len(log.read_text().splitlines()) == 4
    answers = work(address, "large", "diffusion.hub", SMALL | {"num_inference_steps": 100, "width": 256, "height": 256})
    while next(answers)["step"] != 2:
        pass
    answers.close()
    time.sleep(1)  # until the server has seen that nobody listens
    taken = len(log.read_text().splitlines())
    time.sleep(2)
    assert len(log.read_text().splitlines()) <= taken + 1 < 60


@pytest.mark.parametrize("values", [{}, {"repo": "tester/tiny", "num_inference_steps": 3}])
def test_what_is_not_said_suits_the_repo(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_HUB_MODELS", "*")
    state = hub_pictures.HubState.parse(values, ["diffusion-mnist"])
    settings = state.settings("num_inference_steps", "guidance_scale", "width", "height")
    assert settings == hub_pictures.suited(state.repo) | {k: v for k, v in values.items() if k != "repo"}
