"""Text-to-image repositories of the Hub: which are allowed, what is in them, and fetching exactly the files that are used.

Everything is judged by the list of files and by `model_index.json` before a weight is downloaded. Weights come as
safetensors only, code from the Hub never runs. A repo that was fetched before works without a network.
"""

import functools
import inspect
import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from genmodels.data import reason


class Suggestion(NamedTuple):
    """A repo that the app offers, with the settings that its authors give."""

    repo: str
    note: str
    num_inference_steps: int
    guidance_scale: float
    side: int


#: Those that cost the least time come first.
SUGGESTIONS = (
    Suggestion("stabilityai/sd-turbo", "small, one step", 1, 0.0, 512),
    Suggestion("SimianLuo/LCM_Dreamshaper_v7", "small, four steps", 4, 8.0, 512),
    Suggestion("stabilityai/sdxl-turbo", "larger, one step", 1, 0.0, 512),
    Suggestion("stable-diffusion-v1-5/stable-diffusion-v1-5", "the classic", 25, 7.5, 512),
    Suggestion("stabilityai/stable-diffusion-xl-base-1.0", "for a GPU", 30, 5.0, 1024),
    Suggestion("Tongyi-MAI/Z-Image-Turbo", "a transformer, for a large GPU", 8, 0.0, 1024),
)
INDEX = "model_index.json"
WEIGHTS = re.compile(
    r"(?P<stem>diffusion_pytorch_model|model)(\.(?P<variant>\w+))?(-(?P<part>\d+)-of-(?P<parts>\d+))?\.safetensors"
)
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
#: What else a component may need: settings, vocabularies.
SETTINGS = (".json", ".txt", ".model")
MAX_SETTINGS = 50 * 2**20  # bytes of one such file; the largest vocabularies have 35 MB
TIMEOUT = 10  # seconds until the Hub counts as out of reach
LIBRARIES = ("diffusers", "transformers")
#: Arguments that a pipeline must take to be run here.
NEEDED = ("prompt", "width", "height", "num_inference_steps", "generator")
BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1}


class Contents(NamedTuple):
    """What a repo holds that the app would use."""

    repo: str
    commit: str
    kind: str  # the class of the pipeline
    files: dict[str, int]  # path -> bytes: all that will be fetched, and nothing else
    variant: str | None  # "fp16" where there are such weights: half the download, and the same picture to the eye
    weights: dict[str, int]  # component -> how many weights it has

    @property
    def denoiser(self) -> str | None:
        """The component that does the work: "unet", "transformer" or, of a pipeline unlike these, None."""
        return next((name for name in ("unet", "transformer") if name in self.weights), None)

    def missing(self) -> dict[str, int]:
        """The files that are not on this computer yet."""
        return {name: size for name, size in self.files.items() if _cached(self.repo, name, self.commit) is None}


# -- which repos ------------------------------------------------------------------------------------------------------


def allowed_ids() -> tuple[str, ...] | None:
    """The repos that visitors may use, or None for any.

    GENMODELS_HUB_MODELS says it, as "user/a,user/b" or "*" for any; else these are SUGGESTIONS alone.
    """
    setting = os.environ.get("GENMODELS_HUB_MODELS", "").strip()
    if setting == "*":
        return None
    listed = [repo.strip() for repo in setting.split(",")]
    return tuple(repo for repo in listed if repo) or tuple(suggestion.repo for suggestion in SUGGESTIONS)


def allow_any_on_loopback(server_name: str, share: bool = False) -> None:
    """Let whoever starts the app on a computer of their own, out of reach for others, use any repo.

    server_name, share: as for Gradio's `launch`. Where GENMODELS_HUB_MODELS says something, that holds. For any other
    address visitors may be strangers, and so they may where another program serves the app and nobody calls this.
    """
    try:
        alone = server_name == "localhost" or ipaddress.ip_address(server_name.strip("[]")).is_loopback
    except ValueError:
        alone = False
    if alone and not share and "SPACE_ID" not in os.environ and not os.environ.get("GENMODELS_HUB_MODELS", "").strip():
        os.environ["GENMODELS_HUB_MODELS"] = "*"


