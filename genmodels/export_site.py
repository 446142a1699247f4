"""The page without a server: a folder of plain files for any host, whose models run in the visitor's browser.

The same elements as the app's, laid out from the same spec; `web/local` answers them: states are checked there as
`wrappers/state.py` checks them, and each section of LOCAL is computed by onnxruntime-web from the graphs of `export.py`. Sections
that aren't in LOCAL aren't offered. Needs `pip install 'genmodels[export]'`, and npm, or a folder with its package onnxruntime-web.

    index.html, genmodels.js     what a browser opens; elements/, local/: the modules
    site.json.gz                 the page's spec, and which files there are
    models/                      graphs, and what is known of a model beside them: classes, examples, figures
    posters/                     what the sections begin with, computed beforehand
    runtime/                     onnxruntime-web
    README.md                    the front matter of a static Space
"""

import base64
import contextlib
import dataclasses
import gzip
import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from genmodels import checkpoint, export
from genmodels.data import to_uint8
from genmodels.files import take_place
from genmodels.models.flow import FlowConfig
from genmodels.models.pixelcnn import PixelCNN
from genmodels.protocols import ShowsLayers
from genmodels.registry import get_family
from genmodels.tabs import page
from genmodels.wrappers import (
    bottleneck,
    core,
    denoisers,
    diffusion,
    discriminator,
    examples,
    flows,
    latents,
    on_record,
    overview,
    sampling,
    style_mixing,
)
from genmodels.wrappers.section import Section

#: Of diffusion, those that web/local/solvers.js has.
SOLVERS = ("unipc", "dpm++2m", "ddim", "euler")
WORTH_SEEING = 40  # tenths of a bit, as in web/elements/expected.js
RUNTIME, RUNTIME_VERSION = "onnxruntime-web", "1.30.0"
#: Of the npm package: what is taken -> its name here.
RUNTIME_FILES = {
    "dist/ort.wasm.bundle.min.mjs": "ort.mjs",
    "dist/ort-wasm-simd-threaded.wasm": "ort.wasm.gz",
}
WEB = Path(str(files("genmodels") / "web"))
#: Graphs of one model that have most of their weights in common.
SHARED = ("encode_drawn", "decode_layers", "log_likelihood")
#: What may be needed beside graphs: the checkpoint's weights as they are, and facts ("known.scores", say), each in a file.
CHECKPOINT, KNOWN = "checkpoint", "known"
SEE, FILL = "overview.see", "overview.fill"
LARGE = 1024  # bytes of a tensor that is worth its own place
DIGITS = 8  # of the hashes in the names of files
#: With this header, or its like in a host's own file, everything works: no inline script, no eval beyond WebAssembly.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'"
)
_TIMES = re.compile(r"\d ms\b")
_DEFINES = re.compile(r"^(?:customElements\.define\(| +)'(gm-[\w-]+)'(?:, |: \w+,$)", re.MULTILINE)
_IMPORT = re.compile(r"""^(?:import|.*\bfrom) '(\.\.?/[\w./-]+\.js)'""", re.MULTILINE)
_ANY_IMPORT = re.compile(r"""(?:\bfrom|\bimport)\b *\(? *'(\.\.?/[\w./-]+\.js)'""")
SHEETS = ("local/theme.css", "elements/page.css")
PURPOSE = "Try the families of generative image models with your own hands: small networks, live in this browser."
README = """---
title: "genmodels in the browser"
emoji: "🎲"
colorFrom: "gray"
colorTo: "green"
sdk: "static"
app_file: "index.html"
license: "mit"
short_description: "Touch VAEs, GANs, flows, diffusion in your browser"
tags:
  - generative-models
  - onnx
---

Small generative models of images that run in the visitor's browser. The files in this folder need no server beyond one that
serves files; `python -m genmodels export-site` made them.
"""


#: What is known of a model: a function of its name.
Fact = Callable[[str], Any]


