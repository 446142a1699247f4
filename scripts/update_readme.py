"""Write the tables of models into the README, from the checkpoints' own files.

python scripts/update_readme.py [--check]      --check: exit 1 if the README is out of date, change nothing
"""

import sys
from pathlib import Path

from genmodels.card import models_tables

README = Path(__file__).resolve().parent.parent / "README.md"
START, END = "<!-- models -->", "<!-- /models -->"


def updated(text: str) -> str:
    """The README's text with the tables between the two marks made anew."""
    before, rest = text.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n{models_tables()}\n{END}{after}"


def main() -> int:
    text = README.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        return int(updated(text) != text)
    README.write_text(updated(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
