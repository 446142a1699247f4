"""genmodels: try, compare and train the families of generative image models.

import genmodels
model = genmodels.load("vae-mnist")
images = genmodels.sample(model, n=16, seed=0)        # (16, 1, 28, 28) in [-1, 1]
"""

import os

# Threads that wait for each other by spinning take the cores from whatever else runs: beside two busy processes that made
# 16 samples of PixelCNN 20 times slower. Read when torch loads its OpenMP library, so it stands before every other import.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from genmodels.checkpoint import bundled, load, save
from genmodels.data import DATASETS, load_dataset
from genmodels.evaluation import evaluate
from genmodels.operations import anomaly_score, corrupt, interpolate, reconstruct, sample
from genmodels.protocols import abilities
from genmodels.publish import push
from genmodels.registry import FAMILIES, get_family
from genmodels.training import train
from genmodels.version import __version__

__all__ = [
    "DATASETS", "FAMILIES", "__version__", "abilities", "anomaly_score", "bundled", "corrupt", "evaluate", "get_family",
    "interpolate", "load", "load_dataset", "push", "reconstruct", "sample", "save", "train",
]  # fmt: skip
