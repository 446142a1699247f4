"""Measure a checkpoint: which metrics apply follows from its abilities, and nothing here knows the families.

Protocol. Real images are those of the data set's test split; a model that samples draws n images, image i with seed
`seed + i` and, if it has classes (or reads captions), with the label (the caption) of test image i (going round). Features are the last hidden layer of
the data set's referee (models/referee.py), whose hash stands in the result. Reconstructions, bits/dim and the accuracy
of a referee are measured on the first n test images.

The work that goes image by image is cut into chunks that are kept on disk (shards.py): a run that was killed goes on,
and `torchrun --nproc-per-node 2 -m genmodels evaluate ...` shares the chunks among processes, with the same result.
"""

import copy
import datetime
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from genmodels import checkpoint, metrics, shards
from genmodels.bench import median_seconds
from genmodels.data import DATASETS, Images, load_dataset, to_float, to_uint8
from genmodels.device import hardware, process_state, set_threads, to_fast_layout
from genmodels.figures import METRICS_FORMAT, config_hash, critics, measured, named
from genmodels.models.base import Model
from genmodels.models.referee import Referee, RefereeConfig
from genmodels.operations import (
    anomaly_score,
    bits_per_dim,
    compresses,
    corrupt,
    device_of,
    reads_captions,
    reconstruct,
    sample,
)
from genmodels.places import absolute, data_label, without_paths
from genmodels.protocols import Classifies, Decodes, Encodes, HasLikelihood, Judges, Samples

DEFAULT_N, LARGEST_N = 10_000, 100_000
SIGMA = 0.5
IMPORTANCE_SAMPLES = 16  # where they are codes; half as many where they are as large as images, and take a network each
BATCH = 100
CALIBRATION_CODES = 2000
CALIBRATION_SAMPLES, CALIBRATION_SEED = 2000, 10**9  # seeds that a visitor hardly meets
COPY_CHECK = 2000  # samples whose nearest training image is looked for
UNLABELLED = 5000  # samples without a class, for the histogram of the classes that the referee sees in them
STUDENT_STEPS, STUDENT_BATCH = 1000, 64

Metric = dict[str, Any]
Report = Callable[[str, float, float], None]  # (part, share of it that is done, share of the whole)


class Part(NamedTuple):
    """A group of metrics: what a model must be able to do for it, what is computed image by image, what follows."""

    name: str
    abilities: tuple[type, ...]
    compute: Callable[["Evaluation"], None] | None
    measure: Callable[["Evaluation"], dict[str, Metric]]
    weight: float  # roughly its share of the time, for the estimate of what is left
    group: str = "metrics"  # where in metrics.json its figures stand: "metrics", or "references" for real images


def evaluate(
    source: str | os.PathLike,
    n: int = DEFAULT_N,
    *,
    seed: int = 0,
    referee: str | os.PathLike | None = None,
    inception: bool = False,
    only: Sequence[str] = (),
    importance_samples: int | None = None,
    data: str | None = None,
    progress: Report = lambda part, share, whole: None,
) -> dict[str, Any]:
    """Measure a checkpoint, write its metrics.json, and return what was written.

    n: how many samples are drawn, and at most how many test images are used. referee: a checkpoint; by default the
    bundled `referee-<data>`. inception: also the usual FID, whose network is downloaded. only: names of PARTS to measure
    again, where the others have been measured with the same n and seed (sampling times, say, on a quieter machine).
    importance_samples: draws per image that tighten a bound; by default `IMPORTANCE_SAMPLES`. data: what `load_dataset`
    takes; by default the data that the model was trained on.

    `progress` is told the part at hand, the share of it that is done, and that of the whole.

    The result: {"format", "data", "n", "seed", "hardware", "date", "version", "weights", "config", "referee",
    "references", "metrics": {name: {"value", "unit", "n", "seed", "protocol"}}, "failed": {part: why in one sentence}};
    what a critic says has its "critic", too. A part that
    can't be measured (the data can't be reached, n is too small, samples are NaN) is in "failed"; the others still run.
    Raises ValueError for n and seed out of range, and for a checkpoint, referee or part that isn't there.
    """
    if not 1 <= n <= LARGEST_N:
        raise ValueError(f"n must be between 1 and {LARGEST_N}, not {n}.")
    if not 0 <= seed < 2**31:
        raise ValueError(f"The seed must be between 0 and 2**31 - 1, not {seed}.")
    set_threads()
    evaluation = Evaluation(source, n, seed, referee, importance_samples, data)
    if data is not None:
        len(evaluation.test)  # what the caller names is refused before anything is measured
    wanted = [*PARTS, INCEPTION] if inception else PARTS
    parts = [part for part in wanted if all(isinstance(evaluation.model, ability) for ability in part.abilities)]
    former = evaluation.measured_before() if only else {}
    if unknown := set(only) - {part.name for part in parts}:
        raise ValueError(f"There is no part {min(unknown)!r}; this model has {', '.join(part.name for part in parts)}.")
    result = evaluation.run([part for part in parts if not only or part.name in only], former, progress)
    if evaluation.is_main:
        checkpoint.write_json(evaluation.folder, "metrics.json", result)
        shutil.rmtree(evaluation.work, ignore_errors=True)
    evaluation.wait()
    return checkpoint.read_json(evaluation.folder, "metrics.json")


