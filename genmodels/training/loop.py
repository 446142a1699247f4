"""The training loop: one for all families, on accelerate, written as a generator of metric rows.

    for row in train(model, images, recipe, folder="runs/vae-mnist"):
        print(row["step"], row["loss"], row["images_per_s"])

A run's folder holds `checkpoint/` (EMA weights: what `load` opens), `samples.png`, `metrics.jsonl` and
`state-<step>/`, the accelerate state from which a run that was stopped, killed or unplugged goes on. `data.json` notes
where a folder of pictures is on this computer: the checkpoint, which may be given away, doesn't.

Everything random is a function of (seed, step, process): the order of the data of (seed, epoch), the noise inside the
objective of (seed, step). So a resumed run repeats what an uninterrupted one would have done.
"""

import dataclasses
import functools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from genmodels import checkpoint
from genmodels.data import Images, tile, to_uint8
from genmodels.device import fastest_precision, hardware, process_state, set_threads, to_fast_layout
from genmodels.files import save_error, take_place, write_files, write_json
from genmodels.models.base import Model, TrainConfig, TrainingDiverged
from genmodels.places import absolute
from genmodels.registry import family_of
from genmodels.training.completion import preview
from genmodels.training.optimization import AveragedWeights, learning_rate, optimizer_of, set_frozen
from genmodels.training.record import Row, read_rows, row_is_due, versions
from genmodels.training.states import State, check_same, identity, newest_whole, seal, states


def train(
    model: Model,
    data: Images,
    recipe: TrainConfig | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    minutes: float | None = None,
    cpu_minutes: float | None = None,
    resume: bool = False,
    precision: str = "auto",
    log_every: int = 50,
    save_minutes: float = 2.0,
    save_steps: int | None = None,
    tensorboard: bool = False,
    stop: Callable[[], bool] = lambda: False,
    start: str | None = None,
) -> Iterator[Row]:
    """Train `model` in place; afterwards it holds the EMA weights. Yields a row of means every `log_every` steps,
    and before the first of these after 1, 2, 5, 10, 20, … steps, so that a slow machine soon shows life.

    recipe: by default the family's own. minutes: train for so long instead of `recipe.steps` steps, with the
    learning-rate schedule stretched to fit. cpu_minutes: the same, counted as the CPU time that this process spends in
    steps: neither what else the machine does, nor saving, nor what the caller does between rows takes from it.
    resume: go on from the last state in `folder`, or start if there is none.
    precision: "auto" (timed), "no" (float32) or "bf16". save_minutes / save_steps: how often state, samples and
    checkpoint are written to `folder` (at a row's end). stop: asked after every step; True saves and returns.

    start: the checkpoint that the model's weights are from, if any; training.json will name it, and how it was trained.

    TensorBoard files, if asked for, go to `folder/tensorboard`.

    A row: step, epoch, progress (share of the run done), seconds, images_per_s, learning_rate, and every term of the
    objective (prefixed "player/" if there are several players), averaged over the row's steps and all processes.
    Raises TrainingDiverged at a loss that is not finite (the last good state is kept); ValueError for data that don't fit
    the model, for both kinds of minutes, and for a folder that holds another run (or this one, without `resume`): nothing
    is overwritten.

    >>> import genmodels
    >>> from genmodels.models.base import TrainConfig
    >>> from genmodels.real_images import real_images
    >>> family = genmodels.get_family("autoencoder")
    >>> model = family(family.Config())
    >>> for row in genmodels.train(model, real_images("mnist"), TrainConfig(steps=2, batch_size=4), precision="no"):
    ...     print(row["step"], row["progress"])
    1 0.5
    2 1.0
    """
    process_state()  # before anything else asks accelerate: only so do processes on CPUs find each other
    folder = Path(folder) if folder is not None else None
    if minutes and cpu_minutes:
        raise ValueError("A run is as long as minutes or as cpu_minutes say, not both.")
    _check_fit(model, data)
    former = _former(model, data, folder, resume)
    if former and precision == "auto":
        precision = former.run["precision"]
    run = _Run(model, data, recipe or model.recipe, folder, minutes, cpu_minutes, precision, tensorboard, start)
    run.restore(former)
    return run.rows(log_every, save_minutes, save_steps, stop)


