"""Measure a checkpoint: run the parts that its abilities allow, and write its metrics.json."""

import shutil
from collections.abc import Sequence

from genmodels import checkpoint
from genmodels.device import process_state, set_threads
from genmodels.evaluation.measurement import DEFAULT_N, LARGEST_N, Evaluation, Part, Progress, Source
from genmodels.evaluation.parts import INCEPTION, PARTS
from genmodels.evaluation.report import Report, read_report
from genmodels.files import write_json
from genmodels.protocols import abilities_of
from genmodels.registry import get_family


def parts_of(source: Source) -> list[str]:
    """Slugs of the PARTS that a checkpoint can be measured by, in order.

    >>> from genmodels.evaluation import parts_of
    >>> parts_of("ae-mnist")
    ['size', 'reconstruction']
    """
    return [part.slug for part in _fitting(PARTS, get_family(checkpoint.read_config(source)["family"]))]


def _fitting(parts: Sequence[Part], family: type) -> list[Part]:
    """Those whose abilities the models of a family have."""
    can = {*abilities_of(family)}
    return [part for part in parts if {*part.abilities} <= can]


def evaluate(
    source: Source,
    n: int = DEFAULT_N,
    *,
    seed: int = 0,
    referee: Source | None = None,
    inception: bool = False,
    only: Sequence[str] = (),
    importance_samples: int | None = None,
    data: str | None = None,
    out: Source | None = None,
    progress: Progress = lambda part, share, whole: None,
) -> Report:
    """Measure a checkpoint, write its metrics.json, and return what was written.

    n: how many samples are drawn, and at most how many test images are used. referee: a checkpoint; by default the
    bundled `referee-<data>`. inception: also the usual FID, whose network is downloaded. only: slugs of PARTS to measure
    again, where the others have been measured with the same n and seed (sampling times, say, on a quieter machine).
    importance_samples: draws per image that tighten a bound; by default `IMPORTANCE_SAMPLES`. data: what `load_dataset`
    takes; by default the data that the model was trained on. out: a folder for a copy of the checkpoint, in which its
    metrics.json is written then: a model of the Hub needs one.

    `progress` is told the part at hand, the share of it that is done, and that of the whole.

    The result is a `Report` (report.py); what its keys mean stands in keys.py. A part that can't be measured (the data
    can't be reached, n is too small, samples are NaN) is in "failed"; the others still run.
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
    with process_state().main_process_first():
        folder = checkpoint.writable(source, out)
    evaluation = Evaluation(folder, n, seed, referee, importance_samples, data)
    if data is not None:
        len(evaluation.test)  # what the caller names is refused before anything is measured
    wanted = [*PARTS, INCEPTION] if inception else PARTS
    parts = _fitting(wanted, type(evaluation.model))
    former: Report = evaluation.measured_before() if only else {}
    if unknown := set(only) - {part.slug for part in parts}:
        raise ValueError(f"There is no part {min(unknown)!r}; this model has {', '.join(part.slug for part in parts)}.")
    result = evaluation.run([part for part in parts if not only or part.slug in only], former, progress)
    if evaluation.is_main:
        write_json(evaluation.folder, "metrics.json", result)
        shutil.rmtree(evaluation.work, ignore_errors=True)
    evaluation.wait()
    return read_report(evaluation.folder)