class Evaluation:
    """One checkpoint under measurement: its data and referee, loaded when first used, and where chunks are kept."""

    def __init__(self, source, n: int, seed: int, referee, importance_samples: int | None, data=None) -> None:
        self.state = process_state()
        self.folder = checkpoint.find(source)
        self.model = checkpoint.load(self.folder)
        self.data = checkpoint.read_config(self.folder)["data"]
        self.given_data = data and absolute(data)
        if self.given_data:
            self.data["name"] = data_label(self.given_data)
        self.n, self.seed = n, seed
        usual = IMPORTANCE_SAMPLES if compresses(self.model) else IMPORTANCE_SAMPLES // 2
        self.importance_samples = usual if importance_samples is None else importance_samples
        self.given_referee = None if referee is None else checkpoint.find(referee)
        self.weights = checkpoint.weights_hash(self.folder)
        self.report_part: Callable[[float], None] = lambda share: None
        self.report = self.report_part
        self.outcomes: dict[str, str | None] = {}  # of the chunked work of this run: why it failed, None if it did not

    # -- the run --------------------------------------------------------------------------------------------------

    @property
    def is_main(self) -> bool:
        return self.state.is_main_process

    def wait(self) -> None:
        self.state.wait_for_everyone()

    def measured_before(self) -> dict[str, Any]:
        """The checkpoint's metrics.json, if its figures may stand beside those of this run; else ValueError."""
        former = measured(self.folder)
        if not former or any(former[key] != self._header()[key] for key in ("n", "seed", "referee", "version")):
            raise ValueError(
                f"{self.folder.name} has not been measured with n = {self.n}, seed {self.seed} and the same referee: "
                "measure everything first."
            )
        return former

    def run(self, parts: Sequence[Part], former: dict[str, Any], progress: Report) -> dict[str, Any]:
        """These parts, beside those in `former`: what goes image by image on all processes, what follows from it on the
        main one."""
        result = former or self._header() | {"metrics": {}, "references": {}, "failed": {}}
        total, done = sum(part.weight for part in parts), 0.0
        for part in parts:

            def report(share: float, part: Part = part, done: float = done) -> None:
                progress(part.name, share, (done + share * part.weight) / total)

            self.report_part = self.report = report
            report(0.0)
            result["failed"].pop(part.name, None)
            try:
                if part.compute is not None:
                    with torch.no_grad():
                        part.compute(self)
                if self.is_main:
                    result[part.group] |= self._kept(part)
            except ValueError as error:
                result["failed"][part.name] = without_paths(str(error))
            self.wait()
            report(1.0)
            done += part.weight
        return result

    def begin_step(self, i: int, count: int) -> None:
        """Progress is from now on that of step i, where a part has `count` of them."""
        self.report = _within(self.report_part, i, count)

    def _kept(self, part: Part) -> dict[str, Metric]:
        """The metrics of a part: from the interrupted run if it had come so far, references also from another model's."""
        folder = self.cache if part.group == "references" else self.work
        file = folder / f"{part.name.replace('/', ' ')}, seed {self.seed}.json"
        if file.is_file():
            return json.loads(file.read_text(encoding="utf-8"))
        values = part.measure(self)
        checkpoint.write_json(folder, file.name, values)
        return values

    def _header(self) -> dict[str, Any]:
        import genmodels

        return {
            "format": METRICS_FORMAT,
            "data": {"name": self.data["name"], "split": "test"},
            "n": self.n,
            "seed": self.seed,
            "hardware": hardware(device_of(self.model)),
            "date": datetime.date.today().isoformat(),
            "version": genmodels.__version__,
            "weights": self.weights,
            "config": config_hash(self.folder),
            "referee": self._referee_entry(),
        }

    def _referee_entry(self) -> dict[str, str] | None:
        try:
            return named(self.referee_folder)
        except ValueError:
            return None

    def metric(self, value: float, unit: str, protocol: str, n: int | None = None, **more: Any) -> Metric:
        """One entry of metrics.json, to six digits. ValueError if the value is not finite."""
        if not abs(value) < float("inf"):
            raise ValueError(f"The result is {value}, not a finite number ({protocol}).")
        rounded = value if isinstance(value, int) else float(f"{float(value):.6g}")
        return {"value": rounded, "unit": unit, "n": self.n if n is None else n, "seed": self.seed} | {
            "protocol": protocol,
            **more,
        }

    # -- what is measured with ------------------------------------------------------------------------------------

    @property
    def place(self) -> str:
        """What `load_dataset` reads the data from. ValueError if they are not here."""
        return self.given_data or checkpoint.trained_on(self.folder)

    @functools.cached_property
    def test(self) -> Images:
        images = load_dataset(self.place, "test", self.model.image_shape)
        if not len(images):
            raise ValueError(f"The test split of {self.data['name']!r} is empty.")
        return images

    @functools.cached_property
    def train(self) -> Images:
        return load_dataset(self.place, "train", self.model.image_shape)

    @functools.cached_property
    def captions(self) -> tuple[str, ...]:
        """Of the test images; () if the model doesn't read captions."""
        if not reads_captions(self.model):
            return ()
        return load_dataset(self.place, "test", self.model.image_shape, captions=True).captions

    @functools.cached_property
    def novel(self) -> tuple[str, ...]:
        """Captions of combinations that training never showed; () if the model doesn't read, or the data has none."""
        split = DATASETS[self.data["name"]].novel if self.captions and self.data["name"] in DATASETS else None
        if split is None:
            return ()
        return load_dataset(self.place, split, self.model.image_shape, captions=True).captions[: self.n]

    @property
    def told(self) -> bool:
        """Whether the model can be told what to draw: a class or a caption."""
        return bool(self.model.num_classes) or reads_captions(self.model)

    @property
    def tests(self) -> int:
        """How many test images are used."""
        return min(self.n, len(self.test))

    @functools.cached_property
    def referee_folder(self) -> Path:
        return self.given_referee or bundled_referee(self.data["name"])

    @functools.cached_property
    def referee(self) -> Model:
        model = checkpoint.load(self.referee_folder)
        if not isinstance(model, Classifies):
            raise ValueError(f"{self.referee_folder.name} is no referee: it can't classify.")
        if tuple(model.image_shape) != tuple(self.model.image_shape):
            raise ValueError(
                f"The referee sees images of shape {tuple(model.image_shape)}, the model makes {tuple(self.model.image_shape)}."
            )
        to_fast_layout(model)
        return model

    @functools.cached_property
    def critics(self) -> list[str]:
        """The bundled models of the same data that can judge pictures."""
        return critics(self.data["name"], self.model.image_shape)

    @functools.cached_property
    def critic(self) -> Model:
        return checkpoint.load(self.critics[0])

    # -- where chunks are kept ------------------------------------------------------------------------------------

    @functools.cached_property
    def work(self) -> Path:
        """Of this measurement: removed when it is done."""
        entry = self._referee_entry()
        try:
            images = self.test.content_hash()
        except ValueError:  # what needs no data is measured all the same
            images = "none"
        made = (self.weights, self.n, self.seed, self.importance_samples)
        return _cache_root() / _key("model", entry and entry["hash"], images, *made)

    @functools.cached_property
    def cache(self) -> Path:
        """Of the real images as the referee sees them: kept for the next model of the same data."""
        entry = self._referee_entry()
        images = (self.test.content_hash(), self.train.content_hash())
        return _cache_root() / _key("real", entry and entry["hash"], self.n, *images)

    def shard(self, name: str, n: int, rows: Callable[[range], shards.Rows], *, real: bool = False) -> None:
        """Compute and keep rows image by image, once in a run; what failed fails again, in the same words."""
        outer = self.report

        def begin_chunk(i: int, count: int) -> None:
            self.report = _within(outer, i, count)
            self.report(0.0)

        if name not in self.outcomes:
            try:
                shards.compute(self.cache if real else self.work, name, n, rows, begin_chunk)
                self.outcomes[name] = None
            except ValueError as error:
                self.outcomes[name] = str(error)
            self.report = outer
        if (reason := self.outcomes[name]) is not None:
            raise ValueError(reason)

    def rows(self, name: str, n: int, *, real: bool = False) -> shards.Rows:
        return shards.gather(self.cache if real else self.work, name, n)

    # -- images and their features --------------------------------------------------------------------------------

    def labels(self, indices: range) -> Tensor:
        """Of the samples: those of the test images, going round; -1 for a model without classes."""
        if not self.model.num_classes or self.test.labels.min() < 0:
            return torch.full((len(indices),), -1)
        return self.test.labels[torch.tensor(indices) % len(self.test)]

    def seen(self, pixels: Tensor) -> shards.Rows:
        """What the referee makes of uint8 images: features `(N, D)` and log-probabilities of each attribute."""
        device = device_of(self.referee)
        features = torch.cat([self.referee.features(to_float(p).to(device)).float() for p in pixels.split(BATCH)])
        answers = self.referee.classify(features)
        return {"features": features} | {f"answers {i}": answer for i, answer in enumerate(answers)}

    def draw(self, indices: range, labels: Tensor) -> Tensor:
        """Samples as uint8; ValueError if they are not numbers."""
        return self.drawn(indices, label=labels.tolist())

    def draw_as_told(self, indices: range) -> Tensor:
        """Samples of the classes, or the captions, of the test images."""
        if self.captions:
            return self.drawn(indices, captions=[self.captions[i % len(self.captions)] for i in indices])
        return self.draw(indices, self.labels(indices))

    def drawn(self, indices: range, **what: Sequence[Any]) -> Tensor:
        """Samples as uint8, told by a keyword of `sample` with one value per picture."""
        parts = []
        for start in range(0, len(indices), BATCH):
            self.report(start / len(indices))
            told = {key: values[start : start + BATCH] for key, values in what.items()}
            n = min(BATCH, len(indices) - start)
            parts.append(sample(self.model, n, self.seed + indices.start + start, batch_size=BATCH, **told))
        x = torch.cat(parts)
        if not x.isfinite().all():
            bad = indices[int((~x.isfinite().flatten(1).all(1)).nonzero()[0])]
            raise ValueError(f"The samples are not finite: image {bad} is the first with NaN or infinity.")
        return to_uint8(x).cpu()

    def features(self, name: str, n: int, *, real: bool = False) -> Tensor:
        return self.rows(name, n, real=real)["features"]


