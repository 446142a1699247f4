"""genmodels, or python -m genmodels, {app,list,sample,train,evaluate,convert,experiment,bench,export,export-site,push,push-space}: argument parsing only."""

import argparse
import contextlib
import dataclasses
import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genmodels.evaluation.report import Report


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; 0 = done, 1 = failed, 2 = wrong arguments, 130 = stopped with Ctrl-C (state saved)."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except ValueError as error:
        print(f"genmodels: {error}", file=sys.stderr)
        return 2
    except (OSError, RuntimeError) as error:
        print(f"genmodels: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    called = "genmodels" if Path(sys.argv[0]).stem == "genmodels" else "python -m genmodels"
    parser = argparse.ArgumentParser(prog=called, description="Try, compare and train generative models.")
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(name: str, run: Callable[[argparse.Namespace], int | None], help: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help, description=help)
        command.set_defaults(run=run)
        return command

    command = add("app", _app, "the web app; it prints the address to open")
    command.add_argument("--host", help="listen at this address; default: GRADIO_SERVER_NAME, or 127.0.0.1")
    command.add_argument("--port", type=int, help="default: GRADIO_SERVER_PORT, or the first free one from 7860 on")

    add("list", _list, "the bundled models")

    command = add("sample", _sample, "pictures from a model, as .png (a sheet), .npz (arrays) or a folder to train on")
    command.add_argument("model", help="a bundled name, a folder, or a Hub repo user/name")
    command.add_argument("--n", type=int, default=16)
    command.add_argument("--seed", type=int, default=0, help="image i has seed SEED + i")
    command.add_argument("--label", type=int, help="one class; -1: none; default: every class in turn")
    command.add_argument("--labels", choices=["balanced", "none"], default="balanced")
    command.add_argument(
        "--set", nargs="*", default=[], metavar="KNOB=VALUE", help="the family's own, e.g. temperature=0.8"
    )
    command.add_argument(
        "--out",
        type=Path,
        required=True,
        help=".png, .npz, or a new folder; stopped, the same command goes on filling it",
    )

    command = add("train", _train, "train a family on a data set")
    command.add_argument("family")
    command.add_argument("--data", required=True, help="mnist, fashion-mnist, heroes, a folder of images, or a Hub id")
    command.add_argument(
        "--out", type=Path, required=True, help="the run's folder; the model ends up in OUT/checkpoint"
    )
    command.add_argument("--minutes", type=float, help="train for so long; the schedule fits it")
    command.add_argument("--cpu-minutes", type=float, help="the same in CPU time, whatever else the machine does")
    command.add_argument("--resume", action="store_true", help="go on from the last state in OUT")
    command.add_argument("--shape", help="C,H,W: resize the pictures, e.g. 3,32,32")
    command.add_argument("--captions", action="store_true", help="learn from the captions instead of the classes")
    command.add_argument(  # torchrun takes a short --start for its own, as it does --n
        "--start", "--start-from", help="begin with this checkpoint's config and weights, to fine-tune them"
    )
    command.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="config and recipe fields")
    command.add_argument("--precision", choices=["auto", "no", "bf16"], default="auto")
    command.add_argument("--tensorboard", action="store_true")
    command.add_argument("--strict", action="store_true", help="refuse pictures that can't be read; default: leave out")

    command = add("evaluate", _evaluate, "measure models, write metrics.json; an interrupted run goes on")
    command.add_argument("models", nargs="*", metavar="model")
    command.add_argument("--all", action="store_true", help="all bundled models")
    command.add_argument(
        "--n", "--samples", type=int, default=10_000, help="samples to draw; at most so many test images are used"
    )
    command.add_argument("--seed", type=int, default=0, help="sample i has seed SEED + i")
    command.add_argument(
        "--referee", help="the checkpoint whose features compare; default: the bundled one of the data"
    )
    command.add_argument("--data", help="as for train; default: the data that the model was trained on")
    command.add_argument("--out", type=Path, help="measure a copy of the model in this folder; one of the Hub needs it")
    command.add_argument("--only", nargs="+", default=[], metavar="PART", help="measure again, e.g. speed frechet")
    command.add_argument("--inception", action="store_true", help="also the usual FID, whose network is downloaded")

    command = add("convert", _convert, "metrics.json as older versions wrote it: the same figures in today's form")
    command.add_argument("models", nargs="*", metavar="model")
    command.add_argument("--all", action="store_true", help="all bundled models")

    command = add(
        "experiment", _experiment, "compare trainings, write checkpoints/experiments/NAME.json; killed, it goes on"
    )
    command.add_argument(
        "name",
        help="attribution, augmentation, transfer, minutes, sketch, anomaly, few-labels, compress, projection, repair or words",
    )
    command.add_argument("--families", nargs="+", default=[], metavar="FAMILY", help="work on these; default: all")
    command.add_argument("--only", nargs="+", default=[], metavar="DATA", help="work on these data sets; default: all")
    command.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings, for a smaller run elsewhere"
    )
    command.add_argument("--out", type=Path, help="where finished units are kept; default: runs/experiments/NAME")

    command = add("bench", _bench, "speed of the models on this machine: a table")
    command.add_argument("models", nargs="*", metavar="model", help="default: all bundled")

    command = add("export", _export, "a model as ONNX graphs, each compared with torch")
    command.add_argument("model", help="a bundled name, a folder, or a Hub repo user/name")
    command.add_argument("--out", type=Path, required=True, help="ends in .onnx; of several graphs each adds its name")
    command.add_argument("--graphs", nargs="+", default=[], metavar="GRAPH", help="default: all that the model has")

    command = add("export-site", _export_site, "the page as a folder of plain files, whose models run in the browser")
    command.add_argument("out", type=Path, help="a new folder, or one that this command made")
    command.add_argument("--sections", nargs="+", default=[], metavar="SECTION", help="such as vae.map; default: all")
    command.add_argument(
        "--models", nargs="+", default=[], metavar="MODEL", help="default: all that these sections have"
    )
    command.add_argument(
        "--runtime", type=Path, help="folder of npm's package onnxruntime-web; default: npm fetches it"
    )

    command = add("push", _push, "upload a checkpoint to the Hugging Face Hub")
    command.add_argument("model", help="a folder or a bundled name")
    command.add_argument("repo", help="user/name")
    command.add_argument("--private", action="store_true")

    command = add("push-space", _push_space, "upload this checkout to the Hugging Face Hub as a Space")
    command.add_argument("repo", help="user/name")
    kind = command.add_mutually_exclusive_group()
    kind.add_argument("--zero-gpu", action="store_true", help="on ZeroGPU, which free accounts have, too")
    kind.add_argument("--static", type=Path, metavar="FOLDER", help="what export-site made, as a static Space")
    command.add_argument("--private", action="store_true")
    return parser


