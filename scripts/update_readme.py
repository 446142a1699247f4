"""Write the tables of models and what experiments found into the README, and the bundled models' cards, from the checkpoints' own files.

python scripts/update_readme.py [--check]      --check: exit 1 and name what is out of date, change nothing
"""

import sys
from pathlib import Path

from genmodels import checkpoint
from genmodels.card import experiments_text, model_card, models_tables

README = Path(__file__).resolve().parent.parent / "README.md"
#: Between <!-- name --> and <!-- /name -->.
BLOCKS = {"models": models_tables, "experiments": experiments_text}


def updated(text: str) -> str:
    """The README's text with what stands between two marks made anew."""
    for name, made in BLOCKS.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, rest = text.split(start)
        _, after = rest.split(end)
        text = f"{before}{start}\n{made()}\n{end}{after}"
    return text


def main() -> int:
    texts = {README: updated(README.read_text(encoding="utf-8"))}
    texts |= {folder / "README.md": model_card(folder) for folder in checkpoint.packaged().values()}
    outdated = {file: text for file, text in texts.items() if file.read_text(encoding="utf-8") != text}
    for file, text in outdated.items():
        print(file)
        if "--check" not in sys.argv:
            file.write_text(text, encoding="utf-8")
    return int("--check" in sys.argv and bool(outdated))


if __name__ == "__main__":
    sys.exit(main())
