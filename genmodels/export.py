"""Models as ONNX graphs, for whatever runs those: browsers, phones, other languages.

A graph for each of a model's abilities: see GRAPHS. Tensors in and out as in `protocols`, the batch of any size, all that is
computed in float32; weights are stored in float16 where that changes no picture, else with as few bits as change none. Noise is an input where the model would draw it. Each graph
is run by onnxruntime beside torch before it is given away. Needs `pip install 'genmodels[export]'`.

>>> from genmodels.export import export
>>> graphs = export("ae-mnist", "ae.onnx")  # ae.encode.onnx, ae.decode.onnx, ...
>>> max(graph.error for graph in graphs) < 1e-4
True
"""

import copy
import inspect
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from genmodels import checkpoint, protocols
from genmodels.models.base import Model, seeded
from genmodels.operations import as_labels
from genmodels.protocols import AnyModel
from genmodels.real_images import real_images
from genmodels.version import __version__

if TYPE_CHECKING:
    import onnx

OPSET = 20
TOLERANCE = 1e-3  # of what torch computes, relative to the largest value where that is above 1
#: The same for rounded weights, but for outputs of which nothing else is made: pictures multiply the errors of codes and styles.
ROUNDED_TOLERANCE = 1e-4
FINAL = ("images", "frames", "scores", "nats", "log_probabilities")
EXAMPLES = 3  # with which a graph is traced and compared
NEEDED = ("onnx", "onnxscript", "onnxruntime")
SMALL = 64  # numbers that are worth no cast
WHOLE, MANTISSA = "float32", 24
BITS = (13, 15, 17)  # of those MANTISSA that are kept where float16's 11 are too few: what is left is packed the better


class Graph(NamedTuple):
    """What one ability computes, as a function of named tensors.

    inputs: of images `(B, C, H, W)` in [-1, 1], labels `(B,)` int64 (-1: no class; left out where the model has none, tokens
    `(B, L)` where it reads captions), codes, noise, styles as in the protocols, weights
    of the classes `(B, num_classes + 1)`, the last one of "no class", t `(B,)` from 0 to 999, truncation_psi
    and guidance_scale `()`.
    """

    name: str
    ability: type[AnyModel]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    compute: Callable[..., Any]