def _app(options: argparse.Namespace) -> None:
    if find_spec("gradio") is None:
        raise ValueError("The app needs gradio: pip install 'genmodels[app]'.")
    if options.port is not None and not 1 <= options.port <= 65535:
        raise ValueError(f"--port must be between 1 and 65535, not {options.port}.")
    if options.host:
        os.environ["GRADIO_SERVER_NAME"] = options.host  # gradio reads it when it is imported
    host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    from genmodels import start

    try:
        _try_to_listen(host, options.port or 0)  # before seconds of loading
        start.main(options.port)
    except OSError as error:
        port = f"port {options.port}" if options.port else "any of the ports"
        raise OSError(
            f"The app can't listen at {host}, {port}: it is taken, or the address isn't this computer's."
        ) from error


def _try_to_listen(host: str, port: int) -> None:
    """Raises OSError if no server of ours can."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was left a moment ago is free
        server.bind(address)


def _list(options: argparse.Namespace) -> None:
    from genmodels import checkpoint

    if not checkpoint.bundled():
        raise ValueError(f"The bundled models are {checkpoint.NO_MODELS}.")
    for name, folder in checkpoint.bundled().items():
        config = checkpoint.read_config(folder)
        print(f"{name:22} {config['family']:12} {config['data']['name']:14} {checkpoint.size(folder) / 1e6:5.1f} MB")


def _sample(options: argparse.Namespace) -> int:
    import numpy as np

    from genmodels import checkpoint, operations
    from genmodels.data import tile, to_uint8
    from genmodels.wrappers.pictures import save_png, signed

    if not 1 <= options.n <= 100_000:
        raise ValueError(f"--n must be between 1 and 100000, not {options.n}.")
    is_folder = options.out.is_dir() or (options.out.suffix == "" and not options.out.name.startswith("."))
    if options.out.suffix not in (".png", ".npz") and not is_folder:
        raise ValueError(f"--out must end in .png or .npz, or be a folder, not {options.out.name!r}.")
    model, knobs = checkpoint.load(options.model), assignments(options.set)
    label = options.label if options.label is not None else {"balanced": "balanced", "none": None}[options.labels]
    if is_folder:
        return _sample_folder(options, model, label, knobs)
    pixels = to_uint8(operations.sample(model, options.n, options.seed, label, **knobs)).cpu()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    if options.out.suffix == ".png":
        told = {} if "prompt" in knobs else _told(options.model, label)
        made = {"n": options.n, "seed": options.seed, **told, **knobs}
        save_png(signed(tile(pixels, scale=2), _called(options.model), **made), options.out)
    else:
        labels = operations.as_labels(model, options.n, label)
        np.savez_compressed(options.out, images=pixels.permute(0, 2, 3, 1).numpy(), labels=labels.cpu().numpy())
    print(f"{options.n} images: {options.out}")
    _warn_of_words(model, knobs.get("prompt"))
    return 0


def _sample_folder(options: argparse.Namespace, model: Any, label: int | str | None, knobs: dict[str, Any]) -> int:
    from tqdm import tqdm

    from genmodels import image_folder
    from genmodels.wrappers.data_sets import order

    wanted = order(options.model, model, options.n, options.seed, label, **knobs)
    collection = image_folder.Collection(wanted, model)
    with tqdm(total=options.n, unit=" pictures", smoothing=0, delay=0.5) as bar:

        def report(done: int) -> None:
            if not bar.n:
                bar.initial = done  # what was there already says nothing of the time that is left
            bar.update(done - bar.n)

        try:
            image_folder.write(collection, options.out, report)
        except KeyboardInterrupt:
            print("Stopped; the same command goes on.", file=sys.stderr)
            return 130
    _warn_of_words(model, knobs.get("prompt"))
    print(
        f"{options.n} pictures to train on: python -m genmodels train FAMILY --data {shlex.quote(str(options.out))} --out runs/NAME"
    )
    return 0


def _warn_of_words(model: Any, prompt: Any) -> None:
    """Says which words of a prompt a model that reads captions does not know, as the app does."""
    from genmodels.operations import reads_captions

    reads = isinstance(prompt, str) and reads_captions(model)
    if unknown := model.unknown_words(prompt) if reads else []:
        print(f"It has never read {', '.join(unknown)}, and drew the rest.", file=sys.stderr)


def _told(source: str, label: int | str | None) -> dict[str, str]:
    """What a model was told of the class, as the app writes it into a PNG."""
    from genmodels import checkpoint
    from genmodels.wrappers.core import NOT_NAMED, named_class

    config = checkpoint.read_config(source)
    count = config["config"].get("num_classes", 0)
    classes = (config["data"]["classes"] or [str(i) for i in range(count)]) if count else []
    if classes and label in (None, -1):
        return {"class": NOT_NAMED}
    return named_class(classes, label if isinstance(label, int) else None)


def _called(source: str) -> str:
    """What to call a model: a folder by its own name, a run's checkpoint by that of the run, anything else as it is."""
    if not Path(source).is_dir():
        return source
    folder = Path(source).resolve()
    return folder.parent.name if folder.name == "checkpoint" else folder.name


