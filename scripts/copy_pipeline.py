"""Copy the diffusers pipeline into the bundled checkpoints that have one: diffusers wants its code beside the weights.

python scripts/copy_pipeline.py
"""

import shutil
from pathlib import Path

from genmodels.checkpoint import bundled
from genmodels.models import base

NAME = "pipeline.py"


def main() -> None:
    ours = Path(base.__file__).with_name(NAME)
    for folder in bundled().values():
        if (folder / NAME).is_file():
            shutil.copyfile(ours, folder / NAME)
            print(folder / NAME)


if __name__ == "__main__":
    main()