class _Run:
    """The state of one training run. Not a Trainer to subclass: it only exists so that a run can be saved."""

    def __init__(
        self,
        model: Model,
        data: Images,
        recipe: TrainConfig,
        folder: Path | None,
        minutes: float | None,
        cpu_minutes: float | None,
        precision: str,
        tensorboard: bool,
        start: str | None,
    ) -> None:
        from accelerate import Accelerator, DistributedDataParallelKwargs
        from accelerate.state import AcceleratorState

        set_threads()
        self.model, self.data, self.folder = model, data, folder
        self.minutes, self.cpu_minutes = minutes, cpu_minutes
        # what training.json keeps of earlier training, read now: the run may be meant to replace that checkpoint
        self.start = {"start": start, "before": _told(start)} if start else {}
        self.recipe = dataclasses.replace(recipe, batch_size=min(recipe.batch_size, len(data)))
        if precision == "auto":
            precision = _agreed_precision(model, data, self.recipe)
        self.precision = precision
        playing = [p for parameters in model.players().values() for p in parameters]
        some_rest = len(model.players()) > 1 or len(playing) < len(list(model.parameters()))
        if tensorboard and find_spec("tensorboard") is None:
            raise ValueError("TensorBoard is not installed: pip install tensorboard.")
        if tensorboard and folder is None:
            raise ValueError("TensorBoard needs a folder to write to.")
        AcceleratorState._reset_state()  # else a second run in this process could not have another precision
        self.accelerator = Accelerator(
            mixed_precision=precision,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=some_rest)],
            log_with="tensorboard" if tensorboard else None,
            project_dir=str(folder) if folder else None,
        )
        processes = self.accelerator.num_processes
        if self.recipe.batch_size % processes:
            raise ValueError(
                f"The batch size {self.recipe.batch_size} must be a multiple of the {processes} processes."
            )
        if tensorboard:
            self.accelerator.init_trackers("tensorboard")
        model.train().requires_grad_(True).to(self.accelerator.device)
        to_fast_layout(model)
        self.ema = AveragedWeights(model, self.recipe.ema_decay)
        self.net = self.accelerator.prepare(model)
        self.ema.module.load_state_dict(model.state_dict())  # DDP has just given every process rank 0's weights
        self.optimizers = {
            player: self.accelerator.prepare(optimizer_of(model, parameters, self.recipe))
            for player, parameters in model.players().items()
        }
        self.step, self.seconds, self.cpu_seconds = 0, 0.0, 0.0
        self.accelerator.register_for_checkpointing(self.ema)

    # -- the loop -----------------------------------------------------------------------------------------------

    def rows(
        self, log_every: int, save_minutes: float, save_steps: int | None, stop: Callable[[], bool]
    ) -> Iterator[Row]:
        started = time.perf_counter() - self.seconds
        last_save, saved_step = self.seconds, self.step
        window = _Window(self.accelerator.device)
        window_start = self.seconds
        progress, stopped = self._agree(stop)
        try:
            while progress < 1 and not stopped:
                began = time.process_time()
                window.add(self._train_step(progress), self.step)
                self.cpu_seconds += time.process_time() - began
                self.step += 1
                self.seconds = time.perf_counter() - started
                progress, stopped = self._agree(stop)
                if not (row_is_due(self.step, log_every) or progress == 1 or stopped):
                    continue
                self._refuse_divergence(window)
                row = self._row(window, progress, self.seconds - window_start)
                window, window_start = _Window(self.accelerator.device), self.seconds
                self._log(row)
                due = self.seconds - last_save >= 60 * save_minutes or (save_steps and self.step % save_steps == 0)
                if self._any(bool(due)) and progress < 1:
                    self.save(progress)
                    last_save, saved_step = self.seconds, self.step
                yield row
        except TrainingDiverged:
            saved_step = self.step  # the last good state stays as it is
            raise
        finally:
            if saved_step != self.step and not window.count:  # between two rows every process is at the same step
                self.save(progress)
        if self.accelerator.log_with:
            self.accelerator.end_training()
        self.finish()

    def _train_step(self, progress: float) -> dict[str, Tensor]:
        """One optimizer step for each player; the terms of the objective."""
        rank = self.accelerator.process_index
        x, labels = self._batch()
        torch.manual_seed(hash_seed(self.recipe.seed, self.step, rank))
        self.model.progress = progress
        rate = learning_rate(self.recipe, progress)
        terms: dict[str, Tensor] = {}
        for player, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = rate
            others = [p for name, ps in self.model.players().items() if name != player for p in ps]
            set_frozen(others, True)
            optimizer.zero_grad()
            try:
                losses = self.net(x, labels, player=player)
            except TrainingDiverged as error:
                raise type(error)(
                    self._with_what_is_left(f"{str(error).removesuffix('.')} at step {self.step}")
                ) from error
            self.accelerator.backward(losses["loss"])
            if self.recipe.max_grad_norm:
                self.accelerator.clip_grad_norm_(self.model.players()[player], self.recipe.max_grad_norm)
            optimizer.step()
            set_frozen(others, False)
            prefix = f"{player}/" if len(self.optimizers) > 1 else ""
            terms |= {prefix + key: value.detach() for key, value in losses.items()}
        self.ema.update_parameters(self.model)
        return terms

    def _batch(self) -> tuple[Tensor, Tensor]:
        """This process's share of the step's batch: a fresh permutation every epoch, the odd rest left out."""
        size, per_epoch = self.recipe.batch_size, len(self.data) // self.recipe.batch_size
        epoch, position = divmod(self.step, per_epoch)
        if getattr(self, "_epoch", None) != epoch:
            order = torch.Generator().manual_seed(hash_seed(self.recipe.seed, epoch))
            self._epoch, self._order = epoch, torch.randperm(len(self.data), generator=order)
        indices = self._order[position * size : (position + 1) * size]
        x, labels = self.data[indices[self.accelerator.process_index :: self.accelerator.num_processes]]
        return x.to(self.accelerator.device), labels.to(self.accelerator.device)

    def _agree(self, stop: Callable[[], bool]) -> tuple[float, bool]:
        """(share of the run done, whether to stop now), the same on every process: rank 0 has the clock."""
        state = torch.tensor([min(self._progress(), 1.0), float(stop())], dtype=torch.float64)
        if self.accelerator.num_processes > 1:
            from accelerate.utils import broadcast

            state = broadcast(state.to(self.accelerator.device))
        return float(state[0]), bool(state[1])

    def _progress(self) -> float:
        if self.cpu_minutes:
            return self.cpu_seconds / (60 * self.cpu_minutes)
        return self.seconds / (60 * self.minutes) if self.minutes else self.step / self.recipe.steps

    def _any(self, condition: bool) -> bool:
        flag = torch.tensor(float(condition), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, "sum") > 0)

    def _refuse_divergence(self, window: "_Window") -> None:
        bad = int(self.accelerator.gather(window.first_bad).max())
        sound = bool(torch.stack([p.isfinite().all() for p in self.model.parameters()]).all())
        if bad < 0 and sound:
            return
        what = (
            f"The loss is not finite at step {bad}" if bad >= 0 else f"The weights are not finite at step {self.step}"
        )
        raise TrainingDiverged(self._with_what_is_left(what))

    def _with_what_is_left(self, what: str) -> str:
        """One sentence that says what is wrong, and which state of the run is kept."""
        saved = states(self.folder)
        kept = f"the last good state is {saved[-1]}" if saved else "no state had been saved yet"
        return f"{what}; {kept}."

    def _row(self, window: "_Window", progress: float, seconds: float) -> Row:
        means = {key: float(self.accelerator.reduce(value, "mean")) for key, value in window.means().items()}
        size = self.recipe.batch_size
        return {
            "step": self.step,
            "epoch": round(self.step * size / len(self.data), 3),
            "progress": round(progress, 6),
            "seconds": round(self.seconds, 2),
            "images_per_s": round(window.count * size / max(seconds, 1e-9), 1),
            "learning_rate": self.optimizers[next(iter(self.optimizers))].param_groups[0]["lr"],
        } | means

    def _log(self, row: Row) -> None:
        if self.accelerator.log_with:
            self.accelerator.log(row, step=self.step)
        if self.folder and self.accelerator.is_main_process:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    # -- saving and going on ------------------------------------------------------------------------------------

    def save(self, progress: float) -> None:
        """State, checkpoint and samples, into the run's folder; a kill at any moment leaves a whole state."""
        if self.folder is None:
            return
        aside, final = self.folder / f".state-{self.step:08d}", self.folder / f"state-{self.step:08d}"
        former = states(self.folder)
        self.accelerator.wait_for_everyone()
        try:
            self.accelerator.save_state(str(aside))
            self.accelerator.wait_for_everyone()
            if self.accelerator.is_main_process:
                time_spent = {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds}
                seal(aside, {"step": self.step, **time_spent, "precision": self.precision} | self._identity)
                take_place(aside, final)
                self._save_checkpoint(self.folder, progress)
                picture = preview(self.ema.module.eval(), self.data)
                if picture is not None:
                    tile(to_uint8(picture)).save(self.folder / "samples.png")
                for old in former:
                    shutil.rmtree(old, ignore_errors=True)
        except (OSError, RuntimeError, SafetensorError) as error:  # torch.save and safetensors have errors of their own
            shutil.rmtree(aside, ignore_errors=True)
            raise save_error(self.folder, error, "The last good state is kept.") from error
        self.accelerator.wait_for_everyone()

    @functools.cached_property
    def _identity(self) -> dict[str, Any]:
        return identity(self.model, self.data)

    def _save_checkpoint(self, folder: Path, progress: float) -> None:
        place = absolute(self.data.name)
        data: dict[str, Any] = {"name": place, "shape": list(self.data.shape), "classes": list(self.data.classes)}
        if self.data.attributes:
            data["attributes"] = {name: list(values) for name, values in self.data.attributes.items()}
        checkpoint.save(self.ema.module, folder / "checkpoint", data=data, training=self._account(progress))
        if os.path.isabs(place):
            write_json(folder, checkpoint.DATA_PLACE, {"place": place})

    def _account(self, progress: float) -> dict[str, Any]:
        """training.json: how these weights came to be."""
        rows = read_rows(self.folder)
        seconds = max(self.seconds, 1e-9)
        return {
            "recipe": dataclasses.asdict(self.recipe),
            **self.start,
            "minutes": self.minutes,
            "cpu_minutes": self.cpu_minutes,
            "steps": self.step,
            "epochs": round(self.step * self.recipe.batch_size / len(self.data), 2),
            "progress": round(progress, 4),
            "seconds": round(self.seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1),
            "images_per_s": round(self.step * self.recipe.batch_size / seconds, 1),
            "precision": self.precision,
            "processes": self.accelerator.num_processes,
            "hardware": hardware(self.accelerator.device),
            "versions": versions(),
            "final": {k: v for k, v in rows[-1].items() if k not in ("images_per_s", "seconds")} if rows else {},
        }

    def restore(self, former: State | None) -> None:
        """Go on from a whole state, if there is one, and clear away newer ones: they are half written or damaged."""
        if former:
            self.accelerator.load_state(str(former.folder))
            self.step, self.seconds = former.run["step"], former.run["seconds"]
            self.cpu_seconds = former.run.get("cpu_seconds", 0.0)  # of older versions' states nobody knows it
        self.accelerator.wait_for_everyone()
        if not (self.folder and self.accelerator.is_main_process):
            return
        damaged = [state for state in states(self.folder) if former and state > former.folder]
        for state in [*self.folder.glob(".state-*"), *damaged]:
            shutil.rmtree(state, ignore_errors=True)
        if former:  # rows written after that state will be written again
            kept = [row for row in read_rows(self.folder) if row["step"] <= self.step]
            text = "".join(json.dumps(row) + "\n" for row in kept)
            write_files(self.folder, {"metrics.jsonl": lambda path: path.write_text(text)})

    def finish(self) -> None:
        """Leave the EMA weights in the model that the caller holds, and accelerate's precision wrapper off it."""
        self.accelerator.unwrap_model(self.net, keep_fp32_wrapper=False)
        self.model.load_state_dict(self.ema.module.state_dict())
        self.model.eval()
        self.model.progress = 1.0


