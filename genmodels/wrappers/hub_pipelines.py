"""Pictures from text by any pipeline of the Hub, step by step: plain values in, previews out.

`estimate` says what a picture will cost before anything is downloaded, `generate` makes it. One pipeline is kept in
memory, and one picture is made at a time, in a thread of its own: whoever closes the iterator stops that thread within
one layer of the network, and never waits for it.
"""

import functools
import importlib.util
import inspect
import logging
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn

from genmodels.data import reason
from genmodels.device import device, free_memory, on_zero_gpu, set_threads
from genmodels.wrappers import hub_repos
from genmodels.wrappers.core import MAX_SEED, building, check_float, check_int
from genmodels.wrappers.hub_previews import callback, preview
from genmodels.wrappers.pictures import signed

if importlib.util.find_spec("spaces"):
    import spaces  # on ZeroGPU it has to come before CUDA is used
else:
    spaces = None

MAX_PROMPT, MAX_STEPS, MAX_GUIDANCE = 1000, 100, 30.0
MIN_SIDE, MAX_SIDE, SIDE_STEP = 64, 2048, 8
#: Operations per weight and latent pixel (a U-Net, a decoder) or per weight and token (a transformer), as counted by
#: torch.utils.flop_counter: 0.23 for Stable Diffusion 1.5 and 2.1, 0.16 for XL; 7.3 for their decoder; 2.0 for PixArt.
UNET_COST, DECODER_COST, TRANSFORMER_COST = 0.23, 7.3, 2.0
LATENT_PIXEL, TOKEN = 8, 16  # pixels on a side
#: Beside the weights: the activations of a large picture.
SPARE_MEMORY = 2 * 10**9
HEARTBEAT = 0.5  # seconds
log = logging.getLogger(__name__)


class Order(NamedTuple):
    """A picture that was asked for, checked."""

    repo: str
    prompt: str
    negative_prompt: str
    guidance_scale: float
    num_inference_steps: int
    width: int
    height: int
    seed: int


class Estimate(NamedTuple):
    """What a picture costs here: bytes to download, seconds (None: unknown), and how these were found."""

    download: int
    seconds: float | None
    how: str


class Progress(NamedTuple):
    """Where a picture is: what happens now, the last preview if it is new, steps done, seconds left if known."""

    text: str
    image: Image.Image | None = None
    step: int = 0
    total: int = 0
    seconds_left: float | None = None
    done: bool = False


class Stopped(Exception):
    """Raised inside the network once nobody waits for its picture."""


# -- what is asked for ------------------------------------------------------------------------------------------------


def check_order(
    repo: str,
    prompt: Any,
    negative_prompt: Any = "",
    guidance_scale: float = 7.5,
    num_inference_steps: int = 25,
    width: int = 512,
    height: int = 512,
    seed: int = 0,
) -> Order:
    """All settings checked, without asking the Hub; ValueError in one sentence with what is allowed."""
    for what, words in (("The prompt", prompt), ("The negative prompt", negative_prompt)):
        if not isinstance(words, str) or len(words) > MAX_PROMPT:
            length = f"{len(words)} characters" if isinstance(words, str) else type(words).__name__
            raise ValueError(f"{what} must be a text of at most {MAX_PROMPT} characters, not {length}.")
    if not prompt.strip():
        raise ValueError("Say in the prompt what the picture shall show; it is empty.")
    for what, side in (("The width", width), ("The height", height)):
        if check_int(what, side, MIN_SIDE, MAX_SIDE) % SIDE_STEP:
            raise ValueError(f"{what} must be a multiple of {SIDE_STEP}, not {side:g}.")
    return Order(
        hub_repos.check_id(repo),
        prompt.strip(),
        negative_prompt.strip(),
        check_float("The guidance scale", guidance_scale, 0, MAX_GUIDANCE),
        check_int("The number of steps", num_inference_steps, 1, MAX_STEPS),
        int(width),
        int(height),
        check_int("The seed", seed, 0, MAX_SEED),
    )


