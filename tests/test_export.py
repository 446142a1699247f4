"""Models as ONNX graphs: what onnxruntime makes of them is what torch computes."""

import dataclasses
import gzip
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from genmodels import checkpoint
from genmodels import export as export_module
from genmodels.__main__ import main
from genmodels.export import MANTISSA, SMALL, TOLERANCE, WHOLE, Exported, export, graphs_of
from genmodels.models.base import seeded
from genmodels.registry import get_family

FAMILY_GRAPHS = {
    "autoencoder": {"decode", "encode"},
    "vae": {"codes", "decode", "blend", "encode", "posterior", "log_likelihood"},
    "gan": {"codes", "decode", "styles", "synthesize", "realism"},
    "flow": {"decode", "decode_layers", "encode", "encode_drawn", "log_likelihood"},
    "pixelcnn": {"log_likelihood", "log_probabilities"},
    "diffusion": {"denoise"},
}
#: Tracing takes seconds a graph, so one of a family is exported every time, here or in a test below, and all in slow ones.
QUICK = {
    "gan": "styles",
    "flow": "decode_layers",
    "pixelcnn": "log_probabilities",
    "diffusion": "denoise",
}
#: Smaller than tiny, where tracing would take a minute: as many kinds of layers, fewer of each.
SMALLEST = {"flow": {"scales": 1, "widths": (8,), "blocks": (1,), "bins": 2, "coarse_couplings": 1}}


def run(path: Path, **inputs: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory):
    """A folder with an untrained small model of a family, whose weights are in no way special."""
    folders: dict[str, Path] = {}

    def of(family: str) -> Path:
        if family not in folders:
            kind = get_family(family)
            torch.manual_seed(0)
            model = kind(dataclasses.replace(kind.Config.tiny(), **SMALLEST.get(family, {}))).eval()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(0.1 * torch.randn_like(parameter))
            folders[family] = tmp_path_factory.mktemp(family)
            checkpoint.save(
                model, folders[family], data={"name": "stripes", "classes": [], "shape": list(model.image_shape)}
            )
        return folders[family]

    return of


@pytest.mark.parametrize("family", QUICK)
def test_a_family_s_graph_computes_what_torch_does(tiny, tmp_path: Path, family: str) -> None:
    """For batches of any size, with weights that float16 rounds."""
    folder = tiny(family)
    assert set(graphs_of(checkpoint.load(folder))) == FAMILY_GRAPHS[family]
    (graph,) = export(folder, tmp_path / "model.onnx", [QUICK[family]])
    assert graph.path == tmp_path / "model.onnx"
    check(graph, folder)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILY_GRAPHS)
def test_every_graph_of_a_family_computes_what_torch_does(tiny, tmp_path: Path, family: str) -> None:
    folder = tiny(family)
    found = export(folder, tmp_path / "model.onnx")
    assert {graph.name for graph in found} == FAMILY_GRAPHS[family]
    for graph in found:
        assert len(found) == 1 or graph.path == tmp_path / f"model.{graph.name}.onnx"
        check(graph, folder)


def check(graph: Exported, folder: Path) -> None:
    assert graph.error <= TOLERANCE
    proto = onnx.load(graph.path)
    onnx.checker.check_model(proto)
    told = {entry.key: entry.value for entry in proto.metadata_props}
    assert told["weights"] == checkpoint.Checkpoint(folder).weights_hash
    assert told["graph"] == graph.name
    assert all(shape[0] == "batch" for shape in graph.inputs.values() if shape)
    kept = [onnx.numpy_helper.to_array(w) for w in proto.graph.initializer if w.data_type == onnx.TensorProto.FLOAT]
    large = [values for values in kept if values.size >= SMALL]
    if graph.weights == "float16":
        assert not large
    elif graph.weights != WHOLE:
        bits = int(graph.weights.split()[-2])
        assert not any((values.view(np.uint32) % (1 << (MANTISSA - bits))).any() for values in large)