def _within(report: Callable[[float], None], i: int, count: int) -> Callable[[float], None]:
    """Where to report the share of step i that is done, of `count` steps that `report` hears of as a whole."""
    return lambda share: report((i + share) / count)


def evenly(n: int, size: int) -> Tensor:
    """n indices spread evenly over range(size), going round if there are fewer than n."""
    return torch.arange(n) % size if n >= size else torch.linspace(0, size - 1, n).round().long()


def bundled_referee(data: str) -> Path:
    """The referee of a data set. ValueError that says how to make one if there is none."""
    name = f"referee-{data}"
    if name not in checkpoint.bundled():
        raise ValueError(
            f"There is no referee for the data set {data!r}: train one with `python -m genmodels train referee "
            "--data … --out …` and name its checkpoint with --referee."
        )
    return checkpoint.find(name)


def _cache_root() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genmodels" / "evaluate"


def _key(kind: str, *values: Any) -> str:
    import genmodels

    text = json.dumps([METRICS_FORMAT, genmodels.__version__, *map(str, values)])
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


# -- size and speed ---------------------------------------------------------------------------------------------------


def measure_size(e: Evaluation) -> dict[str, Metric]:
    """Parameters, and what a download weighs."""
    weights = sum(f.stat().st_size for f in e.folder.rglob("*.safetensors") if f.name != checkpoint.CALIBRATION)
    return {
        "parameters": e.metric(sum(p.numel() for p in e.model.parameters()), "", "all weights", 1),
        "file_size": e.metric(weights / 1e6, "MB", "all files of weights", 1),
    }


