"""Checkpoints of ours on the Hub: which a visitor may name, and how one joins the models of this app."""

import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from genmodels import checkpoint
from genmodels.checkpoint import CONFIG, Checkpoint
from genmodels.data import reason
from genmodels.wrappers import hub_repos

MAX_BYTES = 200 * 10**6  # of the files of one; the largest bundled one has 11 MB
MAX_CONFIG = 10**6
MAX_JOINED = 16  # the one that came first goes
HUB = "GENMODELS_HUB"
_one = threading.Lock()
_order: OrderedDict[str, None] = OrderedDict()


def offered() -> dict[str, Any] | None:
    """What the page may propose: {free: whether any repo may be named, repos}; None if there is nothing to choose."""
    allowed = hub_repos.allowed_ids()
    suggested = {suggestion.repo for suggestion in hub_repos.SUGGESTIONS}
    repos = [repo for repo in allowed or () if repo not in suggested]
    return {"free": allowed is None, "repos": repos} if allowed is None or repos else None


def join(repo: Any) -> str:
    """Let a checkpoint of the Hub be a model of this app, called "user/repo", until it ends; its name.

    Raises ValueError in one sentence: no id or not allowed here (see `hub_repos.check_id`), no such repo, no checkpoint of
    ours, too large, weights that are no safetensors, or don't fit its config.
    """
    name = hub_repos.check_id(repo)
    with _one:
        if name not in checkpoint.JOINED:
            _check_size(name)
            _take(name, name)
            _order[name] = None
            if len(_order) > MAX_JOINED:
                checkpoint.JOINED.pop(_order.popitem(last=False)[0])
    return name


def pull() -> None:
    """Those checkpoints of the user or organisation GENMODELS_HUB that are missing here join under their own names."""
    owner = os.environ.get(HUB, "").strip()
    if not owner:
        return
    import huggingface_hub

    try:
        repos = [model.id for model in huggingface_hub.HfApi().list_models(author=owner, filter="genmodels")]
    except hub_repos.failures() as error:
        raise ValueError(f"{HUB} is {owner!r}, whose models can't be listed: {reason(error)}") from error
    for repo in repos:
        name = repo.rpartition("/")[2]
        if checkpoint.bundled_folder(name) is None:
            _check_size(repo)
            _take(repo, name)


def _check_size(repo: str) -> None:
    """From the list of files, before one is downloaded; what was downloaded before needs no network."""
    import huggingface_hub

    try:
        sizes = hub_repos.list_files(repo)
    except hub_repos.failures() as error:
        raise ValueError(hub_repos.refusal(repo, error)) from error
    if sizes is None:
        if not isinstance(huggingface_hub.try_to_load_from_cache(repo, CONFIG), str):
            raise ValueError(f"The Hub can't be reached, and {repo!r} is not on this computer.")
        return
    if not 0 < sizes.get(CONFIG, 0) <= MAX_CONFIG:
        raise ValueError(f"The Hub repo {repo!r} is not a genmodels checkpoint: it has no {CONFIG} of ours.")
    size = sum(bytes for name, bytes in sizes.items() if name.endswith((".safetensors", ".json", ".webp", ".png")))
    if size > MAX_BYTES:
        raise ValueError(f"The Hub repo {repo!r} has {size / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} MB are loaded.")


def _take(repo: str, name: str) -> None:
    folder = Path(checkpoint.find(repo))
    family = Checkpoint(folder).config["family"]
    checkpoint.load(folder, device="cpu")  # strict keys, and shapes that its config asks for
    if family == "referee":
        raise ValueError(f"The Hub repo {repo!r} holds a referee, which makes no pictures.")
    checkpoint.JOINED[name] = folder
