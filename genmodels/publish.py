"""To the Hugging Face Hub: what of a checkpoint is uploaded, and what must not be in it."""

import json
from pathlib import Path
from typing import Any

from genmodels import checkpoint
from genmodels.card import model_card
from genmodels.checkpoint import Checkpoint, Source
from genmodels.data import reason
from genmodels.places import PATH

CARD = "README.md"
TEXTS = (".json", ".md", ".py")


def push(folder: Source, repo: str, *, private: bool = False) -> str:
    """Upload a checkpoint to the Hub as `user/repo`; returns its address. Needs a token with write access.

    Raises ValueError if it can't be uploaded, or if a text in it has a path of this computer (see `to_upload`).

    >>> import genmodels
    >>> genmodels.push("runs/mine/checkpoint", "user/mine")  # doctest: +SKIP
    'https://huggingface.co/user/mine'
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    files = to_upload(folder, repo)
    operations = [huggingface_hub.CommitOperationAdd(name, content) for name, content in files.items()]
    try:
        huggingface_hub.create_repo(repo, private=private, exist_ok=True)
        huggingface_hub.create_commit(repo, operations, commit_message="Upload a genmodels checkpoint")
    except (HfHubHTTPError, HTTPError, OSError, ValueError) as error:
        raise ValueError(f"{folder} could not be pushed to {repo!r}: {reason(error)}") from error
    return f"{huggingface_hub.constants.ENDPOINT}/{repo}"


def to_upload(source: Source, repo: str) -> dict[str, bytes]:
    """The files of a checkpoint as they are uploaded: name -> content; no other file in the folder is.

    The card names the repo, unless its owner has rewritten it. Raises ValueError if a text has an absolute path in it,
    naming file and line.

    >>> sorted(to_upload("ae-mnist", "user/mine"))[:4]
    ['README.md', 'calibration.safetensors', 'config.json', 'metrics.json']
    """
    folder = checkpoint.find(source)
    found = Checkpoint(folder)
    files = {name: (folder / name).read_bytes() for name in found.files()}
    if files.get(CARD) == model_card(folder).encode():
        files[CARD] = model_card(folder, repo).encode()
    for name, content in files.items():
        if name.endswith(TEXTS):
            _refuse_paths(folder / name, content, _classes(found.config["data"]))
    return files


def _refuse_paths(file: Path, content: bytes, classes: set[str]) -> None:
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        if (found := PATH.search(line)) and line.strip(" ,") not in classes:
            raise ValueError(
                f"{file}, line {number}, has a path of this computer in it ({found[0]}): take it out before it is published."
            )


def _classes(data: dict[str, Any]) -> set[str]:
    """The names of classes as they stand in config.json: data sets of the Hub have some that look like paths ("/m/01g317")."""
    names = [*data.get("classes", []), *(value for values in data.get("attributes", {}).values() for value in values)]
    return {json.dumps(name, ensure_ascii=False) for name in names}