def _train(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from genmodels import data
    from genmodels.device import process_state
    from genmodels.registry import get_family
    from genmodels.training import train
    from genmodels.training.completion import finish

    is_main = process_state().is_main_process
    family = get_family(options.family)
    for option, value in (("--minutes", options.minutes), ("--cpu-minutes", options.cpu_minutes)):
        if value is not None and not 0 < value < 1e6:
            raise ValueError(f"{option} must be a positive number, not {value}.")
    if options.captions and not family.reads_captions:
        raise ValueError(f"A {options.family} learns from classes, not from captions.")
    kind = {"attributes": family.labels_are_attributes, "captions": options.captions}
    kind |= {"strict": options.strict, "seed": assignments(options.set).get("seed", family.recipe.seed)}
    images = data.load_dataset(options.data, "train", _shape(options.shape), **kind)
    test = data.load_dataset(options.data, "test", images.shape, **kind)  # now, not after hours: it may be refused
    if is_main:
        _print_found(images, test)
    model, recipe = _untrained(options, family, images)
    interrupted = _on_interrupt()
    rows = train(
        model, images, recipe, folder=options.out, minutes=options.minutes, cpu_minutes=options.cpu_minutes,
        resume=options.resume, precision=options.precision, tensorboard=options.tensorboard, stop=lambda: bool(interrupted),
        start=options.start,
    )  # fmt: skip
    form = "{l_bar}{bar}| {elapsed}<{remaining} {postfix}"
    with tqdm(total=100, bar_format=form, smoothing=0, disable=not is_main) as bar:
        for row in rows:
            bar.start_t = time.time() - row["seconds"]  # of the whole run, so that a resumed one tells its true rate
            bar.update(100 * row["progress"] - bar.n)
            losses = " ".join(f"{name} {value:.4f}" for name, value in row.items() if name.endswith("loss"))
            bar.set_postfix_str(f"step {row['step']} {losses} {row['images_per_s']:.0f} images/s")
    if not is_main:  # of several processes one speaks, and completes the model
        return 130 if interrupted else 0
    if interrupted:
        again = shlex.join(part for part in sys.argv[1:] if part != "--resume")
        print(f"Stopped; go on with: python -m genmodels {again} --resume", file=sys.stderr)
        return 130
    finish(model, options.out, test)
    print(f"The model is in {options.out / 'checkpoint'}")
    return 0


def _print_found(train: Any, test: Any) -> None:
    """How many pictures of which classes there are, and what was left out."""
    from genmodels.folders import summary

    classes = train.labels[:, 0] if train.labels.ndim == 2 else train.labels
    counts = [f"{name} {int((classes == i).sum())}" for i, name in enumerate(train.classes)]
    more = f", … ({len(counts)} classes)" if len(counts) > 20 else ""
    print(f"{len(train)} pictures to train on, {len(test)} to test with", flush=True)
    if counts:
        print(f"classes: {', '.join(counts[:20])}{more}", flush=True)
    if left_out := dict.fromkeys((*train.left_out, *test.left_out)):
        print(f"{len(left_out)} left out: {summary(left_out)}", flush=True)


def _untrained(options: argparse.Namespace, family: Any, images: Any) -> tuple[Any, Any]:
    """The model to train, new or from --start, and the recipe, both with the values of --set; captions become labels."""
    import torch

    from genmodels import checkpoint
    from genmodels.operations import require
    from genmodels.protocols import ReadsCaptions

    settings = assignments(options.set)
    config_fields = {f.name for f in dataclasses.fields(family.Config)} - {"image_shape"}
    recipe_fields = {f.name for f in dataclasses.fields(family.recipe)}
    if unknown := settings.keys() - config_fields - recipe_fields:
        raise ValueError(
            f"There is no setting {min(unknown)!r}; the settings are {', '.join(sorted(config_fields | recipe_fields))}."
        )
    changes = {key: value for key, value in settings.items() if key in config_fields}
    recipe = dataclasses.replace(family.recipe, **{k: v for k, v in settings.items() if k in recipe_fields})
    if options.start:
        if images.captions and not checkpoint.read_config(options.start)["config"].get("vocabulary"):
            changes |= {"num_classes": 0, "vocabulary": family.vocabulary_of(images.captions)}
        model = checkpoint.started(options.start, options.family, changes)
    else:
        config = {"image_shape": list(images.shape), "num_classes": len(images.classes)}
        if images.attributes:
            config["attributes"] = [len(values) for values in images.attributes.values()]
        if images.captions:
            config["vocabulary"] = family.vocabulary_of(images.captions)
        torch.manual_seed(recipe.seed)  # the initial weights
        model = family(family.Config.from_json(config | changes))
    if images.captions:
        images.labels = require(model, ReadsCaptions).tokenize(images.captions)
    return model, recipe


def _on_interrupt() -> list[int]:
    """A list that is empty until Ctrl-C (or a polite kill); a second Ctrl-C interrupts at once."""
    received: list[int] = []

    def note(number: int, frame: Any) -> None:
        received.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, note)
    signal.signal(signal.SIGTERM, note)
    return received


