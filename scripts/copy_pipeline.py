"""Copy the diffusers pipeline into the bundled checkpoints that have one: diffusers wants its code beside the weights.

python scripts/copy_pipeline.py
"""

import shutil

from genmodels.checkpoint import bundled
from genmodels.models import pipeline

NAME = "pipeline.py"


def main() -> None:
    for folder in bundled().values():
        if (folder / NAME).is_file():
            shutil.copyfile(pipeline.__file__, folder / NAME)
            print(folder / NAME)


if __name__ == "__main__":
    main()