def offered() -> list[tuple[str, str]]:
    """(what a menu shows, repo) of the suggestions that are allowed and of all else that GENMODELS_HUB_MODELS lists."""
    allowed = allowed_ids()
    known = {s.repo: f"{s.repo} ({s.note})" for s in SUGGESTIONS}
    return [(known.get(repo, repo), repo) for repo in (known if allowed is None else allowed)]


def suggestion(repo: str) -> Suggestion:
    """The settings to begin with; for a repo that is not among SUGGESTIONS those of the classic Stable Diffusion."""
    return next((s for s in SUGGESTIONS if s.repo == repo), Suggestion(repo, "", 25, 7.5, 512))


def check_id(repo: Any) -> str:
    """The id of a repo "user/name" without blanks around it; ValueError if it is none, or not allowed here."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    name = repo.strip() if isinstance(repo, str) else ""
    try:
        validate_repo_id(name)
        fits = name.count("/") == 1
    except HFValidationError:
        fits = False
    if not fits:
        raise ValueError(f"{str(repo)[:80]!r} is not the id of a Hub repo, which is written user/name.")
    allowed = allowed_ids()
    if allowed is not None and name not in allowed:
        raise ValueError(f"This app doesn't run {name!r}; it runs {', '.join(allowed)}.")
    return name


# -- what is in them --------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def look_into(repo: str) -> Contents:
    """What a repo holds. Asks for its list of files, for `model_index.json` and for the heads of its weight files.

    Raises ValueError in one sentence: no such repo, gated, no network, no diffusers pipeline, not text-to-image, weights
    as pickles only or incomplete, parts of an unknown library.
    """
    import huggingface_hub

    try:
        sizes = list_files(repo)
        if sizes is not None and not 0 < sizes.get(INDEX, 0) <= MAX_SETTINGS:
            raise ValueError(f"The repo {repo!r} is no diffusers pipeline: it has no {INDEX}.")
        # of the branch, not of a commit: so the cache remembers which commit that is, for when there is no network
        path = Path(huggingface_hub.hf_hub_download(repo, INDEX, local_files_only=sizes is None))
        commit = path.parent.name
        if sizes is None:
            sizes = {str(file.relative_to(path.parent)): file.stat().st_size for file in path.parent.rglob("*.*")}
        index = _read_index(repo, path)
        files, variant = _choose(repo, _parts(repo, index), sizes)
        weights = _count_weights(repo, commit, files)
    except failures() as error:
        raise ValueError(refusal(repo, error)) from error
    return Contents(repo, commit, index["_class_name"], files, variant, weights)


def failures() -> tuple[type[Exception], ...]:
    """What the Hub's library raises where it can't get something."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    return HfHubHTTPError, HTTPError, OSError


def list_files(repo: str) -> dict[str, int] | None:
    """The size of each file in a repo; None without a network."""
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    api = huggingface_hub.HfApi()
    try:
        api.model_info(repo, revision="main", timeout=TIMEOUT)  # fails at once, where the others try again and again
        entries = api.list_repo_tree(repo, recursive=True)
        return {entry.path: entry.size for entry in entries if hasattr(entry, "size")}
    except HfHubHTTPError as error:
        if error.response.status_code < 500:
            raise
        return None
    except (HTTPError, OfflineModeIsEnabled):
        return None


def refusal(repo: str, error: Exception) -> str:
    """What the Hub's answer means, in one sentence."""
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    if isinstance(error, GatedRepoError):
        return f"The repo {repo!r} is gated: accept its terms on its page, and start the app with your HF_TOKEN."
    if isinstance(error, RepositoryNotFoundError):
        return f"There is no repo {repo!r} on the Hub, or it is private."
    if isinstance(error, LocalEntryNotFoundError):
        return f"The Hub can't be reached, and {repo!r} is not on this computer."
    return f"The repo {repo!r} can't be read: {reason(error)}"