def _arguments(order: Order, kind: str) -> dict[str, Any]:
    """The order as a pipeline's own arguments; ValueError if it has none for a negative prompt."""
    known = inspect.signature(hub_repos.pipelines()[kind].__call__).parameters
    given: dict[str, Any] = order._asdict() | {"generator": torch.Generator().manual_seed(order.seed)}
    if "guidance_scale" not in known or ("true_cfg_scale" in known and order.negative_prompt):
        given["true_cfg_scale"] = order.guidance_scale  # what others call guidance_scale: Flux's own is learnt
    if not order.negative_prompt:
        del given["negative_prompt"]
    elif "negative_prompt" not in known:
        raise ValueError(f"{order.repo!r} holds a {kind}, which knows no negative prompt: leave it empty.")
    return {name: value for name, value in given.items() if name in known}


# -- what it costs ----------------------------------------------------------------------------------------------------


def estimate(
    repo: str, guidance_scale: float = 7.5, num_inference_steps: int = 25, width: int = 512, height: int = 512
) -> Estimate:
    """What one picture will cost on this computer, before anything but lists is downloaded. Raises as `generate` does."""
    order = check_order(repo, "-", "", guidance_scale, num_inference_steps, width, height)
    return _estimate(order, hub_repos.look_into(order.repo))


def _estimate(order: Order, contents: hub_repos.Contents) -> Estimate:
    download = sum(contents.missing().values())
    step, decoder = _operations(order, contents)
    if contents.denoiser is None or (_has_gpu() and order.repo not in _speeds):
        return Estimate(download, None, "")
    total = step * order.num_inference_steps + decoder
    if order.repo in _speeds:
        return Estimate(download, total / _speeds[order.repo], "as timed at its last picture")
    millions = contents.weights[contents.denoiser] / 1e6
    how = f"reckoned from the {millions:,.0f} million weights of its network and the speed of this computer"
    return Estimate(download, total / _cpu_speed(), how)


def _operations(order: Order, contents: hub_repos.Contents) -> tuple[float, float]:
    """Operations of one step and of the decoder; 0 if it isn't known how the pipeline works."""
    if contents.denoiser is None:
        return 0.0, 0.0
    pixels, weights = order.width * order.height, contents.weights[contents.denoiser]
    if contents.denoiser == "unet":
        step = UNET_COST * weights * pixels / LATENT_PIXEL**2
    else:
        step = TRANSFORMER_COST * weights * pixels / TOKEN**2
    guided = order.guidance_scale > 1 and not contents.kind.startswith(("Flux", "LatentConsistency"))
    decoder = DECODER_COST * contents.weights.get("vae", 0) * pixels / LATENT_PIXEL**2
    return step * (2 if guided else 1), decoder


#: Operations per second of each pipeline at its last picture.
_speeds: dict[str, float] = {}


@functools.cache
def _cpu_speed() -> float:
    """Operations per second of a convolution like those of a U-Net, in float32: the mean of some 0.2 s, as busy as the
    machine is now."""
    x, weight, times = torch.randn(1, 320, 32, 32), torch.randn(320, 320, 3, 3), 5
    torch.nn.functional.conv2d(x, weight, padding=1)  # the first is slower
    start = time.perf_counter()
    for _ in range(times):
        torch.nn.functional.conv2d(x, weight, padding=1)
    return times * 2 * weight.numel() * 32 * 32 / (time.perf_counter() - start)


def _has_gpu() -> bool:
    return (spaces is not None and on_zero_gpu()) or device().type != "cpu"


def _check_memory(contents: hub_repos.Contents) -> None:
    """ValueError if the weights fit into no memory of this computer, said before they are downloaded."""
    if spaces is not None and on_zero_gpu():
        return
    where = device()
    needed = sum(contents.weights.values()) * _precision(where, contents).itemsize + SPARE_MEMORY
    held = _holder.bytes if _holder.repo != contents.repo else needed
    if needed > (free := free_memory(torch.device("cpu")) + held):  # also on its way to a GPU
        raise ValueError(
            f"{contents.repo!r} needs about {needed / 1e9:.0f} GB of memory here, where {free / 1e9:.0f} GB are free."
        )


def _precision(where: torch.device, contents: hub_repos.Contents) -> torch.dtype:
    """float32 on a CPU; on a GPU what the networks are made for."""
    if where.type == "cpu":
        return torch.float32
    return torch.float16 if contents.denoiser == "unet" else torch.bfloat16