class _Window:
    """Running means of the objective's terms, kept on the device so that the loop never waits for it."""

    def __init__(self, device: torch.device) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0
        self.first_bad = torch.tensor([-1], device=device)

    def add(self, terms: dict[str, Tensor], step: int) -> None:
        self.count += 1
        finite = torch.ones((), dtype=torch.bool, device=self.first_bad.device)
        for key, value in terms.items():
            value = value.double() if value.device.type != "mps" else value.float()
            self.sums[key] = self.sums[key] + value if key in self.sums else value
            finite = finite & torch.isfinite(value)
        self.first_bad = torch.where((self.first_bad < 0) & ~finite, step, self.first_bad)

    def means(self) -> dict[str, Tensor]:
        return {key: total / self.count for key, total in self.sums.items()}


def hash_seed(*numbers: int) -> int:
    """A seed that differs for every tuple of small numbers (a polynomial modulo a Mersenne prime)."""
    seed = 17
    for number in numbers:
        seed = (seed * 1_000_003 + number + 1) % (2**61 - 1)
    return seed


def _told(start: str | Path) -> dict[str, Any]:
    """The training.json of what a run begins with, and the config that it had then; {} if it tells nothing."""
    training = checkpoint.read_json(start, "training.json")
    return training | {"config": checkpoint.read_config(start)["config"]} if training else {}