def _read_index(repo: str, path: Path) -> dict[str, Any]:
    """`model_index.json`; ValueError if it is no JSON of a pipeline, or if that pipeline can't be run here."""
    try:
        index = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"The {INDEX} of {repo!r} can't be read as JSON.") from error
    kind = index.get("_class_name") if isinstance(index, dict) else None
    if not isinstance(kind, str):
        raise ValueError(f"The repo {repo!r} asks for code of its own, which this app doesn't run.")
    if (pipeline := pipelines().get(kind)) is None:
        raise ValueError(f"The repo {repo!r} holds a {kind[:80]}, which makes no pictures from text.")
    arguments = inspect.signature(pipeline.__call__).parameters
    if not set(NEEDED) <= set(arguments) or not {"guidance_scale", "true_cfg_scale"} & set(arguments):
        raise ValueError(f"The repo {repo!r} holds a {kind}, whose settings are others than this app's.")
    return index


@functools.cache
def pipelines() -> dict[str, Any]:
    """All classes of diffusers that make one picture from a text alone, by name."""
    from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING

    found = {cls.__name__: cls for cls in AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values()}
    return {
        name: cls
        for name, cls in found.items()
        if "Control" not in name and "num_frames" not in inspect.signature(cls.__call__).parameters
    }


def _parts(repo: str, index: dict[str, Any]) -> list[str]:
    """The components that the pipeline loads, each of them a folder; ValueError if one is of an unknown library."""
    import diffusers

    expected = inspect.signature(pipelines()[index["_class_name"]].__init__).parameters
    parts = []
    for name, value in index.items():
        if name not in expected or not isinstance(value, list) or value[:1] == [None]:
            continue
        library = value[0]
        if library not in LIBRARIES and not hasattr(diffusers.pipelines, str(library)):
            raise ValueError(f"The {name} of {repo!r} comes from {str(library)[:40]!r}, which this app doesn't run.")
        parts.append(name)
    return parts


def _choose(repo: str, parts: list[str], sizes: dict[str, int]) -> tuple[dict[str, int], str | None]:
    """The files to fetch, and the variant of the weights to ask diffusers for."""
    chosen, variant = [INDEX], None
    for part in parts:
        inside = [name for name in sizes if name.rpartition("/")[0] == part]
        if any(name.endswith((".safetensors", *PICKLES)) for name in inside):
            found, weights = _weight_files(repo, part, inside)
            chosen += weights
            variant = variant or found
        settings = [name for name in inside if name.endswith(SETTINGS) and ".index." not in name]
        chosen += [name for name in settings if sizes[name] <= MAX_SETTINGS]
    return {name: sizes[name] for name in chosen}, variant


def _weight_files(repo: str, part: str, inside: list[str]) -> tuple[str | None, list[str]]:
    """A component's weights: as fp16 if there are such, in one file if there is one. ValueError if none is complete."""
    groups: dict[tuple[bool, bool, str], list[str]] = {}
    stems: dict[tuple[bool, bool, str], str] = {}
    for name in inside:
        if match := WEIGHTS.fullmatch(name.rpartition("/")[2]):
            half, single = match["variant"] == "fp16", match["part"] is None
            if half or match["variant"] is None:
                key = half, single, match["parts"] or "1"
                groups.setdefault(key, []).append(name)
                stems.setdefault(key, match["stem"])
    complete = [key for key, names in groups.items() if len(names) == int(key[2])]
    if not complete:
        if any(name.endswith(PICKLES) for name in inside):
            raise ValueError(
                f"The repo {repo!r} keeps its {part} as a pickle, which can hold code; it needs safetensors."
            )
        raise ValueError(f"The repo {repo!r} lacks weights of its {part}.")
    half, single, _ = best = max(complete)
    table = f"{part}/{stems[best]}.safetensors.index{'.fp16' if half else ''}.json"
    return "fp16" if half else None, groups[best] + ([table] if not single and table in inside else [])


