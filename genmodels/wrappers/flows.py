"""What an invertible model allows: there and back without loss, layer by layer, other classes."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from genmodels import operations
from genmodels.data import tile_pixels, to_uint8
from genmodels.device import here
from genmodels.models.base import seeded
from genmodels.protocols import HasLikelihood, ShowsLayers
from genmodels.wrappers.core import MAX_SEED, check_int, class_index, describe, get_model, locked
from genmodels.wrappers.latents import PictureState
from genmodels.wrappers.pictures import from_pad, to_pad
from genmodels.wrappers.sampling import A_FEW, GenerateState, guidance_field, knob, temperature_field
from genmodels.wrappers.section import Answer, from_pads, packed, pictures
from genmodels.wrappers.state import EACH, State, class_label, class_of, drawing
from genmodels.wrappers.state import seed as state_seed
from genmodels.wrappers.state import whole as state_whole
from genmodels.wrappers.types import Film, FilmFrame, NoiseHistogram, Pad

FILM_PICTURES, FILM_COLUMNS = 8, 4
NOISE_REACH = 4.0  # the histogram of z goes from -4 to 4
STEPS_BETWEEN = 9
DEQUANTIZATION_SEED = 0
COST = "25 %"  # by so much guidance makes sampling longer
LIKELIEST = "the most likely"
CORNERS = {"right": "at the top right", "below": "at the bottom left", "diagonal": "at the bottom right"}


# -- there and back ---------------------------------------------------------------------------------------------------


class RoundTrip(NamedTuple):
    """A code `(1, C, H, W)`, the picture that it decodes to, the largest difference of any pixel in grey levels, and
    milliseconds of both ways."""

    code: Tensor
    decoded: Tensor
    difference: int
    ms_there: float
    ms_back: float


@locked
def round_trip(name: str, pad: Pad) -> RoundTrip:
    """A picture encoded, and decoded again."""
    model, x = get_model(name, ShowsLayers), from_pad(name, pad)[0]
    start = time.perf_counter()
    z = model.encode(x, generators=seeded([DEQUANTIZATION_SEED]))
    turned = time.perf_counter()
    decoded = model.decode(z)
    there, back = 1000 * (turned - start), 1000 * (time.perf_counter() - turned)
    difference = int((to_uint8(decoded).int() - to_uint8(x).int()).abs().max())
    return RoundTrip(z, decoded, difference, there, back)


def code_picture(z: Tensor) -> Answer:
    """A code as a picture: -3 is black, 3 white."""
    return pictures((z / 3).clamp(-1, 1))


def loss(difference: int) -> str:
    """The largest difference in words."""
    return f"**{difference}** of 256 grey {'level' if difference == 1 else 'levels'}"


def _noise_histogram(z: Tensor) -> NoiseHistogram:
    """The density of numbers in 32 bins (those beyond the ends count, and are not shown), and of N(0, 1) beside it."""
    counts, edges = np.histogram(z.cpu().numpy(), bins=32, range=(-NOISE_REACH, NOISE_REACH))
    at = np.linspace(-NOISE_REACH, NOISE_REACH, 129)
    return {
        "density": (counts / (len(z) * (edges[1] - edges[0]))).tolist(),
        "edges": edges.tolist(),
        "normal": (np.exp(-(at**2) / 2) / math.sqrt(2 * math.pi)).tolist(),
    }


def _film_there_and_back(name: str, x: Tensor, z: Tensor) -> Film:
    model = get_model(name, ShowsLayers)
    titles, n = layer_titles(model), len(model.layer_names)
    there = [f"There, layer {i} of {n}: {title} became noise" for i, title in enumerate(titles, 1)]
    back = [f"Back, layer {n + 1 - i} undone: {title} came back" for i, title in enumerate(reversed(titles), 1)]
    there[-1] = f"There, layer {n} of {n}: all is noise now; this is z"
    back[-1] = "Back: the picture again"
    leaving = model.encode_steps(x, generators=seeded([DEQUANTIZATION_SEED]))
    _, *returning = model.decode_steps(z)
    return _film(name, [*leaving, *returning], ["The picture", *there, *back])


def layer_titles(model: ShowsLayers) -> list[str]:
    """Which pixels each layer turns into noise, in words; from the picture to noise."""
    height, width = model.image_shape[1:]
    titles = []
    for name in model.layer_names:
        stage, _, corner = name.partition("_")
        scale = int(stage.removeprefix("scale")) if corner else model.config.to_json()["scales"]
        left = f"of the {height >> scale}×{width >> scale} pixels{' left' if scale else ''}"
        which = f"the one {CORNERS[corner]} of each 2×2 square" if corner else "every other one"
        titles.append(f"{left}, {which}")
    return titles


def _film(name: str, steps: Sequence[Tensor], captions: Sequence[str]) -> Film:
    """Batches of images `(B, C, H, W)`, each tiled into one frame."""
    paper = describe(name)["background"]
    frames = [to_pad(tile_pixels(to_uint8(step), min(len(step), FILM_COLUMNS), paper=paper)) for step in steps]
    return {"frames": [{**frame, "caption": text} for frame, text in zip(frames, captions, strict=True)]}


@locked
def sample_layers(name: str, seed: int = 0, label: int | str | None = None, **knobs: Any) -> Film:
    """Samples on their way from noise to pictures, one frame per layer undone. label None = every class in turn."""
    model = get_model(name, ShowsLayers)
    seed = check_int("The seed", seed, 0, MAX_SEED)
    knobs = {key: knob(model, key, value) for key, value in knobs.items()}
    index = class_index(name, label)
    labels = operations.as_labels(model, FILM_PICTURES, "balanced" if index is None else index)
    steps = list(model.sample_steps(labels, generators=seeded(range(seed, seed + FILM_PICTURES)), **knobs))
    titles, n = layer_titles(model), len(model.layer_names)
    captions = [f"Layer {n + 1 - i} undone: {title}" for i, title in enumerate(reversed(titles), 1)]
    captions[-1] = "Layer 1 undone: the pictures are complete"
    cleaned = ["Cleaned of the noise that training adds"] if len(steps) > n + 1 else []
    return _film(name, steps, ["Noise", *captions, *cleaned])


# -- between two pictures, and other classes ----------------------------------------------------------------------------


def _swapped(name: str, pad: Pad, index: int | None) -> tuple[int, Tensor]:
    """The class that a picture is encoded as (None: the one under which it is the most likely), and its code decoded as
    one of every class, uint8 `(classes, C, H, W)`."""
    model, classes = get_model(name, ShowsLayers), describe(name)["classes"]
    x = from_pad(name, pad)[0]
    everyone = operations.as_labels(model, len(classes), list(range(len(classes))))
    if index is None:
        each = operations.bits_per_dim(get_model(name, HasLikelihood), x.expand(len(classes), *x.shape[1:]), everyone)
        index = int(each.argmin())
    z = model.encode(x, everyone[index : index + 1])
    return index, to_uint8(model.decode(z.expand(len(classes), *z.shape[1:]), everyone))


# -- as sections -------------------------------------------------------------------------------------------------------


@locked
def there_and_back(state: PictureState) -> Answer:
    """What `round_trip` says: code and decoded (pictures), numbers (the code's, a histogram with the normal curve), words,
    film (all layers there and back), difference in grey levels, ms_there and ms_back."""
    name, pad = state.model, state.pad_of("picture")
    z, decoded, difference, there, back = round_trip(name, pad)
    numbers = _noise_histogram(z.flatten())
    film = _film_there_and_back(name, from_pad(name, pad)[0], z)["frames"]
    return {
        "code": code_picture(z),
        "decoded": pictures(decoded),
        "numbers": {
            "counts": numbers["density"], "edges": numbers["edges"], "curve": numbers["normal"],
            "left": f"{-NOISE_REACH:.0f}", "right": f"{NOISE_REACH:.0f}",
            "middle": f"mean {float(z.mean()):.2f}, standard deviation {float(z.std()):.2f}; the line is N(0,\u00a01)",
        },
        "words": f"Largest difference of any pixel: {loss(difference)}. There in {there:.0f} ms, "
        f"back in {back:.0f} ms.",
        "film": _as_film(film),
        "difference": difference, "ms_there": there, "ms_back": back,
    }  # fmt: skip


def _as_film(frames: Sequence[FilmFrame]) -> dict[str, Any]:
    """Frames (pads with captions) as a film of an answer, which starts at the first one."""
    return {"frames": from_pads(frames), "captions": [frame["caption"] for frame in frames], "start": 0}


@dataclass(frozen=True)
class SamplesState(GenerateState):
    temperature: float = temperature_field(
        info="How strong the noise is: low is typical, high is varied, and 1 is as learnt."
    )
    guidance_scale: float = guidance_field(COST)
    n: int = state_whole("How many", A_FEW, 1, 64, advanced=True)


@dataclass(frozen=True)
class LayersState(State):
    label: str = class_label(EACH)
    temperature: float = temperature_field()
    guidance_scale: float = guidance_field(COST)
    seed: int = state_seed()


def layers(state: LayersState) -> Answer:
    """film: eight samples on their way from noise to pictures, one frame per layer undone."""
    made = sample_layers(
        state.model, state.seed, class_of(state.label), **state.picked("temperature", "guidance_scale")
    )
    return {"film": _as_film(made["frames"])}


@dataclass(frozen=True)
class BlendState(State):
    picture: str = drawing("First picture", "#0")
    other: str = drawing("Second picture", "#8")


@locked
def blend(state: BlendState) -> Answer:
    """From one picture to another in nine steps: latent (through the codes) and pixels (a cross-fade)."""
    model, t = get_model(state.model, ShowsLayers), torch.linspace(0, 1, STEPS_BETWEEN, device=here())
    a, b = (from_pad(state.model, state.pad_of(key))[0] for key in ("picture", "other"))
    latent = operations.interpolate(model, a[0], b[0], t)
    return {"latent": pictures(latent), "pixels": pictures(torch.lerp(a, b, t.view(-1, 1, 1, 1)))}


@dataclass(frozen=True)
class SwapState(State):
    picture: str = drawing()
    label: str = class_label(LIKELIEST, label="Encode it as")


@locked
def swap(state: SwapState) -> Answer:
    """gallery: the picture's code decoded as one of every class, that of the class it was encoded as marked; words."""
    told = None if state.label == LIKELIEST else class_index(state.model, state.label)
    index, made = _swapped(state.model, state.pad_of("picture"), told)
    classes = describe(state.model)["classes"]
    found = "" if told is not None else " (under which it is the most likely)"
    return {
        "gallery": {
            "pictures": packed(made),
            "titles": [[title] for title in classes],
            "marked": [i == index for i in range(len(classes))],
        },
        "words": f"Encoded as **{classes[index]}**{found}, decoded as every class.",
    }