def test_what_float16_would_change_is_rounded_less(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = export_decoder(tiny, tmp_path / "whole.onnx", whole=["decode"])
    (half,) = export_decoder(tiny, tmp_path / "half.onnx")
    assert (whole.weights, half.weights) == (WHOLE, "float16")
    monkeypatch.setattr(export_module, "TOLERANCE", 0.3 * half.error)
    (rounded,) = export_decoder(tiny, tmp_path / "rounded.onnx")
    assert rounded.weights == "float32 of 13 bits"
    assert whole.error < rounded.error < 0.3 * half.error
    packed = [len(gzip.compress(graph.path.read_bytes())) for graph in (rounded, whole)]
    assert packed[0] < 0.8 * packed[1]


def export_decoder(tiny, path: Path, **options: Any) -> list[Exported]:
    return export(tiny("vae"), path, ["decode"], **options)


def test_noise_from_a_seed_becomes_the_sample_of_that_seed(tiny, tmp_path: Path) -> None:
    folder = tiny("vae")
    model = checkpoint.load(folder)
    codes, decode = (export(folder, tmp_path / f"{name}.onnx", [name])[0].path for name in ("codes", "decode"))
    labels = np.array([0, 1, 2, 1, -1])
    noise = np.stack([torch.randn(model.config.latent_dim, generator=g).numpy() for g in seeded(range(5))])
    (z,) = run(codes, noise=noise, labels=labels)
    (images,) = run(decode, codes=z, labels=labels)
    expected = model.sample(torch.from_numpy(labels), generators=seeded(range(5)))
    assert np.abs(images - expected.detach().numpy()).max() < TOLERANCE


def test_one_graph_alone_is_the_file_itself(tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tiny("autoencoder")), "--out", str(tmp_path / "ae.onnx"), "--graphs", "decode"]) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["ae.onnx"]
    said = capsys.readouterr().out
    assert "codes (batch, " in said
    assert "largest error" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "model.pt"], "--out must end in .onnx, not 'model.pt'."),
        (["--out", "model.onnx", "--graphs", "realism"], "There is no graph 'realism' of this model; its graphs are decode, encode."),
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused(tiny, tmp_path: Path, monkeypatch, capsys, arguments: list[str], said: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(tiny("autoencoder")), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_graph_that_computes_something_else_is_not_written(tiny, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("genmodels.export._error", lambda *_: 0.5)
    with pytest.raises(ValueError, match=r"'decode' differs from torch by 0.5, more than 0.001: it was not written"):
        export(tiny("autoencoder"), tmp_path / "model.onnx", ["decode"])
    assert not list(tmp_path.iterdir())


def test_without_its_packages_the_command_says_which(monkeypatch, capsys) -> None:
    monkeypatch.setattr("genmodels.export.find_spec", lambda name: None if name == "onnxscript" else object())
    assert main(["export", "vae-mnist", "--out", "x.onnx"]) == 2
    assert "To export needs onnxscript: pip install 'genmodels[export]'." in capsys.readouterr().err


BUNDLED = [
    (name, graph)
    for name, one in checkpoint.configs().items()
    for graph in sorted(FAMILY_GRAPHS.get(one["family"], ()))
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "graph"), BUNDLED)
def test_every_bundled_model_can_be_exported(tmp_path: Path, name: str, graph: str) -> None:
    (made,) = export(name, tmp_path / "model.onnx", [graph])
    assert made.error <= TOLERANCE


# -- the same noise in a browser ---------------------------------------------------------------------------------------

RANDOM = Path(__file__).parents[1] / "genmodels/web/local/random.js"
DRAWN = """
import { Generator } from '%s';
const counts = [2, 15, 16, 100, 784, 3072];
const one = (seed, count, draw) => Array.from(new Generator(seed)[draw](count));
const rows = [0, 12345, 2147483647].flatMap((seed) => counts.map((n) => [seed, n, ...['rand', 'randDouble', 'randn'].map((d) => one(seed, n, d)), new Generator(seed).randint(10, n)]));
const mixed = new Generator(7);
console.log(JSON.stringify([rows, [3, 20, 3].map((n) => Array.from(mixed.randn(n)))]));
"""


def test_the_noise_of_a_seed_is_torch_s() -> None:
    """Number by number: uniform and whole ones exactly, normal ones up to what the logarithms of two libraries differ by."""
    done = subprocess.run(
        ["node", "--input-type=module", "-e", DRAWN % RANDOM.as_uri()], capture_output=True, text=True, check=True
    )
    rows, mixed = json.loads(done.stdout)
    for seed, n, *drawn in rows:

        def generator(seed: int = seed) -> torch.Generator:
            return torch.Generator().manual_seed(seed)

        rand, double, normal, whole = (torch.tensor(values, dtype=torch.float64) for values in drawn)
        assert torch.equal(rand, torch.rand(n, generator=generator()).double())
        assert torch.equal(double, torch.rand(n, generator=generator(), dtype=torch.float64))
        assert torch.equal(whole, torch.randint(10, (n,), generator=generator()).double())
        assert float((normal - torch.randn(n, generator=generator())).abs().max()) < 2e-6
    generator = torch.Generator().manual_seed(7)
    for values in mixed:
        expected = torch.randn(len(values), generator=generator)
        assert float((torch.tensor(values) - expected).abs().max()) < 2e-6


# -- pixel by pixel in a browser ---------------------------------------------------------------------------------------

WRITTEN = """
import { readFileSync } from 'node:fs';
import { Generator } from '%s/random.js';
import { tensorsOf } from '%s/runtime.js';
import { written } from '%s/writing.js';
const { file, config, labels, given, levels, knobs } = JSON.parse(process.argv[1]);
const size = config.image_shape.reduce((a, b) => a * b);
const tensors = tensorsOf(new Uint8Array(readFileSync(file)).buffer, 'The model');
const begun = labels.map((label, i) => ({ label, levels: Uint16Array.from(levels), uniforms: new Generator(i).randDouble(size) }));
let last;
for (const one of written(tensors, config, config.image_shape, begun, given, knobs)) last = one;
console.log(JSON.stringify([last.levels.map((one) => [...one]), last.unsure.map((one) => [...one])]));
"""


@pytest.mark.parametrize(
    ("channels", "temperature", "scale"), [(1, 1.0, 1.0), (3, 0.7, 1.0), (1, 1.0, 0.0), (3, 0.7, 1.5)]
)
def test_what_is_written_without_a_graph_is_torch_s(
    tmp_path: Path, channels: int, temperature: float, scale: float
) -> None:
    """Level by level, for sizes that are no round numbers and a picture whose beginning is given."""
    torch.manual_seed(1)
    kind = get_family("pixelcnn")
    shape = {"image_shape": (channels, 6, 8), "width": 7, "vertical_width": 10, "grey_levels": 50}
    config = dataclasses.replace(kind.Config.tiny(), **shape)
    model = kind(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    checkpoint.save(model, tmp_path, data={"name": "stripes", "classes": [], "shape": list(model.image_shape)})
    given = torch.zeros(3, 1, 6, 8, dtype=torch.bool)
    given[:, :, :2] = True
    levels = torch.randint(50, (1, channels, 6, 8)).expand(3, -1, -1, -1)
    labels = torch.tensor([0, 2, -1])
    knobs = {"temperature": temperature, "guidance_scale": scale}
    *_, (images, unsure) = model.write(levels / 24.5 - 1, given, labels, generators=seeded(range(3)), **knobs)
    asked = {
        "file": str(tmp_path / checkpoint.WEIGHTS),
        "config": config.to_json(),
        "labels": [0, 2, config.num_classes],
        "given": given[0].flatten().int().tolist(),
        "levels": torch.where(given, levels, 0)[0].flatten().tolist(),
        "knobs": knobs,
    }
    program = WRITTEN % ((RANDOM.parent.as_uri(),) * 3)
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program, json.dumps(asked)], capture_output=True, text=True, check=True
    )
    mine, doubts = (torch.tensor(values, dtype=torch.float64) for values in json.loads(done.stdout))
    assert torch.equal(mine.view_as(images), ((images + 1) * 24.5).round().double())
    assert len({tuple(one) for one in mine.tolist()}) == 3
    assert float((doubts.view_as(unsure) - unsure).abs().max()) < 1e-5
