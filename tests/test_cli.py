"""The command line: what it writes, and how it refuses: exit code 2 and one sentence that says what is allowed."""

import os
import re
import signal
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import build, python
from PIL import Image

from genmodels import checkpoint, start
from genmodels.__main__ import _parser, _progress_bar, main
from genmodels.data import DATASETS
from genmodels.registry import FAMILIES
from genmodels.wrappers import core, sampling


@pytest.fixture
def model(tmp_path) -> str:
    """The folder of a small saved VAE with three classes."""
    data = {"name": "bars", "shape": [1, 8, 8], "classes": ["up", "down", "middle"]}
    return str(checkpoint.save(build("vae"), tmp_path / "model", data=data))


def refused(capsys: pytest.CaptureFixture, *arguments: object, code: int = 2) -> str:
    """The one sentence on stderr with which a command was refused."""
    assert main([str(a) for a in arguments]) == code
    message = capsys.readouterr().err.rpartition("\r")[2]  # what a progress bar leaves on the screen
    assert message.startswith("genmodels: ")
    assert message.count("\n") == 1, message
    return message


# -- app ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_port_that_is_none(capsys, port):
    assert f"--port must be between 1 and 65535, not {port}" in refused(capsys, "app", f"--port={port}")


def test_a_port_that_is_taken(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = python("-m", "genmodels", "app", "--host", "127.0.0.1", "--port", port)
    assert result.returncode == 1
    assert result.stderr == (
        f"genmodels: The app can't listen at 127.0.0.1, port {port}: it is taken, or the address isn't this computer's.\n"
    )


def test_a_port_that_is_taken_is_told_before_anything_is_loaded(capsys, monkeypatch):
    monkeypatch.setenv("GRADIO_SERVER_NAME", "127.0.0.1")
    monkeypatch.setattr(start, "main", lambda port: pytest.fail("the app began to load"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(capsys, "app", f"--port={port}", code=1)
    assert f"The app can't listen at 127.0.0.1, port {port}: it is taken" in said


def test_the_app_without_gradio(capsys, monkeypatch):
    monkeypatch.setattr(sys.modules["genmodels.__main__"], "find_spec", lambda name: None)
    assert "pip install 'genmodels[app]'" in refused(capsys, "app")


# -- list --------------------------------------------------------------------------------------------------------------


def test_list(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(checkpoint.bundled())
    assert all(re.search(r" \d+\.\d MB$", line) for line in lines)


def test_list_where_no_models_are(capsys, monkeypatch):
    monkeypatch.setattr(checkpoint, "BUNDLED", [])
    assert "none (pip install genmodels-checkpoints)" in refused(capsys, "list")
    assert "none (pip install genmodels-checkpoints)" in refused(capsys, "bench", "vae-mnist")


def test_as_a_process(model, tmp_path):
    """The same through `python -m genmodels`: exit codes, and nothing of Python's own on stderr."""
    result = python("-m", "genmodels", "sample", model, "--n", "0", "--out", tmp_path / "a.png")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "genmodels: --n must be between 1 and 100000, not 0.\n"
    result = python("-m", "genmodels", "sample", model, "--n", "3", "--out", tmp_path / "a.png")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [[], ["paint"], ["sample"], ["list", "--colour"], ["sample", "x", "--n", "many"]])
def test_usage(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("usage: python -m genmodels")
    if arguments == ["paint"]:
        assert all(command in message for command in ("app", "list", "sample", "train", "evaluate", "bench", "push"))


# -- sample ------------------------------------------------------------------------------------------------------------


def test_sample_to_png(model, tmp_path, capsys):
    file = tmp_path / "deep" / "down" / "samples.png"
    assert main(["sample", model, "--n", "9", "--out", str(file)]) == 0
    with Image.open(file) as image:
        assert image.size == (2 * (3 * 8 + 2 * 2), 2 * (3 * 8 + 2 * 2))
        assert image.mode == "L"
    assert capsys.readouterr().out == f"9 images: {file}\n"


@pytest.mark.skipif(not core.available("vae"), reason="no VAE is bundled")
@pytest.mark.parametrize(("label", "temperature"), [(None, "0.7"), (1, ".7")])
def test_a_png_says_how_it_was_made_as_the_apps_does(label, temperature, tmp_path):
    name, file = core.available("vae")[0], tmp_path / "samples.png"
    chosen = ["--label", str(label)] if label is not None else []
    settings = ["--n", "3", "--seed", "8", *chosen, "--set", f"temperature={temperature}"]
    assert main(["sample", name, *settings, "--out", str(file)]) == 0
    with Image.open(file) as image:
        assert image.text == sampling.sample(name, 3, 8, label, temperature=0.7).info


@pytest.mark.parametrize(
    ("chosen", "said"),
    [(["--label", "2"], "日本語"), (["--label", "0"], "café"), ([], "every class in turn"), (["--labels", "none"], "no class named"), (["--label", "-1"], "no class named")],
)  # fmt: skip
def test_a_png_names_class_and_model_in_any_script(chosen, said, tmp_path):
    """A folder is called by its name alone."""
    data = {"name": "words", "shape": [1, 8, 8], "classes": ["café", "mi", "日本語"]}
    folder = checkpoint.save(build("vae"), tmp_path / "été" / "checkpoint", data=data)
    file = tmp_path / "samples.png"
    assert main(["sample", str(folder), "--n", "1", *chosen, "--out", str(file)]) == 0
    with Image.open(file) as image:
        assert image.text["class"] == said
        assert image.text["model"] == "été"


def test_words_that_a_model_has_never_read_are_named(tmp_path, capsys):
    folder = checkpoint.save(build("diffusion", vocabulary=("an", "elf", "blue")), tmp_path / "model")
    command = ["sample", str(folder), "--n", "1", "--out", str(tmp_path / "x.png"), "--set"]
    for prompt, said in (("a blue Zebra", "It has never read a, zebra, and drew the rest."), ("an elf", "")):
        assert main([*command, f"prompt={prompt}"]) == 0
        assert capsys.readouterr().err.strip() == said
    assert main([*command, "prompt=zebra"]) == 2
    assert "knows none of the words of the prompt; it knows blue, …" in capsys.readouterr().err


def test_sample_to_npz(model, tmp_path):
    file = tmp_path / "samples.npz"
    assert main(["sample", model, "--n", "7", "--seed", "5", "--out", str(file)]) == 0
    with np.load(file) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    assert images.shape == (7, 8, 8, 1)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    one = tmp_path / "one.npz"
    assert main(["sample", model, "--n", "1", "--seed", "8", "--label", "0", "--out", str(one)]) == 0
    with np.load(one) as arrays:
        assert arrays["labels"].tolist() == [0]
        assert np.abs(arrays["images"][0].astype(int) - images[3]).max() <= 1, "image 3 of seed 5 has seed 8"


def test_sample_without_classes(model, tmp_path):
    file = tmp_path / "samples.npz"
    assert main(["sample", model, "--n", "2", "--labels", "none", "--out", str(file)]) == 0
    with np.load(file) as arrays:
        assert arrays["labels"].tolist() == [-1, -1]


def test_sample_with_a_knob(model, tmp_path):
    file = tmp_path / "samples.npz"
    assert main(["sample", model, "--n", "2", "--label", "1", "--set", "temperature=0", "--out", str(file)]) == 0
    with np.load(file) as arrays:
        assert np.array_equal(*arrays["images"]), "without noise every picture is the same"


@pytest.mark.parametrize("n", [0, 10**9])
def test_number_of_samples(model, tmp_path, capsys, n):
    message = refused(capsys, "sample", model, f"--n={n}", "--out", tmp_path / "a.png")
    assert f"--n must be between 1 and 100000, not {n}" in message
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize("label", [3, -2])
def test_a_class_that_does_not_exist(model, tmp_path, capsys, label):
    message = refused(capsys, "sample", model, f"--label={label}", "--out", tmp_path / "a.png")
    assert f"no class {label}; the classes are 0 to 2" in message


@pytest.mark.parametrize("seed", [-(2**70), 2**70])
def test_a_seed_beyond_all_bounds(model, tmp_path, capsys, seed):
    assert "seed" in refused(capsys, "sample", model, f"--seed={seed}", "--out", tmp_path / "a.png").lower()


@pytest.mark.parametrize("name", ["a.jpg", ".png"])
def test_an_ending_that_is_no_format(model, tmp_path, capsys, name):
    assert ".png or .npz" in refused(capsys, "sample", model, "--out", tmp_path / name)


def test_an_unknown_model(tmp_path, capsys):
    message = refused(capsys, "sample", "vae-nonsense", "--out", tmp_path / "a.png")
    assert all(name in message for name in ["'vae-nonsense'", *checkpoint.bundled()])


def test_a_model_that_cannot_sample(tmp_path, capsys):
    folder = checkpoint.save(build("autoencoder"), tmp_path / "model")
    message = refused(capsys, "sample", folder, "--out", tmp_path / "a.png")
    assert "lacks the ability Samples (it has Encodes, Decodes)" in message


def test_an_unknown_knob(model, tmp_path, capsys):
    message = refused(capsys, "sample", model, "--set", "heat=1", "--out", tmp_path / "a.png")
    assert "'heat'" in message
    assert "temperature" in message


@pytest.mark.parametrize("value", ["hot", "NaN", "[1]"])
def test_a_knob_that_is_no_number(model, tmp_path, capsys, value):
    assert "temperature" in refused(
        capsys, "sample", model, "--set", f"temperature={value}", "--out", tmp_path / "a.png"
    )


def test_a_setting_without_value(model, tmp_path, capsys):
    message = refused(capsys, "sample", model, "--set", "temperature", "--out", tmp_path / "a.png")
    assert "--set takes KEY=VALUE, not 'temperature'" in message


def test_a_place_that_cannot_be_written(model, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    refused(capsys, "sample", model, "--out", tmp_path / "file" / "a.png", code=1)
    refused(capsys, "sample", model, "--out", tmp_path / "file" / "a.npz", code=1)


# -- train -------------------------------------------------------------------------------------------------------------


def train(folder, out, *more: object) -> list[object]:
    return ["train", "vae", "--data", folder, "--out", out, "--shape", "1,8,8", *more]


def test_an_unknown_family(image_folder, tmp_path, capsys):
    message = refused(capsys, "train", "gpt", "--data", image_folder, "--out", tmp_path / "run")
    assert all(name in message for name in ["'gpt'", *FAMILIES])


def test_unknown_data(tmp_path, capsys):
    message = refused(capsys, *train("cifar", tmp_path / "run"))
    assert all(name in message for name in ["'cifar'", *DATASETS])


def test_an_unknown_setting_lists_the_settings(image_folder, tmp_path, capsys):
    message = refused(capsys, *train(image_folder, tmp_path / "run", "--set", "colour=3"))
    assert all(name in message for name in ["'colour'", "latent_dim", "beta", "steps", "learning_rate", "seed"])
    assert "image_shape" not in message, "that is --shape"


@pytest.mark.parametrize(
    "setting",
    [
        "latent_dim=big", "latent_dim=-1", "widths=8", "steps=0", "steps=1.5", "batch_size=true",
        "learning_rate=NaN", "warmup=2", "betas=[0.9]", "ema_decay=2", "weight_decay=-1",
    ],
)  # fmt: skip
def test_a_setting_of_a_wrong_value(image_folder, tmp_path, capsys, setting):
    message = refused(capsys, *train(image_folder, tmp_path / "run", "--precision", "no", "--set", setting))
    assert setting.partition("=")[0] in message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("option", "minutes"), [("--minutes", "0"), ("--minutes", "nan"), ("--cpu-minutes", "-1")])
def test_minutes(image_folder, tmp_path, capsys, option, minutes):
    message = refused(capsys, *train(image_folder, tmp_path / "run", f"{option}={minutes}"))
    assert f"{option} must be a positive number" in message


@pytest.mark.parametrize("shape", ["8,8", "2,8,8", "1,8,x", "1,4,8", "1,10,10"])
def test_shapes(image_folder, tmp_path, capsys, shape):
    message = refused(capsys, "train", "vae", "--data", image_folder, "--out", tmp_path / "run", "--shape", shape)
    assert "shape" in message


SMALL = ["--set", "steps=1", "batch_size=4", "latent_dim=4", "widths=[4,8]", "prior_layers=2", "prior_width=8"]


def test_train_says_what_it_found(image_folder, tmp_path, capsys):
    """Before it starts: how many pictures of which classes, and what is left out, also of those to test on."""
    for name in ("up/00.png", "down/01.png", "up/18.png"):  # the last is one of those to test on
        (image_folder / name).write_bytes(b"broken")
    (image_folder / "cover.png").write_bytes(b"")
    assert main([str(a) for a in train(image_folder, tmp_path / "run", "--precision", "no", *SMALL)]) == 0
    lines = capsys.readouterr().out.splitlines()
    why = "(no picture in a format that is known here)"
    assert lines[:3] == [
        "16 pictures to train on, 1 to test with",
        "classes: down 8, up 8",
        f"4 left out: cover.png (in no class's folder), down/01.png {why}, up/00.png {why}, up/18.png {why}",
    ]


def test_strict(image_folder, tmp_path, capsys):
    """Refused before anything is written, also where only a picture to test on can't be read."""
    (image_folder / "up/18.png").write_bytes(b"broken")
    message = refused(capsys, *train(image_folder, tmp_path / "run", "--strict"))
    assert "1 of the pictures of" in message
    assert "would be left out: up/18.png" in message
    assert not (tmp_path / "run").exists()


def test_a_run_that_exists(image_folder, tmp_path, capsys):
    """A second run does not overwrite the first."""
    from genmodels import load_dataset
    from genmodels.training.loop import train as run

    model = build("vae", num_classes=2)
    recipe = type(model.recipe)(steps=1, batch_size=4)
    list(run(model, load_dataset(str(image_folder), shape=(1, 8, 8)), recipe, folder=tmp_path / "run", precision="no"))
    message = refused(capsys, *train(image_folder, tmp_path / "run", "--precision", "no"))
    assert "holds a run at step 1: go on with --resume" in message


def test_the_first_steps_are_told(image_folder, tmp_path, capsys):
    """Someone whose every step takes seconds sees after the first one that it goes on, and how long it will take."""
    assert main([str(a) for a in train(image_folder, tmp_path / "run", "--precision", "no", "--set", "steps=3")]) == 0
    told = capsys.readouterr().err
    for step in (1, 2, 3):
        assert re.search(rf"\| \d\d:\d\d<\d\d:\d\d , step {step} loss ", told), told


def test_the_seed_is_the_whole_run(image_folder, tmp_path):
    """The initial weights too: the same command gives the same model."""
    weights = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        sizes = ["latent_dim=4", "widths=[4,8]", "prior_layers=2", "prior_width=8"]
        settings = ["--precision", "no", "--set", "steps=1", "batch_size=4", f"seed={seed}", *sizes]
        assert main([str(a) for a in train(image_folder, tmp_path / name, *settings)]) == 0
        weights.append(checkpoint.load(tmp_path / name / "checkpoint").state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert not all(torch.equal(weights[0][key], weights[2][key]) for key in weights[0])


# -- evaluate, bench, push ---------------------------------------------------------------------------------------------


def test_evaluate(image_folder, tmp_path, capsys):
    data = {"name": str(image_folder), "shape": [1, 8, 8], "classes": ["down", "up"]}
    folder = checkpoint.save(build("autoencoder"), tmp_path / "model", data=data)
    assert main(["evaluate", str(folder), "--data", str(image_folder)]) == 0
    output, told = capsys.readouterr()
    assert "pictures test split, n = 10000, seed 0:" in output
    assert "reconstruction_psnr" in output
    assert re.search(r"model, reconstruction: 100%\|█+\| \d\d:\d\d<00:00, 100 % of all", told), told
    assert sorted(os.listdir(folder)) == ["README.md", "config.json", "metrics.json", "model.safetensors"]
    assert "| reconstruction_psnr |" in (folder / "README.md").read_text()
    for spelled in ("--n", "--samples"):
        assert "n must be between 1 and 100000, not 0" in refused(capsys, "evaluate", folder, spelled, "0")


@pytest.mark.parametrize("launcher", ["torchrun", "accelerate launch"])
def test_every_option_passes_a_launcher(launcher):
    """A launcher reads the whole line: an option that could be short for two of its own (`--n`: --nnodes, --node-rank) is
    refused before we see it, so each has a spelling that can't."""
    from accelerate.commands.launch import launch_command_parser
    from torch.distributed.run import get_args_parser

    parser = get_args_parser() if launcher == "torchrun" else launch_command_parser()
    commands = next(action for action in _parser()._actions if action.choices).choices
    for name in ("train", "evaluate"):
        for option in commands[name]._actions:
            line = [name, option.option_strings[-1], "3"] if option.option_strings else [name]
            assert parser.parse_args(["-m", "genmodels", *line]).training_script_args == line


@pytest.mark.slow
def test_evaluate_in_two_processes(image_folder, tmp_path):
    data = {"name": str(image_folder), "shape": [1, 8, 8], "classes": ["down", "up"]}
    folder = checkpoint.save(build("autoencoder"), tmp_path / "model", data=data)
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    result = python(*launch, "-m", "genmodels", "evaluate", folder, "--samples", "7", "--data", image_folder)
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.count("test split, n = 7, seed 0:") == 1
    assert checkpoint.read_json(folder, "metrics.json")["n"] == 7


def test_evaluate_what(capsys):
    assert "Name a model, or give --all" in refused(capsys, "evaluate")
    assert "'nonsense'" in refused(capsys, "evaluate", "nonsense")


def test_a_part_of_all_is_measured_where_there_is_such_a_part(model, tmp_path, capsys, monkeypatch):
    data = checkpoint.read_config(model)["data"]
    other = checkpoint.save(build("autoencoder"), tmp_path / "an-autoencoder", data=data)
    monkeypatch.setattr(checkpoint, "BUNDLED", [tmp_path])
    assert main(["evaluate", "--all"]) == 0
    before = (other / "metrics.json").read_text()
    capsys.readouterr()
    assert main(["evaluate", "--all", "--only", "speed"]) == 0
    output = capsys.readouterr().out
    assert "sampling_ms_16_cpu" in output
    assert "1 thread of" in output
    assert "an-autoencoder" not in output
    assert (other / "metrics.json").read_text() == before
    assert "no part 'nonsense'" in refused(capsys, "evaluate", "--all", "--only", "nonsense")


def test_evaluate_without_the_data(model, capsys):
    """What needs no data is measured, and the rest is said, here and on the card."""
    assert main(["evaluate", model]) == 0
    output = capsys.readouterr().out
    assert "sampling_ms_16_cpu" in output
    said = "reconstruction could not be measured: The pictures that model was trained on (folder 'bars') are not here"
    assert said in output
    assert said in (Path(model) / "README.md").read_text()


def test_a_referee_from_training_to_measuring(image_folder, tmp_path, capsys, monkeypatch):
    """Of a folder of pictures: trained, measured itself, then named to measure another model."""
    monkeypatch.setattr("genmodels.evaluation.student.STUDENT_STEPS", 4)
    settings = ("steps=4", "batch_size=4", "widths=[8,8]", "blocks=1", "feature_dim=8")
    options = ("--data", image_folder, "--out", tmp_path / "run", "--shape", "1,8,8", "--precision", "no")
    assert main([str(a) for a in ("train", "referee", *options, "--set", *settings)]) == 0
    referee = tmp_path / "run" / "checkpoint"
    assert sorted(os.listdir(referee)) == ["README.md", "config.json", "model.safetensors", "training.json"]
    assert checkpoint.read_config(referee)["data"]["attributes"] == {"class": ["down", "up"]}
    assert checkpoint.load(referee).config.attributes == (2,)
    assert main(["evaluate", str(referee)]) == 0
    assert "accuracy of class" in capsys.readouterr().out
    data = {"name": str(image_folder), "shape": [1, 8, 8], "classes": ["down", "up"]}
    folder = checkpoint.save(build("vae", num_classes=2), tmp_path / "vae", data=data)
    measure = ["evaluate", folder, "--n", 12, "--data", image_folder, "--referee", referee]
    assert main([str(a) for a in measure]) == 0
    assert checkpoint.read_json(folder, "metrics.json")["referee"]["hash"] == checkpoint.weights_hash(referee)
    assert "no model 'nonsense'" in refused(capsys, "evaluate", folder, "--referee", "nonsense")


def test_a_referee_of_pictures_without_classes(tmp_path, capsys):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    message = refused(capsys, "train", "referee", "--data", tmp_path, "--out", tmp_path / "run")
    assert "at least one value" in message


def test_bench(model, capsys, monkeypatch):
    from genmodels import bench

    monkeypatch.setattr(bench, "REPEATS", 1)
    assert main(["bench", model]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("|")[2].strip() for line in lines if line.startswith(f"| {model} ")]
    assert rows == ["sample", "encode and decode"]
    assert "'nonsense'" in refused(capsys, "bench", "nonsense")


def test_push_without_network(model, capsys):
    assert "could not be pushed to 'tester/new'" in refused(capsys, "push", model, "tester/new")
    assert "'nonsense'" in refused(capsys, "push", "nonsense", "tester/new")


def test_an_interruption_that_python_has_lost_comes_again(monkeypatch):
    class Fragile:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    lost, former = [], signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    with _progress_bar("", {}, shown=False) as show:
        show("a part", 0, 0)
        Fragile()
        assert [found.exc_type for found in lost] == [KeyboardInterrupt]
        with pytest.raises(KeyboardInterrupt):
            show("a part", 0.5, 0.5)
    assert signal.getsignal(signal.SIGINT) == former
