"""Measure a checkpoint: run the parts that its abilities allow, and write its metrics.json."""

import os
import shutil
from collections.abc import Sequence
from typing import Any

from genmodels import checkpoint
from genmodels.device import set_threads
from genmodels.evaluation.measurement import DEFAULT_N, LARGEST_N, Evaluation, Report
from genmodels.evaluation.parts import INCEPTION, PARTS


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

    >>> import genmodels
    >>> folder = genmodels.save(genmodels.load("ae-mnist"), "models/mine")
    >>> genmodels.evaluate(folder, n=100)["metrics"]["parameters"]["value"]
    407492
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