def _check_fit(model: Model, data: Images) -> None:
    if not len(data):
        raise ValueError(f"The data set {data.name!r} is empty.")
    if data.shape != tuple(model.image_shape):
        raise ValueError(f"The model makes images of shape {model.image_shape}, the data set has {data.shape}.")
    if data.captions and data.labels.ndim != 2:
        raise ValueError("Turn the captions into labels first: data.labels = model.tokenize(data.captions).")
    if data.attributes:
        _check_attributes(model, data)
    elif model.num_classes and data.labels.max() >= model.num_classes:
        raise ValueError(
            f"The data set has label {int(data.labels.max())}, the model only {model.num_classes} classes."
        )


def _check_attributes(model: Model, data: Images) -> None:
    if not model.labels_are_attributes:
        raise ValueError(
            f"A {family_of(model)} learns from classes; the data set {data.name!r} was loaded with attributes."
        )
    counts = {name: len(values) for name, values in data.attributes.items()}
    known = tuple(model.config.to_json()["attributes"])
    if tuple(counts.values()) != known:
        raise ValueError(f"The model tells attributes of {known} values apart, the data set has {counts}.")


def _former(model: Model, data: Images, folder: Path | None, resume: bool) -> State | None:
    """The state to go on from. Refuses to overwrite a run, and to go on with another one than was begun."""
    if (found := states(folder)) and not resume:
        step = int(found[-1].name.removeprefix("state-"))
        raise ValueError(
            f"{folder} holds a run at step {step}: go on with --resume (resume=True), or choose another folder."
        )
    former = newest_whole(folder)
    if former:
        check_same(model, data, former)
    return former


def _agreed_precision(model: Model, data: Images, recipe: TrainConfig) -> str:
    """The faster precision, timed on this process's share of a batch; with several processes, rank 0's finding."""
    from accelerate.utils import broadcast_object_list

    state = process_state()
    x, labels = data[: max(1, recipe.batch_size // state.num_processes)]
    with torch.random.fork_rng():
        choice = [fastest_precision(model, x.to(state.device), labels.to(state.device))]
    return broadcast_object_list(choice)[0]
