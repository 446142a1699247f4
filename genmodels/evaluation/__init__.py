"""Measuring checkpoints: which metrics apply follows from a model's abilities, and nothing here knows the families."""

from genmodels.evaluation.calibration import calibrate
from genmodels.evaluation.report import measured
from genmodels.evaluation.run import evaluate, parts_of

__all__ = ["calibrate", "evaluate", "measured", "parts_of"]