@contextlib.contextmanager
def _interrupt() -> Iterator[Callable[[], None]]:
    """Ctrl-C interrupts, and so does the function that is yielded, once it was pressed: where Python was within a destructor
    or a callback of C, it has only printed the interruption and gone on."""
    received = False

    def interrupt(number: int, frame: Any) -> None:
        nonlocal received
        received = True
        raise KeyboardInterrupt

    def raise_again() -> None:
        if received:
            raise KeyboardInterrupt

    former = signal.signal(signal.SIGINT, interrupt)
    try:
        yield raise_again
    finally:
        signal.signal(signal.SIGINT, former)


def _evaluate(options: argparse.Namespace) -> None:
    from genmodels.card import write_card
    from genmodels.device import process_state
    from genmodels.evaluation import evaluate, parts_of
    from genmodels.evaluation.keys import PART_TITLES

    names = _named_models(options)
    if options.out and len(names) > 1:
        raise ValueError(f"--out is for one model, not for {len(names)}.")
    parts = dict.fromkeys(names, options.only)
    if options.all and options.only:  # of each model what it has, if that is anything
        has = {name: [part for part in parts_of(name) if part in options.only] for name in names}
        parts = {name: some for name, some in has.items() if some} or parts
    is_main = process_state().is_main_process
    for name in parts:
        with _progress_bar(f"{name}, ", PART_TITLES, shown=is_main) as show:
            result = evaluate(
                name, options.n, seed=options.seed, referee=options.referee, inception=options.inception,
                only=parts[name], data=options.data, out=options.out, progress=show,
            )  # fmt: skip
        if is_main:
            write_card(options.out or name)
            _print_metrics(name, result)