class Local(NamedTuple):
    """What a section needs to be computed in a browser: graphs (and CHECKPOINT), what the page knows of the model besides, where the
    section is hidden, the one in whose element it is asked for, which of its models can be there, the state that its
    element begins with where that isn't the default, and what is known only where it is computed, each fact in a file of its own."""

    graphs: tuple[str, ...]
    facts: Mapping[str, Fact] = {}
    within: str = ""
    models: Callable[[str], bool] = lambda name: True
    begins: Callable[[str], dict[str, Any]] = lambda name: {}
    known: Mapping[str, Fact] = {}

    @property
    def needs(self) -> tuple[str, ...]:
        return (*self.graphs, *(f"{KNOWN}.{fact}" for fact in self.known))


class Reading(NamedTuple):
    """What a family makes of a drawing in SEE, at once and then in FILL: parts by their keys in PARTS. lacks: what the app shows
    besides, and a browser can't, in one sentence."""

    part: str
    then: str = ""
    lacks: str = ""


def _strongest(name: str) -> Any:
    return latents.strongest_latents(name, min(latents.KNOBS, core.describe(name)["latent_dim"]))


def _scores(name: str) -> list[float]:
    return _sorted(core.calibrated(name, "scores", "anomaly scores"))


def _realism(name: str) -> dict[str, Any]:
    """The critic's scores of test images and of samples, sorted, and their histograms."""
    test, samples = discriminator.known_scores(name)
    return {"test": _sorted(test), "samples": _sorted(samples), "histogram": discriminator.histograms(name)}


def _sorted(values: Any) -> list[float]:
    return sorted(round(float(value), 5) for value in values)


