"""Training: one loop for all families, and what completes a finished run's checkpoint."""

from genmodels.training.completion import finish, preview
from genmodels.training.loop import train

__all__ = ["finish", "preview", "train"]