def measure_speed(e: Evaluation) -> dict[str, Metric]:
    """Median time to sample 1 and 16 images, on the CPU and, if there is one, on the GPU."""
    found = {}
    for device in dict.fromkeys(["cpu", device_of(e.model).type]):
        model = copy.deepcopy(e.model).to(device)
        where = hardware(torch.device(device))
        for count in (1, 16):
            seconds = median_seconds(lambda count=count, model=model: sample(model, count, batch_size=count))
            protocol = f"median time of sample() for {count} image{'s' * (count > 1)} on {where}"
            found[f"sampling_ms_{count}_{device}"] = e.metric(1000 * seconds, "ms", protocol, count)
    return found


# -- reconstruction and likelihood ------------------------------------------------------------------------------------


def compute_reconstructions(e: Evaluation) -> None:
    if not compresses(e.model):
        e.shard("largest errors", e.tests, lambda indices: {"levels": _largest_errors(e, indices)})
        return

    def rows(indices: range) -> shards.Rows:
        errors = {"clean": [], "denoised": [], "noisy": [], "ssim": []}
        for part, x, labels in _test_batches(e, indices):
            noisy, again = corrupt(x, SIGMA, part), reconstruct(e.model, x, labels)
            denoised = reconstruct(e.model, noisy, labels)
            for key, made in (("clean", again), ("denoised", denoised), ("noisy", noisy)):
                errors[key].append(metrics.mean_squared_error(x, made))
            errors["ssim"].append(metrics.ssim(x, again))
        return {key: torch.cat(values) for key, values in errors.items()}

    e.shard("reconstruction", e.tests, rows)


def _largest_errors(e: Evaluation, indices: range) -> Tensor:
    """The largest difference of any pixel between decode(encode(x)) and x, in grey levels `(n,)`."""
    differences = [
        (to_uint8(reconstruct(e.model, x, labels)).int() - to_uint8(x).int()).abs().flatten(1).amax(1)
        for _, x, labels in _test_batches(e, indices)
    ]
    return torch.cat(differences)


def measure_reconstruction(e: Evaluation) -> dict[str, Metric]:
    """PSNR and SSIM of decode(encode(x)), PSNR of the same from a noisy x, and of the noisy x itself.

    Of a model whose codes are as large as images, only the largest error: it should lose nothing, and cleans nothing.
    """
    n = e.tests
    if not compresses(e.model):
        largest = int(e.rows("largest errors", n)["levels"].max())
        protocol = "largest difference of a pixel between decode(encode(x)) and x, of 256 grey levels, over all images"
        return {"largest_error": e.metric(largest, "", protocol, n)}
    errors = {key: float(values.double().mean()) for key, values in e.rows("reconstruction", n).items()}
    noise = f"Gaussian noise of sigma = {SIGMA} in [-1, 1] units, seed = index of the image"
    clean, denoised, noisy = (metrics.psnr(errors[key]) for key in ("clean", "denoised", "noisy"))
    over = "from the mean squared error over all images"
    return {
        "reconstruction_psnr": e.metric(clean, "dB", f"decode(encode(x)) against x, {over}", n),
        "reconstruction_ssim": e.metric(errors["ssim"], "", "decode(encode(x)) against x, mean over the images", n),
        "denoising_psnr": e.metric(denoised, "dB", f"decode(encode(x + noise)) against x, {over}; {noise}", n),
        "noisy_psnr": e.metric(noisy, "dB", f"x + noise against x; {noise}", n),
    }


def compute_likelihoods(e: Evaluation) -> None:
    bound = e.model.likelihood_is_bound

    def rows(indices: range) -> shards.Rows:
        torch.manual_seed(e.seed + indices.start)  # a bound draws from its q
        values = {"nats": [], "tight": []}
        for _, x, labels in _test_batches(e, indices, 20 if bound else BATCH):
            values["nats"].append(e.model.log_likelihood(x, labels))
            if bound:
                values["tight"].append(e.model.log_likelihood(x, labels, samples=e.importance_samples))
        return {key: torch.cat(tensors) for key, tensors in values.items() if tensors}

    e.shard("likelihood", e.tests, rows)