def _count_weights(repo: str, commit: str, files: dict[str, int]) -> dict[str, int]:
    """How many weights each component has, from the sizes of its files and the type that the first one's head names."""
    totals: dict[str, int] = {}
    width: dict[str, int] = {}
    for name, size in files.items():
        if name.endswith(".safetensors"):
            part = name.rpartition("/")[0]
            if part not in width:
                width[part] = _bytes_per_weight(repo, name, commit)
            totals[part] = totals.get(part, 0) + size // width[part]
    return totals


def _bytes_per_weight(repo: str, name: str, commit: str) -> int:
    """From the head of a safetensors file: JSON after its length (8 bytes)."""
    import huggingface_hub

    if (path := _cached(repo, name, commit)) is not None:
        with open(path, "rb") as file:
            head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        types = [tensor["dtype"] for key, tensor in head.items() if key != "__metadata__"]
    else:
        head = huggingface_hub.HfApi().parse_safetensors_file_metadata(repo, name, revision=commit)
        types = [tensor.dtype for tensor in head.tensors.values()]
    return BYTES.get(max(set(types), key=types.count), 4) if types else 4


def _cached(repo: str, name: str, commit: str) -> Path | None:
    import huggingface_hub

    path = huggingface_hub.try_to_load_from_cache(repo, name, revision=commit)
    return Path(path) if isinstance(path, str) else None


# -- fetching ---------------------------------------------------------------------------------------------------------

FETCH = "import sys, huggingface_hub as h; h.snapshot_download(sys.argv[1], revision=sys.argv[2], allow_patterns=sys.argv[3:])"


def folder_of(contents: Contents) -> Path:
    """Where the files lie once they are fetched."""
    path = _cached(contents.repo, INDEX, contents.commit)
    if path is None:
        raise ValueError(f"The files of {contents.repo!r} have vanished from the cache of the Hub.")
    return path.parent


def fetch(contents: Contents) -> Iterator[int]:
    """Download what is missing; yields twice a second how many bytes have come.

    A process of its own does it, because a download in a thread can't be ended: closing the iterator ends it at once,
    and the next attempt goes on where it stopped. ValueError if the disk has no room for it or the network fails.
    """
    from huggingface_hub import constants, file_download

    missing = contents.missing()
    if not missing:
        return
    cache = Path(constants.HF_HUB_CACHE, file_download.repo_folder_name(repo_id=contents.repo, repo_type="model"))
    free = shutil.disk_usage(cache).free
    if sum(missing.values()) > free:
        needed = sum(missing.values()) / 1e9
        raise ValueError(f"{contents.repo!r} needs {needed:.1f} GB on the disk, where {free / 1e9:.1f} GB are free.")
    before = _size(cache)
    command = [sys.executable, "-c", FETCH, contents.repo, contents.commit, *missing]
    with tempfile.TemporaryFile("w+") as complaints:
        quiet = os.environ | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        process = subprocess.Popen(command, env=quiet, stdout=subprocess.DEVNULL, stderr=complaints)
        try:
            while process.poll() is None:
                yield max(0, _size(cache) - before)
                time.sleep(0.5)
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            complaints.seek(0)
            said = [line for line in complaints.read().splitlines() if line.strip()]
            raise ValueError(
                f"{contents.repo!r} could not be downloaded: {said[-1] if said else 'no reason was given'}"
            )


def _size(folder: Path) -> int:
    """Bytes in the blobs of a cached repo, half-downloaded ones included."""
    total = 0
    for path in folder.glob("blobs/*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # renamed in this moment, as it is complete
            continue
    return total