# -- the pipeline -----------------------------------------------------------------------------------------------------


class _Holder:
    """The one pipeline in memory. `lock` is held by the thread that uses it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.repo, self.bytes, self.offloaded = "", 0, False
        self.pipeline: Any = None

    def get(self, contents: hub_repos.Contents) -> Any:
        """The pipeline of a repo that was fetched; the former one goes first, so that never two are in memory."""
        if self.repo == contents.repo:
            return self.pipeline
        self.clear()
        where = device()
        dtype = _precision(where, contents)
        self.pipeline = _load(contents, dtype)
        self.bytes = sum(contents.weights.values()) * dtype.itemsize
        self.offloaded = where.type != "cpu" and self.bytes + SPARE_MEMORY > free_memory(where)
        if self.offloaded:  # each component goes to the GPU when its turn comes
            self.pipeline.enable_model_cpu_offload(device=where)
        else:
            self.pipeline.to(where)
        self.repo = contents.repo
        return self.pipeline

    def clear(self) -> None:
        from accelerate.utils.memory import clear_device_cache

        self.repo, self.bytes, self.pipeline, self.offloaded = "", 0, None, False
        clear_device_cache(garbage_collection=True)


_holder = _Holder()


def _load(contents: hub_repos.Contents, dtype: torch.dtype) -> Any:
    """From the files on this computer alone, safetensors alone; ValueError in one sentence if they don't fit together."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
    folder = hub_repos.folder_of(contents)
    options = {"variant": contents.variant, "use_safetensors": True, "local_files_only": True}
    try:
        with building:
            pipeline = diffusers.AutoPipelineForText2Image.from_pretrained(folder, dtype=dtype, **options)
    except Exception as error:  # what a stranger's files can raise has no end
        log.exception("%s could not be loaded", contents.repo)
        raise ValueError(f"{contents.repo!r} could not be loaded: {reason(error)}") from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


# -- one picture ------------------------------------------------------------------------------------------------------


def generate(
    repo: str,
    prompt: str,
    negative_prompt: str = "",
    guidance_scale: float = 7.5,
    num_inference_steps: int = 25,
    width: int = 512,
    height: int = 512,
    seed: int = 0,
) -> Iterator[Progress]:
    """A picture from text, step by step; the last `Progress` is `done` and has the picture itself, signed.

    In between come previews: the latents after each step, averaged down to a small picture and decoded by the pipeline's
    own decoder. Says at least every second where it is. Closing the iterator ends download and computation.
    Raises ValueError in one sentence: settings out of range, see `hub_repos` for the repo, too little disk or memory.
    """
    order = check_order(repo, prompt, negative_prompt, guidance_scale, num_inference_steps, width, height, seed)
    yield Progress(f"Looking for {order.repo} on the Hub")
    contents = hub_repos.look_into(order.repo)
    _arguments(order, contents.kind)
    _check_memory(contents)
    expected = _estimate(order, contents)
    yield Progress("Downloading" if expected.download else "Loading", seconds_left=expected.seconds)
    for fetched in hub_repos.fetch(contents):
        done = f"{fetched / 1e9:.1f} of {expected.download / 1e9:.1f} GB"
        yield Progress(f"Downloading: {done}", seconds_left=expected.seconds)
    for state in _make(order, contents, expected.seconds):
        if isinstance(state, str):
            raise ValueError(state)
        yield state


def _gpu_seconds(order: Order, *_: Any) -> int:
    """What to ask ZeroGPU for: loading, and what a step of a large pipeline takes at most."""
    return min(120, 40 + 2 * order.num_inference_steps)


def _make(order: Order, contents: hub_repos.Contents, seconds: float | None) -> Iterator[Progress | str]:
    """What `_Work` reports, and in between every now and then what it reported last; in the end perhaps why it failed.

    That is a text and no exception, because ZeroGPU, which runs this in a process of its own, keeps no exception's words.
    """
    work = _Work(order, contents, seconds)
    work.start()
    last: Progress | str = Progress("Waiting for the picture before", seconds_left=seconds)
    try:
        while not (isinstance(last, str) or last.done):
            try:
                state = work.reports.get(timeout=HEARTBEAT)
            except queue.Empty:
                left = last.seconds_left and max(0.0, last.seconds_left - HEARTBEAT)
                state = last._replace(image=None, seconds_left=left)
            yield state
            last = state
    finally:
        work.stopped.set()  # without waiting: a server must not stand still for the rest of a layer


