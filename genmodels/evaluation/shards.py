"""Work on many images in chunks that are kept on disk: what was computed before a kill is not computed again, and
several processes share the work without talking to each other.

A chunk's result depends on its place alone (never on the process or on what ran before), so one process, many
processes and a resumed run end with the same numbers.
"""

from collections.abc import Callable
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from genmodels.device import process_state
from genmodels.files import write_files

CHUNK = 500
Rows = dict[str, Tensor]
Progress = Callable[[int, int], None]  # (chunks that are done, chunks in all), of this process


def compute(
    folder: Path, name: str, n: int, rows: Callable[[range], Rows], progress: Progress = lambda done, count: None
) -> None:
    """Compute `rows(range(start, stop))` for all chunks of range(n) and keep them as `folder/name-*.safetensors`.

    rows: tensors with one row per index. Of P processes each takes every P-th chunk; all return when all
    are done. A ValueError of `rows` ends the work of its process, and the first one in the order of the chunks is then
    raised on every process, whoever met it. Whole chunks are kept even then.
    """
    from accelerate.utils import gather_object

    state = process_state()
    folder.mkdir(parents=True, exist_ok=True)
    mine = _chunks(n)[state.process_index :: state.num_processes]
    failures: list[tuple[int, str]] = []
    for i, chunk in enumerate(mine):
        progress(i, len(mine))
        try:
            _keep(_file(folder, name, chunk), chunk, rows)
        except ValueError as error:
            failures.append((chunk.start, str(error)))
            break
    if failures := gather_object(failures):  # also waits for the other processes
        raise ValueError(min(failures)[1])


def gather(folder: Path, name: str, n: int) -> Rows:
    """All rows that `compute` kept, in order."""
    parts = [safetensors.torch.load_file(_file(folder, name, chunk)) for chunk in _chunks(n)]
    return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}


def _chunks(n: int) -> list[range]:
    return [range(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK)]


def _keep(file: Path, chunk: range, rows: Callable[[range], Rows]) -> None:
    """Compute a chunk and write it: a kill leaves a whole file or none. Done if it is there."""
    if _read(file) is None:
        tensors = {key: value.contiguous().cpu() for key, value in rows(chunk).items()}
        write_files(file.parent, {file.name: lambda path: safetensors.torch.save_file(tensors, path)})


def _file(folder: Path, name: str, chunk: range) -> Path:
    return folder / f"{name}-{chunk.start:06d}-{chunk.stop:06d}.safetensors"


def _read(file: Path) -> Rows | None:
    """The tensors of a file; None if there is none or it is broken."""
    try:
        return safetensors.torch.load_file(file)
    except (OSError, SafetensorError):
        return None