def measure_likelihood(e: Evaluation) -> dict[str, Metric]:
    """bits/dim of the 8-bit test images, with their labels: exact, or an upper bound and called so."""
    n = e.tests
    nats = e.rows("likelihood", n)
    bits = {k: float(metrics.bits_per_dim(v.double(), e.model.image_shape).mean()) for k, v in nats.items()}
    given = "class given" if e.model.num_classes else "no classes"
    if not e.model.likelihood_is_bound:
        return {"bits_per_dim": e.metric(bits["nats"], "bits/dim", f"exact, 8-bit images, {given}", n)}
    elbo = f"upper bound: ELBO, one draw per image, {given}"
    tight = f"upper bound: importance-weighted, {e.importance_samples} draws per image, {given}"
    return {
        "elbo_bits_per_dim": e.metric(bits["nats"], "bits/dim", elbo, n),
        "bits_per_dim_bound": e.metric(bits["tight"], "bits/dim", tight, n),
    }


def _test_batches(e: Evaluation, indices: range, size: int = BATCH) -> Iterator[tuple[range, Tensor, Tensor]]:
    """(indices, images, labels) of test images on the model's device."""
    device = device_of(e.model)
    for start in range(indices.start, indices.stop, size):
        part = range(start, min(start + size, indices.stop))
        e.report((start - indices.start) / len(indices))
        x, labels = e.test[part.start : part.stop]
        yield part, x.to(device), labels.to(device)


# -- a referee's own accuracy -----------------------------------------------------------------------------------------


def compute_answers(e: Evaluation) -> None:
    def rows(indices: range) -> shards.Rows:
        answers = [e.model.classify(e.model.features(x)) for _, x, _ in _test_batches(e, indices)]
        return {str(i): torch.cat(parts) for i, parts in enumerate(zip(*answers, strict=True))}

    e.shard("answers", e.tests, rows)


def measure_accuracy(e: Evaluation) -> dict[str, Metric]:
    """Share of right answers on real test images, for each attribute."""
    truth = load_dataset(e.place, "test", e.model.image_shape, attributes=True)
    n = e.tests
    answers = e.rows("answers", n)
    shares = metrics.accuracies([answers[str(i)] for i in range(len(answers))], truth.labels[:n])
    return {
        f"{name}_accuracy": e.metric(100 * share, "%", f"share of test images whose {name} is named rightly", n)
        for name, share in zip(truth.attributes, shares, strict=True)
    }


# -- the real images as the referee sees them -------------------------------------------------------------------------

BLURS = (0.5, 1.0)


def compute_real(e: Evaluation) -> None:
    """Features of test images, and of the sets of real images whose distances tell a reader what a distance means."""

    sets = {"test": lambda i: e.test.pixels[i.start : i.stop]} | reference_sets(e)
    for step, (name, pixels) in enumerate(sets.items()):

        def look(indices: range, pixels: Callable[[range], Tensor] = pixels) -> shards.Rows:
            return {"features": e.seen(pixels(indices))["features"]}

        e.begin_step(step, len(sets))
        e.shard(name, len(e.test) if name == "test" else e.n, look, real=True)


def reference_sets(e: Evaluation) -> dict[str, Callable[[range], Tensor]]:
    """Sets of n real training images: as they are, blurred, and with the first class missing; name -> uint8 of indices."""
    chosen = evenly(e.n, len(e.train))

    def training(i: range) -> Tensor:
        return e.train.pixels[chosen[i.start : i.stop]]

    def blurred(i: range, sigma: float) -> Tensor:
        return to_uint8(metrics.blur(to_float(training(i)), sigma))

    sets = {"training images": training}
    sets |= {f"blurred by {sigma:g} px": functools.partial(blurred, sigma=sigma) for sigma in BLURS}
    others = (e.train.labels > 0).nonzero().flatten()
    if not 0 < len(others) < len(e.train):
        return sets
    kept = others[evenly(e.n, len(others))]
    return sets | {"without the first class": lambda i: e.train.pixels[kept[i.start : i.stop]]}


def measure_reference_frechet(e: Evaluation) -> dict[str, Metric]:
    """The Fréchet distance of real training images: as they are (the floor), blurred, with the first class missing."""
    return _of_references(e, _frechet)


def measure_reference_kernel(e: Evaluation) -> dict[str, Metric]:
    """The kernel distance of the same sets."""
    return _of_references(e, _kernel)


def _of_references(e: Evaluation, distance: Callable[..., dict[str, Metric]]) -> dict[str, Metric]:
    test, found = e.features("test", len(e.test), real=True), {}
    for name in reference_sets(e):
        values = distance(e, test, e.features(name, e.n, real=True))
        found |= {f"{key} of {name}": value for key, value in values.items()}
    return found


def _frechet(e: Evaluation, real: Tensor, fake: Tensor) -> dict[str, Metric]:
    return {"frechet_distance": e.metric(metrics.frechet_distance(real, fake), "", _against(e, real, fake))}