def _named_models(options: argparse.Namespace) -> list[str]:
    from genmodels import checkpoint

    names = list(checkpoint.bundled()) if options.all else options.models
    if not names:
        raise ValueError("Name a model, or give --all.")
    return names


def _convert(options: argparse.Namespace) -> None:
    from genmodels import checkpoint
    from genmodels.card import write_card
    from genmodels.evaluation.conversion import converted
    from genmodels.evaluation.report import of_model, of_real_images, read_report
    from genmodels.files import write_json

    places = {name: checkpoint.writable(name) for name in _named_models(options)}
    reports = {name: converted(name) for name in places}  # all of them, before anything is written
    for name, report in reports.items():
        if report == (old := read_report(name)):
            print(f"{name}: is of today's form")
            continue
        write_json(places[name], "metrics.json", report)
        write_card(name)
        count = len(of_model(report)) + len(of_real_images(report))
        print(f"{name}: converted from format {old['format']}, {count} figures")


@contextlib.contextmanager
def _progress_bar(
    name: str, titles: Mapping[str, str], *, shown: bool
) -> Iterator[Callable[[str, float, float], None]]:
    """A bar for each part of something in turn, with the time that is left for it and the share of all parts done.

    It is told (part, share of it that is done, share of the whole).
    """
    from tqdm import tqdm

    form = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"
    with (
        _interrupt() as raise_again,
        tqdm(total=1.0, bar_format=form, smoothing=0, leave=False, disable=not shown) as bar,
    ):

        def show(part: str, share: float, whole: float) -> None:
            raise_again()
            if share == 0:
                bar.reset()
            bar.set_description(f"{name}{titles.get(part, part)}", refresh=False)
            bar.update(share - bar.n)
            bar.set_postfix_str(f"{100 * whole:.0f} % of all", refresh=share in (0, 1))

        yield show