def _worth_seeing(name: str) -> dict[str, int]:
    """The pixel with which web/elements/expected.js begins."""
    section = page.sections()["pixelcnn.surprise"]
    bits = base64.b64decode(section.answer(section.parse({"model": name}))["bits"])
    first = min(range(len(bits)), key=lambda i: abs(bits[i] - WORTH_SEEING))
    width = core.describe(name)["shape"][2]
    return {"x": first % width, "y": first // width}


def _layers(name: str) -> list[str]:
    """What the layers of a flow turn into noise, in words."""
    return flows.layer_titles(core.get_model(name, ShowsLayers))


def _layers_draw(name: str) -> bool:
    """Whether a sample is what the layers give: to clean it of noise takes a gradient, which a graph can't compute."""
    config = core.config_of(name)
    return not (isinstance(config, FlowConfig) and config.noise_std)


def _writes(name: str) -> bool:
    """Whether web/local/writing.js knows the network."""
    return issubclass(get_family(core.describe(name)["family"]), PixelCNN)


def _writer(name: str) -> dict[str, Any]:
    config = checkpoint.read_config(name)["config"]
    return {"fold": config["fold"], "dilations": config["dilations"], "levels": config["grey_levels"]}


def _bits(name: str) -> list[float]:
    return _sorted(core.calibrated(name, "bits_per_dim_test", "likelihoods"))


def _codes(name: str) -> dict[str, Any] | None:
    """The codes of test images, among which a drawing lies, and their classes."""
    tested = latents.test_codes(name)
    return tested and {"codes": _packed(tested[0].numpy(), np.float32), "labels": tested[1].tolist()}


def _own(name: str) -> str:
    """Pictures of the model's own, which a drawing is compared with."""
    return _packed(to_uint8(discriminator.own(name)[0]).numpy(), np.uint8)


def _packed(values: np.ndarray, dtype: Any) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode()


def _guides(name: str) -> Sequence[float]:
    return denoisers.model_config(name).guidance_interval


def _ends(name: str) -> Sequence[float]:
    return denoisers.model_config(name).step_ends


def _noisy(name: str) -> dict[str, Any]:
    """With which settings a drawing is noised and denoised."""
    state = overview.noisy(name, overview.SeeState.parse({"data": core.describe(name)["data"]}, [name]), overview.MADE)
    return {key: value for key, value in dataclasses.asdict(state).items() if key not in ("model", "picture", "seed")}


def _errors(name: str) -> list[float] | None:
    """How well the network sees test images through as much noise."""
    return None if examples.known_images(name) is None else diffusion.test_errors(name, overview.NOISE).tolist()


LAYERS = {"layers": _layers}
STYLES = {"num_layers": style_mixing.layer_count}
REBUILT: Mapping[str, Fact] = {"scores": _scores, "histogram": bottleneck.score_histogram}
REALISM: Mapping[str, Fact] = {"realism": _realism}
WRITER = {"writer": _writer, "temperature": sampling.own_temperature}
WALKS: Mapping[str, Fact] = {"guides": _guides, "ends": _ends}
NOISY: Mapping[str, Fact] = {"noisy": _noisy, "errors": _errors}
#: The sections that `web/local` computes.
LOCAL: dict[str, Local] = {
    "autoencoder.bottleneck": Local(("encode", "decode"), known=REBUILT),
    "autoencoder.blend": Local(("encode", "decode")),
    "vae.map": Local(("blend",), {"points": latents.points}),
    "vae.where": Local(("posterior",), within="vae.map"),
    "vae.generate": Local(("codes", "blend")),
    "vae.variations": Local(("posterior", "blend")),
    "vae.knobs": Local(("codes", "blend"), {"strongest": _strongest, "temperature": sampling.own_temperature}),
    "vae.walk": Local(("codes", "blend")),
    "gan.generate": Local(("styles", "synthesize"), STYLES),
    "gan.walk": Local(("styles", "synthesize"), STYLES),
    "gan.mix": Local(("styles", "synthesize"), STYLES),
    "gan.critic": Local(("realism",), known=REALISM),
    "flow.round_trip": Local(("encode_drawn", "decode_layers"), LAYERS),
    "flow.generate": Local(("decode_layers",), LAYERS, models=_layers_draw),
    "flow.layers": Local(("decode_layers",), LAYERS, models=_layers_draw),
    "pixelcnn.write": Local((CHECKPOINT,), WRITER, models=_writes),
    "pixelcnn.finish": Local((CHECKPOINT,), WRITER, models=_writes),
    "pixelcnn.expect": Local(("log_probabilities",), begins=_worth_seeing),
    "pixelcnn.surprise": Local(("log_probabilities",), within="pixelcnn.expect"),
    "diffusion.noise": Local(("denoise",), WALKS),
    "diffusion.denoise": Local(("denoise",), WALKS, within="diffusion.noise"),
    "diffusion.generate": Local(("denoise",), WALKS),
    "diffusion.same": Local(("denoise",), WALKS, models=lambda name: not denoisers.model_config(name).vocabulary),
    SEE: Local(()),
    FILL: Local((), within=SEE),
}
#: What the readings of a drawing need of models, by key.
PARTS: dict[str, Local] = {
    "see.rebuild": Local(("encode", "decode"), known=REBUILT),
    "see.place": Local(("posterior", "blend"), known={"tested": _codes}),
    "see.map": Local(("posterior",), {"points": latents.points}, known={"tested": _codes}),
    "see.judge": Local(("realism",), known={**REALISM, "own": _own}),
    "see.invert": Local(("encode_drawn", "decode_layers", "log_likelihood"), LAYERS, known={"bits": _bits}),
    "see.write": Local(("log_probabilities",), known={"bits": _bits}),
    "see.write_on": Local((CHECKPOINT,), WRITER),
    "see.drown": Local(("denoise",), WALKS, known=NOISY),
    "see.restore": Local(("denoise",), WALKS, known=NOISY),
}
#: By the function in wrappers/overview.py that does it in the app.
READINGS = {
    "rebuild": Reading("see.rebuild"),
    "place": Reading("see.place"),
    "judge": Reading(
        "see.judge",
        lacks="The closest that its generator can draw takes gradients to find: a server does it, this page can’t.",
    ),
    "invert": Reading("see.invert"),
    "write": Reading("see.write", "see.write_on"),
    "drown": Reading("see.drown", "see.restore"),
}
UNWRITTEN = "It isn’t finished here: this page writes with PixelCNNs alone."


class Made(NamedTuple):
    """A file of the folder and its size in bytes."""

    path: str
    size: int


def offered() -> list[str]:
    """The sections that a page can have, by key, as far as there are models."""
    return [key for key, section in page.sections().items() if key in LOCAL and not section.hidden and section.is_ready]


def export_site(
    out: str | Path,
    sections: Sequence[str] = (),
    *,
    models: Sequence[str] = (),
    runtime: str | Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[Made]:
    """Writes the folder; what is there from an earlier run and still holds is kept, as exporting takes a while.

    sections: keys, such as "vae.map"; default: all that can be. models: names; default: all that these sections have.
    runtime: a folder with npm's package onnxruntime-web; default: it is fetched by npm. Raises ValueError in one sentence for
    sections and models that can't be, and for a folder of something else.
    """
    out = Path(out)
    keys = _checked(sections)
    _check_folder(out)
    chosen = {key: _models(page.sections()[key], models) for key in keys}
    _check_models(models, chosen)
    readings = _readings(models) if SEE in chosen else {}
    if SEE in chosen:
        chosen[SEE] = [next(iter(of.values()))["model"] for of in readings.values()]
    chosen = {key: names for key, names in chosen.items() if names}
    everywhere = chosen | {key: chosen[one.within] for key, one in LOCAL.items() if one.within in chosen}
    written = _Folder(out)
    _write_runtime(written, runtime)
    needed: dict[str, list[str]] = {}  # sections, and parts of SEE, by model
    for key, name in [*((key, name) for key, names in everywhere.items() for name in names), *_parts(readings)]:
        needed.setdefault(name, []).append(key)
    told = {}
    for name, keys_of in needed.items():
        say(f"{name}: {', '.join(keys_of)}")
        told[name] = _write_graphs(written, name, keys_of) | {"facts": _write_facts(written, name, keys_of)}
    begun = {key: names for key, names in everywhere.items() if not (LOCAL[key].within and page.sections()[key].work)}
    posters = {
        key: {name: _write_poster(written, key, name, LOCAL[key].begins(name)) for name in names}
        for key, names in begun.items()
        if key != SEE
    } | _see_posters(written, readings)
    spec = _spec(chosen, readings)
    for tab in spec["tabs"]:
        if tab["is_family"]:
            written.packed(
                f"about/{tab['key']}.json.gz", page.answer({"section": "page.about", "state": {"tab": tab["key"]}})
            )
    site = {
        "spec": spec,
        "hidden": [_narrowed(key, everywhere[key], readings) for key in everywhere if LOCAL[key].within],
        "shown": {key: LOCAL[key].within for key in everywhere if LOCAL[key].within},
        "needs": {
            key: list(_local(key).needs) for key in dict.fromkeys(key for keys in needed.values() for key in keys)
        },
        "readings": readings,
        "models": told,
        "posters": posters,
        "modules": _modules_of(spec),
        "sizes": dict(written.sizes),
    }
    written.packed("site.json.gz", site)
    _write_page(written, site)
    written.clean()
    return [Made(path, size) for path, size in written.sizes.items()]


# -- which sections and models -----------------------------------------------------------------------------------------


def _checked(sections: Sequence[str]) -> list[str]:
    possible = offered()
    if unknown := [key for key in sections if key not in possible]:
        raise ValueError(
            f"There is no section {unknown[0]!r} for a page without a server; there are {', '.join(possible)}."
        )
    return [key for key in possible if not sections or key in sections]


def _check_models(models: Sequence[str], chosen: Mapping[str, Sequence[str]]) -> None:
    """Raises ValueError for a model that none of the sections has."""
    everything = {name for key in chosen for name in _models(page.sections()[key], ())}
    if unknown := [name for name in models if name not in everything]:
        raise ValueError(f"These sections have no model {unknown[0]!r}; theirs are {', '.join(sorted(everything))}.")


def _models(section: Section, wanted: Sequence[str]) -> list[str]:
    fits = LOCAL[section.key].models
    return [name for name in section.models() if fits(name) and (not wanted or name in wanted)]


def _local(key: str) -> Local:
    return PARTS.get(key) or LOCAL[key]


def _readings(wanted: Sequence[str]) -> dict[str, dict[str, dict[str, str]]]:
    """By data set and family: the model that reads a drawing, its parts, and what they lack; of a VAE also the model of its map."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for family, reader in overview.readers().items():
        one = READINGS[reader.at_once.__name__]
        for name in core.available_of_kin(family):
            data = found.setdefault(core.describe(name)["data"], {})
            if family in data or (wanted and name not in wanted) or not _is_known(one.part, name):
                continue
            able = one if one.then != "see.write_on" or _writes(name) else Reading(one.part, lacks=UNWRITTEN)
            data[family] = {"model": name} | {key: told for key, told in able._asdict().items() if told}
            flat = overview.flat_of(name) if one.part == "see.place" else None
            if flat and (not wanted or flat in wanted):
                data[family]["map"] = flat
    return {data: of for data, of in found.items() if of}


def _is_known(part: str, name: str) -> bool:
    """Whether the checkpoint keeps what a drawing is compared with."""
    try:
        for function in PARTS[part].known.values():
            function(name)
    except ValueError:
        return False
    return True


def _parts(readings: Mapping[str, Mapping[str, Mapping[str, str]]]) -> Iterator[tuple[str, str]]:
    """(part, model) of all of them."""
    for one in (one for of in readings.values() for one in of.values()):
        yield from ((one[key], one["model"]) for key in ("part", "then") if key in one)
        if "map" in one:
            yield "see.map", one["map"]


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; the page needs a folder.")
    if out.is_dir() and any(out.iterdir()) and not (out / "site.json.gz").is_file():
        raise ValueError(f"{out} holds something else; choose a new folder, or one that export-site made.")


def _spec(chosen: Mapping[str, Sequence[str]], readings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """That of the app's page without what isn't here."""
    spec = page.spec()
    for tab in spec["tabs"]:
        keys = [one["key"] for one in tab["sections"] if one["key"] in chosen]
        tab["sections"] = [_narrowed(key, chosen[key], readings) for key in keys]
    spec["tabs"] = [tab for tab in spec["tabs"] if tab["sections"]]
    names = {name for names in chosen.values() for name in names}
    families = {tab["key"] for tab in spec["tabs"]} | {family for of in readings.values() for family in of}
    spec["facts"] = {name: fact for name, fact in spec["facts"].items() if name in names}
    data = {fact["data"] for fact in spec["facts"].values()}
    spec["weights"] = {name: digits for name, digits in spec["weights"].items() if name in data}
    spec["families"] = {name: card for name, card in spec["families"].items() if name in families}
    return spec | {"purpose": PURPOSE, "hub": None}


def _narrowed(key: str, names: Sequence[str], readings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A section's spec for fewer models, solvers and families."""
    spec = dataclasses.replace(page.sections()[key], models=lambda: names).spec()
    read = {family for of in readings.values() for family in of}
    for fit in spec["fits"].values():
        for field, here in {"scheduler": SOLVERS, "families": read}.items():
            if field in fit:
                fit[field] = fit[field] | {"choices": [one for one in fit[field]["choices"] if one[1] in here]}
        if "families" in fit:
            fit["families"]["default"] = [one for one in fit["families"]["default"] if one in read]
    return spec


# -- a model's files ---------------------------------------------------------------------------------------------------


def _write_graphs(written: "_Folder", name: str, keys: Sequence[str]) -> dict[str, Any]:
    """The graphs that the sections need, and what is beside them: their files by name, and the file with the weights of those
    that share them."""
    graphs = sorted({graph for key in keys for graph in _local(key).graphs} - {CHECKPOINT})
    shared = [graph for graph in graphs if graph in SHARED]
    digest = {graph: _digest(name, [graph]) for graph in graphs} | dict.fromkeys(shared, _digest(name, shared))
    found = {graph: f"models/{_safe(name)}.{graph}.{digest[graph]}.onnx.gz" for graph in graphs}
    weights = f"models/{_safe(name)}.weights.{_digest(name, shared)}.gz" if shared else ""
    missing = [graph for graph in graphs if not written.has(found[graph])]
    if weights and not written.has(weights):
        missing = sorted({*missing, *shared})
    with tempfile.TemporaryDirectory() as folder:
        made = export.export(name, Path(folder) / "model.onnx", missing, whole=shared) if missing else []
        apart = _Weights()
        for graph in made:
            content = graph.path.read_bytes()
            written.packed(found[graph.name], apart.taken_from(content) if graph.name in SHARED else content)
        if any(graph.name in SHARED for graph in made):
            written.packed(weights, bytes(apart.all))
    return {"files": found | _write_beside(written, name, keys), "weights": dict.fromkeys(shared, weights)}


def _write_beside(written: "_Folder", name: str, keys: Sequence[str]) -> dict[str, str]:
    """What the sections need of a model that is no graph: CHECKPOINT, KNOWN."""
    found, as_it_is = {}, f"models/{_safe(name)}.{{}}.{on_record.weights(name)}.{{}}.gz"
    if any(CHECKPOINT in _local(key).graphs for key in keys):
        file = checkpoint.find(name) / checkpoint.WEIGHTS
        found[CHECKPOINT] = written.packed(as_it_is.format(CHECKPOINT, "safetensors"), file.read_bytes())
    known = {fact: function for key in keys for fact, function in _local(key).known.items()}
    for fact, function in known.items():
        key = f"{KNOWN}.{fact}"
        found[key] = written.packed(as_it_is.format(key, "json"), {fact: function(name)})
    return found


def _safe(name: str) -> str:
    """A model's name as part of an address: that of one's own is a folder's."""
    return re.sub(r"[^\w.-]", "_", name)


class _Weights:
    """What several graphs have in common, once."""

    def __init__(self) -> None:
        self.all = bytearray()
        self.places: dict[bytes, int] = {}

    def taken_from(self, content: bytes) -> bytes:
        """A graph without its large weights, which it finds in the file that browsers have as `weights`."""
        import onnx

        proto = onnx.load_from_string(content)
        for tensor in proto.graph.initializer:
            raw = tensor.raw_data
            if len(raw) < LARGE:
                continue
            place = self.places.setdefault(raw, len(self.all))
            if place == len(self.all):
                self.all += raw
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in {"location": "weights", "offset": place, "length": len(raw)}.items():
                tensor.external_data.add(key=key, value=str(value))
        return cast(bytes, proto.SerializeToString())


def _digest(name: str, graphs: Sequence[str]) -> str:
    """By which files of graphs are known: another one for other weights, and for another way to export."""
    made_by = b"".join(Path(file).read_bytes() for file in (export.__file__, __file__))
    return hashlib.sha256(f"{checkpoint.weights_hash(name)} {graphs}".encode() + made_by).hexdigest()[:DIGITS]


def _write_facts(written: "_Folder", name: str, keys: Sequence[str]) -> str:
    """What is known of a model beside its graphs: its file."""
    known = core.describe(name)
    facts = {key: known[key] for key in ("shape", "classes", "background", "latent_dim", "conditional")}
    facts["num_classes"] = checkpoint.read_config(name)["config"].get("num_classes", 0)
    for key in keys:
        facts |= {fact: function(name) for fact, function in _local(key).facts.items()}
    facts |= page.COMPUTED["page.examples"]({"model": name})
    return written.packed(f"models/{_safe(name)}.{on_record.weights(name)}.json.gz", facts)


def _write_poster(written: "_Folder", key: str, name: str, begins: Mapping[str, Any]) -> dict[str, Any]:
    """What a section begins with: the state beside the model, and the file of the answers to it, of many steps the last one; cut:
    whether there is more to see than that one has."""
    section = page.sections()[key]
    subject = next(subject for subject, model in section.State.subjects([name]).items() if model == name)
    found = section.answer(section.parse({section.State.subject: subject, **begins}))
    last = found if isinstance(found, dict) else list(found)[-1]
    cut = section.work and "film" in last
    if cut:
        last = last | {"film": last["film"] | {"frames": last["film"]["frames"][-1:]}}
    file = written.packed(f"posters/{key}.{_safe(name)}.json.gz", [_timeless(last)])
    return {"state": begins, "file": file, "cut": cut}


def _see_posters(written: "_Folder", readings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What all families make of the first example, by section and, as for others, by the model that the section begins with."""
    found: dict[str, dict[str, Any]] = {}
    for of in readings.values():
        name = next(iter(of.values()))["model"]
        for key, part in ((SEE, "part"), (FILL, "then")):
            families = [family for family, one in of.items() if part in one]
            if families:
                found.setdefault(key, {})[name] = _write_poster(written, key, name, {"families": families})
    return found


def _timeless(answer: Any) -> Any:
    """An answer without what tells of this machine's speed."""
    if isinstance(answer, list):
        return [_timeless(one) for one in answer]
    if not isinstance(answer, dict):
        return answer
    kept = {key: value for key, value in answer.items() if not key.startswith("ms")}
    return {key: _timeless(v) for key, v in kept.items() if not (isinstance(v, str) and _TIMES.search(v))}


# -- the runtime, the modules, the page --------------------------------------------------------------------------------


def _write_runtime(written: "_Folder", folder: str | Path | None) -> None:
    names = [f"runtime/{name}" for name in RUNTIME_FILES.values()]
    if folder is None and (written.folder / "runtime" / RUNTIME_VERSION).is_file() and all(map(written.has, names)):
        written.has(f"runtime/{RUNTIME_VERSION}")
        return
    with _package(folder) as package:
        version = _version_of(package)
        for source, name in zip(RUNTIME_FILES, names, strict=True):
            content = (package / source).read_bytes()
            if name.endswith(".gz"):
                written.packed(name, content)
            else:
                written.write(name, re.sub(rb"\n//# sourceMappingURL=.*", b"", content))
        written.write(f"runtime/{version}", f"{RUNTIME} {version}, by Microsoft, MIT license\n".encode())


@contextlib.contextmanager
def _package(folder: str | Path | None) -> Iterator[Path]:
    """The npm package: in a folder that is named, or fetched for a moment."""
    if folder is not None:
        yield Path(folder)
        return
    npm = shutil.which("npm")
    if npm is None:
        raise ValueError(
            f"The runtime is npm's package {RUNTIME}: install npm, or name the package's folder (--runtime)."
        )
    with tempfile.TemporaryDirectory() as place:
        command = [npm, "pack", f"{RUNTIME}@{RUNTIME_VERSION}", "--pack-destination", place, "--loglevel", "error"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        archives = list(Path(place).glob("*.tgz"))
        if done.returncode or not archives:
            why = (done.stderr.strip() or "it says nothing").splitlines()[0]
            raise ValueError(f"npm could not fetch {RUNTIME}@{RUNTIME_VERSION}: {why}")
        package = Path(place) / "package"
        with tarfile.open(archives[0]) as archive:
            for name in ("package.json", *RUNTIME_FILES):
                if f"package/{name}" in archive.getnames() and (file := archive.extractfile(f"package/{name}")):
                    (package / name).parent.mkdir(parents=True, exist_ok=True)
                    (package / name).write_bytes(file.read())
        yield package


def _version_of(package: Path) -> str:
    """Raises ValueError for a folder that isn't the package, or lacks a file of it."""
    for name in ("package.json", *RUNTIME_FILES):
        if not (package / name).is_file():
            raise ValueError(f"{package} is not npm's package {RUNTIME}: it has no {name}.")
    return str(json.loads((package / "package.json").read_text("utf-8"))["version"])


def _modules_of(spec: Mapping[str, Any]) -> dict[str, list[str]]:
    """The modules, in web/elements, that define the elements of each section and of its views."""
    defines = {
        tag: file.name
        for file in sorted((WEB / "elements").glob("*.js"))
        for tag in _DEFINES.findall(file.read_text("utf-8"))
    }
    found = {}
    for section in (section for tab in spec["tabs"] for section in tab["sections"]):
        tags = {section["element"], *(view["element"] for view in section["views"])}
        found[section["key"]] = sorted({defines[tag] for tag in tags} - {"section.js", "views.js"})
    return found


def _reached(first: Sequence[Path], pattern: re.Pattern[str]) -> list[Path]:
    """Modules, and all that they import."""
    found = list(first)
    for file in found:
        imported = [(file.parent / name).resolve() for name in pattern.findall(file.read_text("utf-8"))]
        found += [one for one in dict.fromkeys(imported) if one not in found]
    return found


def _write_page(written: "_Folder", site: Mapping[str, Any]) -> None:
    """The modules, as far as they are reached, and what a browser opens."""
    elements = [WEB / "elements" / name for names in site["modules"].values() for name in names]
    begins = [WEB / "local/start.js", WEB / "elements/page.js"]
    every = _reached([*begins, WEB / "local/worker.js", *dict.fromkeys(elements)], _ANY_IMPORT)
    for file in [*every, *(WEB / sheet for sheet in SHEETS)]:
        written.write(file.relative_to(WEB).as_posix(), file.read_bytes())
    written.write("embed.js", (WEB / "embed.js").read_bytes())
    keys = json.dumps([one["key"] for tab in site["spec"]["tabs"] for one in tab["sections"]])
    written.write("genmodels.js", f"import {{ start }} from './local/start.js';\n\nstart({keys});\n".encode())
    for key in site["posters"]:
        still = WEB / f"pictures/{key.partition('.')[0]}-still.webp"
        written.write(f"poster/{key}", still.read_bytes())  # what embed.js shows until a frame answers
    family = next((tab["key"] for tab in site["spec"]["tabs"] if tab["is_family"]), "overview")
    written.write("front.webp", (WEB / f"pictures/{family}-still.webp").read_bytes())
    preloads = [file.relative_to(WEB).as_posix() for file in _reached(begins, _IMPORT)]
    written.write("index.html", _document(preloads).encode())
    written.write("README.md", README.encode())


def _document(modules: Sequence[str]) -> str:
    sheets = "\n".join(f'<link rel="stylesheet" href="{sheet}">' for sheet in SHEETS)
    ahead = "\n".join(f'<link rel="modulepreload" href="{name}">' for name in modules)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>genmodels</title>
<meta name="description" content="{PURPOSE}">
{sheets}
<link rel="icon" href="front.webp">
<link rel="preload" as="fetch" crossorigin href="site.json.gz">
{ahead}
<script type="module" src="genmodels.js"></script>
</head>
<body>
<main id="genmodels" class="gm-front">
<h1>genmodels</h1>
<p>{PURPOSE}</p>
<img src="front.webp" alt="Pictures that a model drew">
<p role="status">The models are small networks that run here, in a browser with JavaScript modules and WebAssembly.</p>
</main>
</body>
</html>
"""


# -- the folder --------------------------------------------------------------------------------------------------------


class _Folder:
    """Writes files, each whole or not at all, and knows which ones there are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sizes: dict[str, int] = {}

    def has(self, path: str) -> bool:
        """Whether a file is there from before; then it stays."""
        file = self.folder / path
        if file.is_file():
            self.sizes[path] = file.stat().st_size
        return file.is_file()

    def write(self, path: str, content: bytes) -> str:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f".{file.name}.part")
        aside.write_bytes(content)
        take_place(aside, file)
        self.sizes[path] = len(content)
        return path

    def packed(self, path: str, content: Any) -> str:
        """Bytes, or JSON, gzipped."""
        if not isinstance(content, bytes):
            content = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        return self.write(path, gzip.compress(content, 9, mtime=0))

    def clean(self) -> None:
        """Removes what earlier runs left in our own folders."""
        for name in {path.partition("/")[0] for path in self.sizes if "/" in path}:
            for file in (self.folder / name).rglob("*"):
                if file.is_file() and file.relative_to(self.folder).as_posix() not in self.sizes:
                    file.unlink()
