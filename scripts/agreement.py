"""How well pictures of the same seed agree where rounding differs: on 1 and 2 threads, and as an older processor computes.

    PYTHONPATH=. python scripts/agreement.py                       # the models of digits, some minutes
    PYTHONPATH=. python scripts/agreement.py pixelcnn-heroes --seeds 20

Prints a Markdown table: the share of the seeds whose picture is the same, level by level, on 1 thread as on 2; and of those
that are so, and within 2 of the 256 levels, if the libraries may use no instructions that a processor of 2008 lacks.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from genmodels import checkpoint, operations
from genmodels.data import to_uint8
from genmodels.protocols import Samples

TOGETHER = 16  # pictures of one call, as the app's sheets have them
#: What tells PyTorch, oneDNN and MKL to do without newer instructions.
OLDER = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"}
WAYS: dict[str, dict[str, str]] = {
    "two": {"OMP_NUM_THREADS": "2"},
    "one": {"OMP_NUM_THREADS": "1"},
    "older": {"OMP_NUM_THREADS": "2", **OLDER},
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    digits = [name for name in checkpoint.bundled() if checkpoint.read_config(name)["data"]["name"] == "mnist"]
    options.add_argument("models", nargs="*", default=digits)
    options.add_argument("--seeds", type=int, default=100)
    options.add_argument("--out", type=Path, help=argparse.SUPPRESS)  # of the processes that this one starts
    chosen = options.parse_args()
    if chosen.out:
        return np.savez(chosen.out, *(draw(name, chosen.seeds) for name in chosen.models))
    models = [name for name in chosen.models if isinstance(checkpoint.load(name, device="cpu"), Samples)]
    with tempfile.TemporaryDirectory() as folder:
        found = {way: computed(models, chosen.seeds, Path(folder, f"{way}.npz"), more) for way, more in WAYS.items()}
    print(f"| {chosen.seeds} seeds | same on 1 and 2 threads | same as an older processor | within 2 levels | most |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in models:
        threads, older = (apart(found["two"][name], found[way][name]) for way in ("one", "older"))
        shares = [f"{100 * np.mean(far <= levels):.0f} %" for far, levels in ((threads, 0), (older, 0), (older, 2))]
        print(f"| `{name}` | {' | '.join(shares)} | {older.max()} |")


def computed(models: list[str], seeds: int, file: Path, more: dict[str, str]) -> dict[str, np.ndarray]:
    """The pictures by model, of a process with these variables: the libraries read them when they are loaded."""
    command = [sys.executable, __file__, *models, "--seeds", str(seeds), "--out", str(file)]
    subprocess.run(command, check=True, env=os.environ | more)
    with np.load(file) as drawn:
        return {name: drawn[f"arr_{i}"] for i, name in enumerate(models)}


def draw(name: str, seeds: int) -> np.ndarray:
    """uint8 `(N, C, H, W)`, of the seeds 0 to N - 1."""
    model = checkpoint.load(name, device="cpu")
    sheets = [operations.sample(model, min(TOGETHER, seeds - i), i) for i in range(0, seeds, TOGETHER)]
    return np.concatenate([to_uint8(sheet).numpy() for sheet in sheets])


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """By how many levels two pictures of a seed differ at most."""
    return np.abs(a.astype(int) - b.astype(int)).reshape(len(a), -1).max(axis=1)


if __name__ == "__main__":
    main()