def _print_metrics(name: str, result: "Report") -> None:
    from genmodels.evaluation.keys import PART_TITLES
    from genmodels.evaluation.report import of_model, of_real_images

    print(
        f"{name}, {result['data']['name']} {result['data']['split']} split, n = {result['n']}, seed {result['seed']}:"
    )
    for metric, value in (of_model(result) | of_real_images(result)).items():
        spread = f" ± {value['spread']:,.3g}" if "spread" in value else ""
        print(f"  {metric:44} {value['value']:>12,.7g}{spread} {value['unit']:9} {value['protocol']}")
    for part, reason in result["failed"].items():
        print(f"  {PART_TITLES[part]} could not be measured: {reason}")


def _experiment(options: argparse.Namespace) -> int:
    from genmodels import experiments

    asked = {
        "families": options.families,
        "only": options.only,
        "changes": assignments(options.set),
        "out": options.out,
    }
    try:
        with _progress_bar(f"{options.name}, ", {}, shown=True) as show:
            result = experiments.run(options.name, **asked, progress=show)
    except KeyboardInterrupt:
        print("Stopped; what is finished is kept, and the same command goes on.", file=sys.stderr)
        return 130
    print(
        f"{result['reading']} ({len(result['rows'])} rows, {'all' if result['complete'] else 'not all'} that there will be)"
    )
    return 0


def _bench(options: argparse.Namespace) -> None:
    from genmodels import checkpoint
    from genmodels.bench import bench_table

    for line in bench_table(options.models or list(checkpoint.bundled())):
        print(line)


def _export(options: argparse.Namespace) -> None:
    from genmodels.export import OPSET, export

    def told(ends: Mapping[str, tuple[Any, ...]]) -> str:
        return ", ".join(f"{name} ({', '.join(map(str, shape))})" for name, shape in ends.items())

    print(f"opset {OPSET}, computed in float32; the largest error is that against torch")
    for graph in export(options.model, options.out, options.graphs):
        print(f"{graph.path}: {told(graph.inputs)} -> {told(graph.outputs)}")
        print(
            f"    {graph.path.stat().st_size / 1e6:.2f} MB, weights in {graph.weights}, largest error {graph.error:.1e}"
        )


def _export_site(options: argparse.Namespace) -> None:
    from genmodels.export_site import export_site

    made = export_site(options.out, options.sections, models=options.models, runtime=options.runtime, say=print)
    print(
        f"{len(made)} files, {sum(file.size for file in made) / 1e6:.1f} MB; serve it: python -m http.server -d {options.out}"
    )


def _push(options: argparse.Namespace) -> None:
    from genmodels.publish import push, to_upload

    for name, content in to_upload(options.model, options.repo).items():
        print(f"{name:46} {len(content) / 1e3:9,.1f} kB")
    print(push(options.model, options.repo, private=options.private))


def _push_space(options: argparse.Namespace) -> None:
    from genmodels.publish import FREE_SPACES, push_site, push_space

    if options.static:
        print(push_site(options.static, options.repo, private=options.private))
        return
    if not options.zero_gpu:
        print(FREE_SPACES, flush=True)
    print(push_space(options.repo, zero_gpu=options.zero_gpu, private=options.private))


def _shape(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 3 or not all(p.isdigit() for p in parts) or parts[0] not in ("1", "3"):
        raise ValueError(f"--shape must be C,H,W with C = 1 or 3, such as 3,32,32, not {text!r}.")
    c, h, w = (int(p) for p in parts)
    if not (8 <= h <= 256 and 8 <= w <= 256):
        raise ValueError(f"--shape: height and width must be between 8 and 256, not {h} and {w}.")
    return c, h, w


def assignments(texts: list[str]) -> dict[str, Any]:
    """["beta=.5", "conditional=false"] -> {"beta": 0.5, "conditional": False}"""
    import json
    import re

    values = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set takes KEY=VALUE, not {text!r}.")
        try:
            values[key] = json.loads(re.sub(r"^(-?)\.(?=\d)", r"\g<1>0.", value))  # JSON knows no .5
        except ValueError:
            values[key] = value
    return values


if __name__ == "__main__":
    sys.exit(main())
