"""Measure a checkpoint: which metrics apply follows from its abilities, and nothing here knows the families.

Protocol. Real images are those of the data set's test split; a model that samples draws n images, image i with seed
`seed + i` and, if it has classes (or reads captions), with the label (the caption) of test image i (going round). Features are the last hidden layer of
the data set's referee (models/referee.py), whose hash stands in the result. Reconstructions, bits/dim and the accuracy
of a referee are measured on the first n test images.

The work that goes image by image is cut into chunks that are kept on disk (shards.py): a run that was killed goes on,
and `torchrun --nproc-per-node 2 -m genmodels evaluate ...` shares the chunks among processes, with the same result.
"""

import datetime
import functools
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor

from genmodels import checkpoint
from genmodels.data import DATASETS, Images, load_dataset, to_float, to_uint8
from genmodels.device import hardware, process_state, to_fast_layout
from genmodels.evaluation import shards
from genmodels.evaluation.keys import KEYS
from genmodels.evaluation.report import METRICS_FORMAT, Figures, Judge, Report, config_hash, critics, measured, named
from genmodels.files import write_json
from genmodels.operations import compresses, device_of, reads_captions, require, sample
from genmodels.places import absolute, data_label, without_paths
from genmodels.protocols import Classifies, Judges
from genmodels.version import __version__

DEFAULT_N, LARGEST_N = 10_000, 100_000
IMPORTANCE_SAMPLES = 16  # where they are codes; half as many where they are as large as images, and take a network each
BATCH = 100

Source = str | os.PathLike[str]  # of a checkpoint

Progress = Callable[[str, float, float], None]  # (slug of a part, share of it that is done, share of the whole)


class Part(NamedTuple):
    """A group of metrics: what a model must be able to do for it, what is computed image by image, what follows."""

    slug: str
    abilities: tuple[type, ...]
    compute: Callable[["Evaluation"], None] | None
    measure: Callable[["Evaluation"], Figures] | Callable[["Evaluation"], dict[str, Figures]]
    weight: float  # roughly its share of the time, for the estimate of what is left
    #: Where in metrics.json its figures stand; those that aren't of the model as a whole come by what they are of.
    group: Literal["metrics", "references", "attributes"] = "metrics"


