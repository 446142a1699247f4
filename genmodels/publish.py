"""To the Hugging Face Hub: what of a checkpoint is uploaded, and what must not be in it; and this app, as a Space."""

import json
import re
from pathlib import Path
from typing import Any

from genmodels import checkpoint
from genmodels.card import model_card
from genmodels.checkpoint import Checkpoint, Source
from genmodels.data import reason
from genmodels.places import PATH

CARD = "README.md"
TEXTS = (".json", ".md", ".py")
CHECKOUT = Path(__file__).parent.parent
#: What the app needs to run as a Space, and no more of what may lie in a checkout.
SPACE = ("README.md", "LICENSE", "app.py", "docs", "genmodels", "checkpoints")
#: The platform installs these itself, by the README's `sdk_version`.
PLATFORM = ("gradio", "huggingface_hub", "spaces")
ZERO_GPU = "zero-a10g"  # what the Hub calls the hardware
ZERO_GPU_TORCH = "torch>=2.8,<2.12"  # which that hardware takes
FREE_SPACES = "A free account may have two Gradio Spaces on ZeroGPU (--zero-gpu); any other Gradio Space needs PRO."


def push(folder: Source, repo: str, *, private: bool = False) -> str:
    """Upload a checkpoint to the Hub as `user/repo`; returns its address. Needs a token with write access.

    Raises ValueError if it can't be uploaded, or if a text in it has a path of this computer (see `to_upload`).

    >>> import genmodels
    >>> genmodels.push("runs/mine/checkpoint", "user/mine")  # doctest: +SKIP
    'https://huggingface.co/user/mine'
    """
    files = to_upload(folder, repo)
    try:
        return _upload(repo, files, "Upload a genmodels checkpoint", private=private)
    except _failures() as error:
        raise ValueError(f"{folder} could not be pushed to {repo!r}: {reason(error)}") from error


def push_space(repo: str, *, zero_gpu: bool = False, private: bool = False, checkout: Path = CHECKOUT) -> str:
    """Upload this checkout to the Hub as the Space `user/name`, which then builds and starts; returns its address.

    zero_gpu: on that hardware, which a free account may have twice; without it, the Hub asks for PRO. Needs a token with
    write access. Raises ValueError if it can't be uploaded, or if there is no checkout but an installed package.
    """
    files = space_files(checkout, zero_gpu=zero_gpu)
    hardware = {"space_hardware": ZERO_GPU} if zero_gpu else {}
    try:
        return _upload(
            repo, files, "Upload genmodels", private=private, repo_type="space", space_sdk="gradio", **hardware
        )
    except _failures() as error:
        raise ValueError(
            f"The Space {repo!r} could not be pushed: {reason(error).rstrip('.')}. {FREE_SPACES}"
        ) from error


def push_site(folder: str | Path, repo: str, *, private: bool = False) -> str:
    """Upload a page without a server, as `export-site` makes it, as the static Space `user/name`; returns its address.

    Static Spaces are free for all, and never sleep. Needs a token with write access. Raises ValueError if it can't be uploaded.
    """
    files = site_files(Path(folder))
    try:
        return _upload(repo, files, "Upload genmodels", private=private, repo_type="space", space_sdk="static")
    except _failures() as error:
        raise ValueError(f"The Space {repo!r} could not be pushed: {reason(error)}") from error


def site_files(folder: Path) -> dict[str, bytes | Path]:
    """The files of a page without a server: path in the Space -> the file that has it."""
    if not (folder / "site.json.gz").is_file():
        raise ValueError(f"{folder} holds no page without a server: make one with python -m genmodels export-site.")
    found = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    names = {file.relative_to(folder).as_posix(): file for file in found}
    return {name: file for name, file in names.items() if not any(part.startswith(".") for part in name.split("/"))}


def space_files(checkout: Path = CHECKOUT, *, zero_gpu: bool = False) -> dict[str, bytes | Path]:
    """The files of a Space: path in it -> content, or the file that has it."""
    if not (checkout / "app.py").is_file():
        raise ValueError("A Space is made of a checkout of genmodels, and this is an installed package.")
    tops = [checkout / name for name in SPACE]
    below = [file for top in tops for file in ([top] if top.is_file() else sorted(top.rglob("*"))) if file.is_file()]
    found: dict[str, bytes | Path] = {
        file.relative_to(checkout).as_posix(): file for file in below if "__pycache__" not in file.parts
    }
    requirements = (checkout / "requirements.txt").read_text(encoding="utf-8")
    return found | {"requirements.txt": space_requirements(requirements, zero_gpu=zero_gpu).encode()}


def space_requirements(requirements: str, *, zero_gpu: bool = False) -> str:
    """requirements.txt by the platform's rules: without what it installs itself, with a torch that the hardware takes."""
    lines = []
    for line in requirements.splitlines():
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        if name not in PLATFORM:
            lines.append(ZERO_GPU_TORCH if zero_gpu and name == "torch" else line)
    return "\n".join(lines) + "\n"


def _upload(repo: str, files: dict[str, Any], message: str, **options: Any) -> str:
    """One commit with all the files in a repo that is made if there is none; its address."""
    import huggingface_hub

    operations = [huggingface_hub.CommitOperationAdd(name, content) for name, content in files.items()]
    made = huggingface_hub.create_repo(repo, exist_ok=True, **options)
    huggingface_hub.create_commit(repo, operations, commit_message=message, repo_type=options.get("repo_type"))
    return str(made)


def _failures() -> tuple[type[Exception], ...]:
    """What the Hub's library may raise."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    return HfHubHTTPError, HTTPError, OSError, ValueError


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