def _velocity(model: Any, noisy: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
    from genmodels.models import pipeline

    condition = model.condition(labels, noisy.shape[0], noisy.device)
    return pipeline.velocity(model.unet, model.config.patch_size, noisy, t, condition)


def _encode(model: Any, images: Tensor, labels: Tensor | None = None) -> Tensor:
    precision = {"dtype": torch.float32} if "dtype" in inspect.signature(model.encode).parameters else {}
    return cast(Tensor, model.encode(images, labels, **precision))


def _log_likelihood(model: Any, images: Tensor, labels: Tensor | None = None) -> Tensor:
    if not isinstance(model, protocols.WritesRows):
        return cast(Tensor, model.log_likelihood(images, labels))
    log_p = model.log_probabilities(images, labels)  # where a model takes its likelihood in parts, a graph can't
    levels = ((images + 1) * ((log_p.shape[-1] - 1) / 2)).round().long()
    return log_p.gather(-1, levels.unsqueeze(-1)).flatten(1).sum(1)


#: The graphs by name. "denoise" gives the velocity v of a noisy picture: the clean one is alpha * noisy - sigma * v.
#: "encode_drawn" draws where in its grey level's bin a pixel lies; "decode_layers" gives a frame for every layer that is undone.
GRAPHS = {
    graph.name: graph
    for graph in (
        Graph("codes", protocols.SamplesCodes, ("noise", "labels"), ("codes",), lambda m, *x: m.codes_of(*x)),
        Graph("decode", protocols.Decodes, ("codes", "labels"), ("images",), lambda m, *x: m.decode(*x)),
        Graph(
            "blend", protocols.BlendsClasses, ("codes", "weights"), ("images",), lambda m, *x: m.decode_blend(*x)
        ),
        Graph("encode", protocols.Encodes, ("images", "labels"), ("codes",), _encode),
        Graph(
            "encode_drawn", protocols.ShowsLayers, ("images", "uniform", "labels"), ("codes",),
            lambda m, x, u, y=None: m.encode(x, y, noise=u, dtype=torch.float32),
        ),
        Graph(
            "decode_layers", protocols.ShowsLayers, ("codes", "guidance_scale", "labels"), ("frames",),
            lambda m, z, scale, y=None: torch.stack(list(m.decode_steps(z, y, guidance_scale=scale)), 1),
        ),
        Graph(
            "posterior", protocols.HasPosterior, ("images", "labels"), ("mean", "log_std"), lambda m, *x: m.posterior(*x)
        ),
        Graph("styles", protocols.HasStyles, ("codes", "truncation_psi", "labels"), ("styles",), lambda m, z, psi, y=None: m.styles(z, y, psi)),
        Graph("synthesize", protocols.HasStyles, ("styles",), ("images",), lambda m, w: m.synthesize(w)),
        Graph("realism", protocols.Judges, ("images", "labels"), ("scores",), lambda m, *x: m.realism(*x)),
        Graph("denoise", protocols.Denoises, ("noisy", "t", "labels"), ("velocity",), _velocity),
        Graph("log_likelihood", protocols.HasLikelihood, ("images", "labels"), ("nats",), _log_likelihood),
        Graph(
            "log_probabilities", protocols.WritesRows, ("images", "labels"), ("log_probabilities",),
            lambda m, *x: m.log_probabilities(*x),
        ),
    )
}  # fmt: skip


class Exported(NamedTuple):
    """A graph's file; inputs and outputs: name -> shape; error: the largest against torch; weights: how they are stored."""

    name: str
    path: Path
    inputs: dict[str, tuple[Any, ...]]
    outputs: dict[str, tuple[Any, ...]]
    error: float
    weights: str


def export(
    source: checkpoint.Source, out: str | Path, names: Sequence[str] = (), *, whole: Sequence[str] = ()
) -> list[Exported]:
    """Writes graphs of a model: all that its abilities give, or those named; the weights of those that are `whole` stay float32.

    source: a bundled name, a folder, or a Hub repo. out: ends in .onnx; of several graphs each file has its graph's name
    before that. Raises ValueError for a graph that the model doesn't have, and one that computes something else than torch.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise ValueError(f"To export needs {', '.join(missing)}: pip install 'genmodels[export]'.")
    out = Path(out)
    if out.suffix != ".onnx":
        raise ValueError(f"--out must end in .onnx, not {out.name!r}.")
    folder = checkpoint.find(source)
    model = copy.deepcopy(checkpoint.load(source)).cpu().float().eval().requires_grad_(False)
    graphs = _chosen(model, names)
    out.parent.mkdir(parents=True, exist_ok=True)
    told = {"genmodels": __version__, "model": str(source), "weights": checkpoint.Checkpoint(folder).weights_hash}
    files = [out if len(graphs) == 1 else out.with_suffix(f".{graph.name}.onnx") for graph in graphs]
    images = _pictures(model, checkpoint.read_config(source))
    paths = zip(graphs, files, strict=True)
    return [_export(model, graph, images, path, told, graph.name in whole) for graph, path in paths]


def graphs_of(model: AnyModel) -> dict[str, Graph]:
    """Those that the model's abilities give, by name."""
    return {name: graph for name, graph in GRAPHS.items() if isinstance(model, graph.ability)}


def _chosen(model: Model, names: Sequence[str]) -> list[Graph]:
    found = graphs_of(model)
    if unknown := [name for name in names if name not in found]:
        raise ValueError(
            f"There is no graph {unknown[0]!r} of this model; its graphs are {', '.join(found) or 'none'}."
        )
    if not found:
        raise ValueError("This model has nothing that can be exported.")
    return [found[name] for name in names or found]


# -- what it is traced and compared with -------------------------------------------------------------------------------


def _pictures(model: Model, config: Mapping[str, Any]) -> Tensor:
    """A few real ones of its data, where there are; else grey levels at random."""
    real = real_images(config["data"]["name"], model.image_shape)
    if real:
        return real[:EXAMPLES][0]
    levels = torch.randint(256, (EXAMPLES, *model.image_shape), generator=seeded([0])[0])
    return levels / 127.5 - 1


def _example(model: Any, name: str, images: Tensor) -> Tensor:
    generators = seeded(range(len(images)))
    if name == "images":
        return images
    if name == "labels":
        if getattr(model, "vocabulary", ()):
            return cast(Tensor, model.tokenize([""] * len(images)))
        return as_labels(model, len(images), "balanced")
    if name == "uniform":
        return torch.stack([torch.rand(model.image_shape, generator=generator) for generator in generators])
    if name == "weights":
        return torch.softmax(torch.randn(len(images), model.num_classes + 1, generator=generators[0]), 1)
    if name == "t":
        return torch.linspace(0, 999, len(images)).round()
    if name == "truncation_psi":
        return torch.tensor(0.7)
    if name == "guidance_scale":
        return torch.tensor(1.5)
    if name == "styles":
        return cast(Tensor, model.styles(_example(model, "codes", images)).contiguous())
    if name == "codes" and not isinstance(model, protocols.SamplesCodes):
        return _encode(model, images)
    noise = [torch.randn(_noise_shape(model), generator=generator) for generator in generators]
    return torch.stack(noise)


def _noise_shape(model: Any) -> tuple[int, ...]:
    if not isinstance(model, protocols.SamplesCodes):
        return cast(tuple[int, ...], model.image_shape)
    return tuple(model.sample_codes(torch.tensor([-1]), generators=seeded([0])).shape[1:])


class _Drawn(TorchFunctionMode):
    """Notes what a model draws while it computes, or gives it that instead."""

    def __init__(self, given: Sequence[Tensor] | None = None) -> None:
        super().__init__()
        self.given = None if given is None else list(given)
        self.noted: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in (torch.randn_like, torch.rand_like):
            return func(*args, **(kwargs or {}))
        if self.given is not None:
            return self.given.pop(0)
        drawn = func(*args, **(kwargs or {}))
        self.noted.append(drawn)
        return drawn


class _Module(nn.Module):
    """A graph's function with its model: named inputs, then what the model would draw."""

    def __init__(self, model: nn.Module, graph: Graph, count: int) -> None:
        super().__init__()
        self.model, self.compute, self.count = model, graph.compute, count

    def forward(self, *inputs: Tensor) -> Any:
        with _Drawn(inputs[self.count :]):
            return self.compute(self.model, *inputs[: self.count])


# -- one graph ---------------------------------------------------------------------------------------------------------


@torch.no_grad()
def _export(model: Model, graph: Graph, images: Tensor, path: Path, told: Mapping[str, str], whole: bool) -> Exported:
    classless = not model.num_classes and not getattr(model, "vocabulary", ())
    names = [name for name in graph.inputs if not (name == "labels" and classless)]
    examples = [_example(model, name, images) for name in names]
    with _Drawn() as drawn:
        torch.manual_seed(0)
        expected = graph.compute(model, *examples)
    module = _Module(model, graph, len(names)).eval()
    names += [f"drawn_{i}" if i else "drawn" for i in range(len(drawn.noted))]
    examples += drawn.noted
    expected = [expected] if isinstance(expected, Tensor) else list(expected)
    proto = _traced(module, names, examples, graph.outputs)
    for key, value in {**told, "graph": graph.name}.items():
        proto.metadata_props.add(key=key, value=value)
    given = dict(zip(names, examples, strict=True))
    final = set(graph.outputs) <= set(FINAL)
    for weights, stored in [(WHOLE, proto)] if whole else _ways_to_store(proto):
        error = _error(stored, given, expected)
        if error <= (TOLERANCE if final or weights == WHOLE else ROUNDED_TOLERANCE):
            path.write_bytes(stored.SerializeToString())
            shapes = [{one.name: _shape(one) for one in ends} for ends in (stored.graph.input, stored.graph.output)]
            return Exported(graph.name, path, shapes[0], shapes[1], error, weights)
    raise ValueError(
        f"The graph {graph.name!r} differs from torch by {error:.2g}, more than {TOLERANCE:g}: it was not written."
    )


def _traced(module: nn.Module, names: list[str], examples: list[Tensor], outputs: Sequence[str]) -> "onnx.ModelProto":
    batch = torch.export.Dim("batch", min=1, max=1024)
    shapes = tuple({0: batch} if example.ndim else {} for example in examples)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("onnxscript", "torch.onnx"):  # they tell of what isn't installed
            logging.getLogger(name).setLevel(logging.ERROR)
        program = torch.onnx.export(
            module, tuple(examples), dynamo=True, opset_version=OPSET, input_names=names, output_names=list(outputs),
            dynamic_shapes=(shapes,), verbose=False, optimize=True, external_data=False,
        )  # fmt: skip
    assert program is not None
    return _bare(program.model_proto)


def _bare(proto: "onnx.ModelProto") -> "onnx.ModelProto":
    """The same without what tells of its making: paths of this computer among it, and most of the bytes of a graph with many nodes."""
    for node in (node for nodes in (proto.graph.node, *(f.node for f in proto.functions)) for node in nodes):
        del node.metadata_props[:]
        node.doc_string = ""
    for ends in (proto.graph.input, proto.graph.output, proto.graph.initializer):
        for one in ends:
            del one.metadata_props[:]
    del proto.graph.metadata_props[:]
    del proto.graph.value_info[:]
    return proto


def _ways_to_store(proto: "onnx.ModelProto") -> "Iterator[tuple[str, onnx.ModelProto]]":
    """How the weights are stored, and the graph with them so: the smallest first."""
    yield "float16", _halved(proto)
    for bits in BITS:
        yield f"float32 of {bits} bits", _rounded(proto, bits)
    yield WHOLE, proto


def _weights(proto: "onnx.ModelProto") -> "Iterator[tuple[onnx.TensorProto, np.ndarray]]":
    """Those that are worth rounding."""
    import onnx

    for weight in proto.graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size >= SMALL:
            yield weight, values


def _rounded(proto: "onnx.ModelProto", bits: int) -> "onnx.ModelProto":
    """The same with its weights rounded to so many significant bits; the others are 0, and gzip leaves them out."""
    import onnx

    rounded = onnx.ModelProto()
    rounded.CopyFrom(proto)
    dropped = MANTISSA - bits
    for weight, values in _weights(rounded):
        # half of what is dropped is added, and carries where it has to, into the exponent, too
        whole = (values.view(np.uint32) + (1 << (dropped - 1))) >> dropped << dropped
        weight.CopyFrom(onnx.numpy_helper.from_array(whole.view(np.float32), weight.name))
    return rounded


def _halved(proto: "onnx.ModelProto") -> "onnx.ModelProto":
    """The same with its weights in float16, cast to float32 before they are used."""
    import onnx

    half = onnx.ModelProto()
    half.CopyFrom(proto)
    casts = []
    for weight, values in _weights(half):
        name = weight.name
        weight.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *half.graph.node]
    del half.graph.node[:]
    half.graph.node.extend(nodes)
    return half


def _error(proto: "onnx.ModelProto", inputs: Mapping[str, Tensor], expected: Sequence[Tensor]) -> float:
    """The largest difference from torch, in float32's units or relative to values above 1."""
    import onnxruntime

    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    known = {one.name for one in session.get_inputs()}
    found = session.run(None, {name: value.numpy() for name, value in inputs.items() if name in known})
    return max(
        float((torch.from_numpy(one).double() - wanted.double()).abs().max() / max(1.0, float(wanted.abs().max())))
        for one, wanted in zip(found, expected, strict=True)
    )


def _shape(value: Any) -> tuple[Any, ...]:
    return tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim)