class Evaluation:
    """One checkpoint under measurement: its data and referee, loaded when first used, and where chunks are kept."""

    def __init__(
        self,
        source: Source,
        n: int,
        seed: int,
        referee: Source | None = None,
        importance_samples: int | None = None,
        data: str | None = None,
    ) -> None:
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
        self.report: Callable[[float], None] = self.report_part
        #: Of the chunked work of this run, by its name and how many images it is: why it failed, None if it did not.
        self.outcomes: dict[tuple[str, int], str | None] = {}

    # -- the run --------------------------------------------------------------------------------------------------

    @property
    def is_main(self) -> bool:
        return self.state.is_main_process

    def wait(self) -> None:
        self.state.wait_for_everyone()

    def measured_before(self) -> Report:
        """The checkpoint's metrics.json, if its figures may stand beside those of this run; else ValueError."""
        former, now = measured(self.folder), self._header()
        if not former or any(former.get(key) != now.get(key) for key in ("n", "seed", "referee", "version")):
            raise ValueError(
                f"{self.folder.name} has not been measured with n = {self.n}, seed {self.seed} and the same referee: "
                "measure everything first."
            )
        return former

    def run(self, parts: Sequence[Part], former: Report, progress: Progress) -> Report:
        """These parts, beside those in `former`: what goes image by image on all processes, what follows from it on the
        main one."""
        result = former or self._header()
        total, done = sum(part.weight for part in parts), 0.0
        for part in parts:

            def report(share: float, part: Part = part, done: float = done) -> None:
                progress(part.slug, share, (done + share * part.weight) / total)

            self.report_part = self.report = report
            report(0.0)
            result["failed"].pop(part.slug, None)
            try:
                if part.compute is not None:
                    with torch.no_grad():
                        part.compute(self)
                if self.is_main:
                    self._add(result, part)
            except ValueError as error:
                result["failed"][part.slug] = without_paths(str(error))
            self.wait()
            report(1.0)
            done += part.weight
        return result

    def begin_step(self, i: int, count: int) -> None:
        """Progress is from now on that of step i, where a part has `count` of them."""
        self.report = _within(self.report_part, i, count)

    def _add(self, result: Report, part: Part) -> None:
        """Put the figures of a part into its group."""
        values = self._kept(part)
        if part.group == "metrics":
            result["metrics"] |= values
            return
        for name, figures in values.items():
            result[part.group].setdefault(name, {}).update(figures)

    def _kept(self, part: Part) -> dict[str, Any]:
        """What a part measures: from the interrupted run if it had come so far, references also from another model's."""
        folder = self.cache if part.group == "references" else self.work
        file = folder / f"{part.slug}-seed{self.seed}.json"
        if file.is_file():
            return cast(dict[str, Any], json.loads(file.read_text(encoding="utf-8")))
        values = part.measure(self)
        write_json(folder, file.name, values)
        return values

    def _header(self) -> Report:
        """What a metrics.json says before anything is measured."""
        return {
            "format": METRICS_FORMAT,
            "data": {"name": self.data["name"], "split": "test"},
            "n": self.n,
            "seed": self.seed,
            "hardware": hardware(device_of(self.model)),
            "date": datetime.date.today().isoformat(),
            "version": __version__,
            "weights": self.weights,
            "config": config_hash(self.folder),
            "referee": self._referee_entry(),
            "metrics": {},
            "references": {},
            "attributes": {},
            "failed": {},
        }

    def _referee_entry(self) -> Judge | None:
        try:
            return named(self.referee_folder)
        except ValueError:
            return None

    def figures(self, values: Mapping[str, float], protocol: str, n: int | None = None) -> Figures:
        """Entries of metrics.json that came to be in the same way: key -> value, kept to six digits.

        ValueError if one is not finite.
        """
        for value in values.values():
            if not abs(value) < float("inf"):
                raise ValueError(f"The result is {value}, not a finite number ({protocol}).")
        n = self.n if n is None else n
        return {
            key: {"value": _rounded(value), "unit": KEYS[key].unit, "n": n, "seed": self.seed, "protocol": protocol}
            for key, value in values.items()
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

    @property
    def novel_split(self) -> str | None:
        """The split of combinations that training never showed; None if the model doesn't read, or the data has none."""
        known = DATASETS.get(self.data["name"])
        return known.novel if known and self.captions else None

    @functools.cached_property
    def novel(self) -> tuple[str, ...]:
        """The captions of that split; () if there is none."""
        if self.novel_split is None:
            return ()
        return load_dataset(self.place, self.novel_split, self.model.image_shape, captions=True).captions[: self.n]

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
    def referee(self) -> Classifies:
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
    def critic(self) -> Judges:
        return require(checkpoint.load(self.critics[0]), Judges)

    # -- where chunks are kept ------------------------------------------------------------------------------------

    @functools.cached_property
    def work(self) -> Path:
        """Of this measurement: removed when it is done."""
        entry = self._referee_entry()
        try:
            images = self.test.content_hash()
        except ValueError:  # what needs no data is measured all the same
            images = "none"
        made = (self.weights, config_hash(self.folder), self.n, self.seed, self.importance_samples)
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

        if (name, n) not in self.outcomes:
            try:
                shards.compute(self.cache if real else self.work, name, n, rows, begin_chunk)
                self.outcomes[name, n] = None
            except ValueError as error:
                self.outcomes[name, n] = str(error)
            self.report = outer
        if (reason := self.outcomes[name, n]) is not None:
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


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else float(f"{float(value):.6g}")


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
    text = json.dumps([METRICS_FORMAT, __version__, *map(str, values)])
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