if spaces is not None:  # off ZeroGPU it returns the function as it is
    _make = spaces.GPU(duration=_gpu_seconds)(_make)


class _Work(threading.Thread):
    """Makes one picture and reports; ends within one layer of the network once `stopped` is set."""

    def __init__(self, order: Order, contents: hub_repos.Contents, seconds: float | None) -> None:
        super().__init__(daemon=True, name=f"picture by {order.repo}")
        self.order, self.contents, self.seconds = order, contents, seconds
        self.stopped = threading.Event()
        self.reports: queue.SimpleQueue[Progress | str] = queue.SimpleQueue()
        self.started, self.reading_done = 0.0, False

    def run(self) -> None:
        with _holder.lock:
            try:
                set_threads()  # all cores: of this thread
                self.check()
                self.report("Loading")
                self.paint(_holder.get(self.contents))
            except Stopped:
                log.info("%s stopped", self.name)
            except ValueError as error:
                self.reports.put(str(error))
            except torch.OutOfMemoryError:
                _holder.clear()
                self.reports.put("The memory is too small for this: choose a smaller picture or model.")
            except Exception as error:
                log.exception("%s failed", self.name)
                self.reports.put(f"{self.order.repo!r} failed: {reason(error)}")

    def check(self, *_: Any) -> None:
        """As a hook before each layer: leave if nobody waits. (diffusers' own `_interrupt` would still decode.)"""
        if self.stopped.is_set():
            raise Stopped

    def report(self, text: str, **values: Any) -> None:
        self.reports.put(
            Progress(text, **{"seconds_left": self.seconds, "total": self.order.num_inference_steps} | values)
        )

    def paint(self, pipeline: Any) -> None:
        parts = [part for part in pipeline.components.values() if isinstance(part, nn.Module)]
        hooks = [layer.register_forward_pre_hook(self.check) for part in parts for layer in part.modules()]
        if self.contents.denoiser:
            network = getattr(pipeline, self.contents.denoiser)
            hooks.append(network.register_forward_pre_hook(self.before_first_step))
        self.report("Reading the prompt")
        self.started = time.perf_counter()
        try:
            arguments = _arguments(self.order, self.contents.kind) | callback(pipeline, self.after_step)
            made = pipeline(**arguments)
        finally:
            for hook in hooks:
                hook.remove()
            pipeline.maybe_free_model_hooks()
        self.remember_speed()
        blacked = any(getattr(made, "nsfw_content_detected", None) or [])
        text = "Done, but the pipeline's own safety checker blacked the picture out" if blacked else "Done"
        settings = self.order._asdict()
        picture = signed(made.images[0], settings.pop("repo"), **settings)
        total = self.order.num_inference_steps
        self.report(text, image=picture, step=total, seconds_left=0.0, done=True)

    def before_first_step(self, *_: Any) -> None:
        if not self.reading_done:
            self.reading_done = True
            self.report("Denoising")

    def after_step(self, pipeline: Any, step: int, latents: Tensor | None) -> None:
        """Report a step, counted from 0, and the seconds left as the steps so far took them."""
        self.check()
        total = getattr(pipeline, "_num_timesteps", 0) or self.order.num_inference_steps
        operations, decoder = _operations(self.order, self.contents)
        per_step = (time.perf_counter() - self.started) / (step + 1)
        left = per_step * (total - step - 1 + (decoder / operations if operations else 0))
        picture = None
        if step + 1 < total and latents is not None and not _holder.offloaded:  # else it would push the others out
            picture = preview(pipeline, latents, self.order.height, self.order.width)
        self.report("Denoising", image=picture, step=step + 1, total=total, seconds_left=left)
        if step + 1 == total:
            self.report("Decoding", step=total, total=total, seconds_left=left)

    def remember_speed(self) -> None:
        operations, decoder = _operations(self.order, self.contents)
        total = operations * self.order.num_inference_steps + decoder
        if total:
            _speeds[self.order.repo] = total / (time.perf_counter() - self.started)
