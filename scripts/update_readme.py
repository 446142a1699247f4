"""Write the tables of models into the README, and the bundled models' cards, from the checkpoints' own files.

python scripts/update_readme.py [--check]      --check: exit 1 and name what is out of date, change nothing
"""

import sys
from pathlib import Path

from genmodels import checkpoint
from genmodels.card import model_card, models_tables

README = Path(__file__).resolve().parent.parent / "README.md"
START, END = "<!-- models -->", "<!-- /models -->"


def updated(text: str) -> str:
    """The README's text with the tables between the two marks made anew."""
    before, rest = text.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n{models_tables()}\n{END}{after}"


def main() -> int:
    texts = {README: updated(README.read_text(encoding="utf-8"))}
    texts |= {folder / "README.md": model_card(folder) for folder in checkpoint.bundled().values()}
    outdated = {file: text for file, text in texts.items() if file.read_text(encoding="utf-8") != text}
    for file, text in outdated.items():
        print(file)
        if "--check" not in sys.argv:
            file.write_text(text, encoding="utf-8")
    return int("--check" in sys.argv and bool(outdated))


if __name__ == "__main__":
    sys.exit(main())