def _kernel(e: Evaluation, real: Tensor, fake: Tensor) -> dict[str, Metric]:
    size = min(1000, len(real) // 2, len(fake) // 2)  # a subset that is nearly the whole set would hide the spread
    mean, spread = metrics.kernel_distance(real, fake, subset_size=size, seed=e.seed)
    protocol = f"mean over 100 random subsets of {size}, their spread beside it; {_against(e, real, fake)}"
    return {"kernel_distance": e.metric(mean, "", protocol, spread=float(f"{spread:.3g}"))}


def _against(e: Evaluation, real: Tensor, fake: Tensor) -> str:
    return f"{len(fake)} images against {len(real)} real test images, features of {e.referee_folder.name}"


# -- samples ----------------------------------------------------------------------------------------------------------


def draw_samples(e: Evaluation) -> None:
    """Pictures with the classes or captions of the test images."""
    e.shard("samples", e.n, lambda indices: {"pixels": e.draw_as_told(indices)})


def compute_samples(e: Evaluation) -> None:
    """Pictures, with the classes or captions of the test images and without; then what the referee makes of them."""
    e.begin_step(0, 4)
    draw_samples(e)
    sets = {"samples": e.n}
    if e.told:
        sets["unlabelled"] = unlabelled(e)
        e.begin_step(1, 4)
        e.shard("unlabelled", sets["unlabelled"], lambda i: {"pixels": e.draw(i, torch.full((len(i),), -1))})
    for step, (name, n) in enumerate(sets.items()):
        e.begin_step(2 + step, 4)
        pixels = e.rows(name, n)["pixels"]
        e.shard(f"seen {name}", n, lambda i, pixels=pixels: e.seen(pixels[i.start : i.stop]))


def compute_compared(e: Evaluation) -> None:
    """What the comparisons of samples with real images need."""
    compute_real(e)
    compute_samples(e)


def unlabelled(e: Evaluation) -> int:
    return min(e.n, UNLABELLED)


def _compared(e: Evaluation) -> tuple[Tensor, Tensor]:
    """Features of the real test images and of the samples."""
    return e.features("test", len(e.test), real=True), e.features("seen samples", e.n)


def measure_frechet(e: Evaluation) -> dict[str, Metric]:
    return _frechet(e, *_compared(e))


def measure_kernel(e: Evaluation) -> dict[str, Metric]:
    return _kernel(e, *_compared(e))


def measure_coverage(e: Evaluation) -> dict[str, Metric]:
    """Precision and recall, density and coverage."""
    real, fake = _compared(e)
    size = min(len(real), len(fake), DEFAULT_N)
    real, fake = real[:size], fake[:size]
    k = 5
    around = f"k-nearest-neighbour balls, k = {k}, {size} real and {size} generated images"
    precision, recall = metrics.precision_recall(real, fake, k)
    density, coverage = metrics.density_coverage(real, fake, k)
    shares = {"precision": precision, "recall": recall, "density": density, "coverage": coverage}
    return {key: e.metric(value, "", around, size) for key, value in shares.items()}


def measure_variety(e: Evaluation) -> dict[str, Metric]:
    """Whether all classes occur when none is asked for, and how far samples lie apart."""
    name, n = ("unlabelled", unlabelled(e)) if e.told else ("samples", e.n)
    answers = e.rows(f"seen {name}", n)["answers 0"]
    seen, classes = answers.argmax(1), answers.shape[1]
    share = metrics.class_histogram(seen, classes) * classes
    what = f"classes that the referee sees in {n} samples without a class"
    apart = metrics.pairwise_diversity(*_compared(e), seed=e.seed)
    return {
        "class_entropy": e.metric(
            metrics.class_histogram_entropy(seen, classes), "", f"{what}: entropy / its maximum", n
        ),
        "rarest_class": e.metric(float(share.min()), "", f"{what}: share of the rarest, 1 = as often as all others", n),
        "commonest_class": e.metric(
            float(share.max()), "", f"{what}: share of the commonest, 1 = as often as all others", n
        ),
        "feature_spread": e.metric(apart, "", "mean distance between two samples / the same of real test images"),
    }


def measure_class_accuracy(e: Evaluation) -> dict[str, Metric]:
    """Whether a sample shows the class that was asked for."""
    if not (e.model.num_classes and _classes_known(e)):
        return {}
    answers, labels = e.rows("seen samples", e.n)["answers 0"], e.labels(range(e.n))
    share = metrics.accuracies([answers], labels.unsqueeze(1))[0]
    return {
        "class_accuracy": e.metric(100 * share, "%", "share of samples in which the referee sees the class asked for")
    }


def measure_caption_accuracy(e: Evaluation) -> dict[str, Metric]:
    """Whether a sample shows what its caption says: the attributes of the test image whose caption it is."""
    if not e.captions:
        return {}
    truth = load_dataset(e.place, "test", e.model.image_shape, attributes=True)
    return {"caption_accuracy": _caption_accuracy(e, "seen samples", e.n, truth, "the caption says")}


def compute_novel(e: Evaluation) -> None:
    """Pictures of captions whose combinations training had never seen, and what the referee makes of them."""
    if not e.novel:
        return
    e.begin_step(0, 2)
    e.shard("novel", len(e.novel), lambda i: {"pixels": e.drawn(i, captions=e.novel[i.start : i.stop])})
    pixels = e.rows("novel", len(e.novel))["pixels"]
    e.begin_step(1, 2)
    e.shard("seen novel", len(e.novel), lambda i: e.seen(pixels[i.start : i.stop]))


def measure_novel(e: Evaluation) -> dict[str, Metric]:
    """The accuracy of captions where no training image had their combination of attributes: does the model compose?"""
    if not e.novel:
        return {}
    split = DATASETS[e.data["name"]].novel
    truth = load_dataset(e.place, split, e.model.image_shape, attributes=True)
    what = f"a caption of the split {split!r} says, whose combinations no training image has"
    return {"novel_caption_accuracy": _caption_accuracy(e, "seen novel", len(e.novel), truth, what)}


def _caption_accuracy(e: Evaluation, name: str, n: int, truth: Images, what: str) -> Metric:
    """The mean over the attributes; truth: the images whose captions the n samples were told, going round."""
    seen, labels = e.rows(name, n), truth.labels[torch.arange(n) % len(truth)]
    shares = metrics.accuracies([seen[f"answers {i}"] for i in range(len(truth.attributes))], labels)
    each = ", ".join(f"{key} {100 * share:.1f}" for key, share in zip(truth.attributes, shares, strict=True))
    protocol = f"share of attributes in which the referee sees what {what}; in detail: {each}"
    return e.metric(100 * sum(shares) / len(shares), "%", protocol, n)


def measure_copies(e: Evaluation) -> dict[str, Metric]:
    """Whether samples are copies of training images: distances to the nearest one, in pixels."""
    n = min(e.n, COPY_CHECK)
    made = e.rows("samples", e.n)["pixels"][:n]
    train, test, made = (to_float(pixels).flatten(1) for pixels in (e.train.pixels, e.test.pixels[:n], made))
    found = metrics.memorisation(train, test, made)
    protocol = f"nearest of {len(train)} training images in pixels, {n} samples and {len(test)} test images"
    near = f"nearer to a training image than 99 % of the test images are ({100 * found.test_share:.2g} % of these are)"
    return {
        "copies": e.metric(100 * found.share, "%", f"samples {near}: {protocol}", n),
        "exact_copies": e.metric(len(found.copies), "", f"samples that equal a training image: {protocol}", n),
        "nearest_training_ratio": e.metric(
            found.median_ratio, "", f"median distance of samples / the same of test images: {protocol}", n
        ),
    }


def measure_student(e: Evaluation) -> dict[str, Metric]:
    """Test accuracy of a small classifier that was trained on the samples."""
    if not (e.model.num_classes and _classes_known(e)):
        return {}
    share = student_accuracy(e.rows("samples", e.n)["pixels"], e.labels(range(e.n)), e.test, e.report)
    return {"trained_on_samples_accuracy": e.metric(100 * share, "%", f"trained on {e.n} samples; {STUDENT}")}


def measure_real_student(e: Evaluation) -> dict[str, Metric]:
    """The same, trained on as many real images: what the samples' accuracy is to be compared with."""
    if not _classes_known(e):
        return {}
    chosen = evenly(e.n, len(e.train))
    share = student_accuracy(e.train.pixels[chosen], e.train.labels[chosen], e.test, e.report)
    return {"trained_on_real_accuracy": e.metric(100 * share, "%", f"trained on {e.n} real images; {STUDENT}")}


STUDENT = f"a small classifier after {STUDENT_STEPS} steps of {STUDENT_BATCH} images, tested on all real test images"


def _classes_known(e: Evaluation) -> bool:
    """Whether the real images have classes."""
    return int(e.test.labels.min()) >= 0


def student_accuracy(pixels: Tensor, labels: Tensor, test: Images, report: Callable[[float], None]) -> float:
    """Train a small classifier on uint8 images; the share of the test images that it gets right.

    Ravuri & Vinyals 2019 (arXiv 1905.10887). On the CPU with one thread, so that the result is the same whatever the
    number of processes and cores.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            student = _trained_student(pixels, labels, test, report)
            right = [student.classify(student.features(x))[0].argmax(1) == y for x, y in test.batches(BATCH)]
            return float(torch.cat(right).double().mean())
    finally:
        torch.set_num_threads(threads)


def _trained_student(pixels: Tensor, labels: Tensor, test: Images, report: Callable[[float], None]) -> Model:
    classes = len(test.classes)
    config = RefereeConfig(test.shape, classes, attributes=(classes,), widths=(32, 64), blocks=1, feature_dim=64)
    student = Referee(config).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(student.parameters(), 3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=STUDENT_STEPS)
    for step in range(STUDENT_STEPS):
        report(step / STUDENT_STEPS)
        chosen = torch.randint(len(pixels), (STUDENT_BATCH,))
        optimizer.zero_grad()
        student(to_float(pixels[chosen]), labels[chosen])["loss"].backward()
        optimizer.step()
        schedule.step()
    return student.eval().requires_grad_(False)


# -- what a critic says -----------------------------------------------------------------------------------------------


def compute_judgements(e: Evaluation) -> None:
    """A critic's scores of the samples and of real test images, if a model of this data has a critic."""
    if not e.critics:
        return
    draw_samples(e)
    device = device_of(e.critic)

    def judged(pixels: Tensor, labels: Tensor) -> shards.Rows:
        parts = zip(pixels.split(BATCH), labels.split(BATCH), strict=True)
        return {"scores": torch.cat([e.critic.realism(to_float(x).to(device), y.to(device)) for x, y in parts])}

    made = e.rows("samples", e.n)["pixels"]
    e.begin_step(0, 2)
    e.shard("judged samples", e.n, lambda i: judged(made[i.start : i.stop], e.labels(i)))
    e.begin_step(1, 2)
    e.shard("judged test", e.tests, lambda i: judged(e.test.pixels[i.start : i.stop], e.labels(i)))


def measure_judgements(e: Evaluation) -> dict[str, Metric]:
    """How often that critic takes a sample for real."""
    if not e.critics:
        return {}
    critic = named(e.critics[0])
    share = metrics.fool_rate(e.rows("judged test", e.tests)["scores"], e.rows("judged samples", e.n)["scores"])
    protocol = (
        f"share of samples that the critic of {critic['name']} ({critic['hash']}) finds more real "
        "than the median test image; 50 % cannot be told from real ones"
    )
    return {"critic_share": e.metric(100 * share, "%", protocol, critic=critic)}


PARTS = [
    Part("size", (), None, measure_size, 1),
    Part("sampling time", (Samples,), None, measure_speed, 3),
    Part("reconstruction", (Encodes, Decodes), compute_reconstructions, measure_reconstruction, 10),
    Part("bits/dim", (HasLikelihood,), compute_likelihoods, measure_likelihood, 60),
    Part("accuracy", (Classifies,), compute_answers, measure_accuracy, 8),
    Part("reference Fréchet distance", (Samples,), compute_real, measure_reference_frechet, 28, "references"),
    Part("reference kernel distance", (Samples,), compute_real, measure_reference_kernel, 5, "references"),
    Part("reference student", (Samples,), None, measure_real_student, 45, "references"),
    Part("Fréchet distance", (Samples,), compute_compared, measure_frechet, 35),
    Part("kernel distance", (Samples,), compute_compared, measure_kernel, 2),
    Part("precision and coverage", (Samples,), compute_compared, measure_coverage, 5),
    Part("variety", (Samples,), compute_compared, measure_variety, 2),
    Part("class accuracy", (Samples,), compute_samples, measure_class_accuracy, 1),
    Part("caption accuracy", (Samples,), compute_samples, measure_caption_accuracy, 1),
    Part("new combinations", (Samples,), compute_novel, measure_novel, 8),
    Part("copies", (Samples,), draw_samples, measure_copies, 15),
    Part("student", (Samples,), draw_samples, measure_student, 45),
    Part("critic", (Samples,), compute_judgements, measure_judgements, 10),
]


# -- Inception features, if they can be had ----------------------------------------------------------------------------


def measure_inception(e: Evaluation) -> dict[str, Metric]:
    """FID in the features of the ImageNet Inception network, against the real test images."""
    real, made = e.test.pixels, e.rows("samples", e.n)["pixels"]
    value = metrics.inception_distance(real, made, device_of(e.model), e.report)
    return {
        "inception_fid": e.metric(value, "", f"{e.n} samples against {len(real)} real test images, upscaled to 299x299")
    }


INCEPTION = Part("Inception FID", (Samples,), draw_samples, measure_inception, 1000)


# -- what the app compares a visitor's picture with -------------------------------------------------------------------


@torch.no_grad()
def calibrate(model: Model, test: Images) -> dict[str, Tensor]:
    """What the app shows of the test split, so that it needs no data; {} for models without these abilities.

    A code that is smaller than the image: scores, the anomaly scores of all test images `(N,)`, sorted; codes of the
    first 2,000 `(2000, D)`; labels of those. Any other HasLikelihood: bits_per_dim_test of all test images `(N,)`, sorted
    and without naming the class, as `operations.bits_per_dim` finds them. Judges: realism_test, the critic's scores of
    all test images `(N,)`, and, if it samples, realism_samples, those of 2,000 samples of every class in turn, both
    sorted and without naming the class.
    """
    found: dict[str, Tensor] = {}
    if compresses(model):
        found |= _calibrate_codes(model, test)
    elif isinstance(model, HasLikelihood):
        device = device_of(model)
        bits = [bits_per_dim(model, x.to(device), seed=i).cpu() for i, (x, _) in enumerate(test.batches(BATCH))]
        found["bits_per_dim_test"] = torch.cat(bits).sort().values
    if isinstance(model, Judges):
        found["realism_test"] = _realism(model, test)
        if isinstance(model, Samples):
            made = to_uint8(sample(model, CALIBRATION_SAMPLES, CALIBRATION_SEED, batch_size=BATCH)).cpu()
            found["realism_samples"] = _realism(model, Images(test.name, made, test.labels, test.classes))
    return found


def _calibrate_codes(model: Model, test: Images) -> dict[str, Tensor]:
    device = device_of(model)
    scores = torch.cat([anomaly_score(model, x.to(device), y.to(device)).cpu() for x, y in test.batches(BATCH)])
    few = Images(test.name, test.pixels[:CALIBRATION_CODES], test.labels[:CALIBRATION_CODES], test.classes)
    codes = torch.cat([model.encode(x.to(device), y.to(device)).cpu() for x, y in few.batches(BATCH)])
    return {"scores": scores.sort().values, "codes": codes.flatten(1).half(), "labels": few.labels.to(torch.int16)}


def _realism(model: Model, images: Images) -> Tensor:
    device = device_of(model)
    return torch.cat([model.realism(x.to(device)).float().cpu() for x, _ in images.batches(BATCH)]).sort().values
