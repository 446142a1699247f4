"""Run by test_hub_pipelines.py in a process of its own, which finds the Hub where HF_ENDPOINT says: does all jobs that
are named on the command line and prints what came of them as JSON."""

import hashlib
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from genmodels.wrappers import hub_pipelines, hub_repos

TINY = {"prompt": "a red bar", "num_inference_steps": 4, "width": 64, "height": 64}
LARGE = {"prompt": "a red bar", "num_inference_steps": 100, "width": 256, "height": 256}


def made(repo: str, **changes: Any) -> dict[str, Any]:
    """One picture, and what was told on the way."""
    told = list(hub_pipelines.generate(repo, **TINY | changes))
    steps = [progress for progress in told if progress.text == "Denoising" and progress.image]
    last = told[-1]
    return {
        "done": [progress.done for progress in told],
        "texts": list(dict.fromkeys(progress.text.partition(":")[0] for progress in told)),
        "steps": [[progress.step, progress.total] for progress in steps],
        "previews": [hashlib.sha256(progress.image.tobytes()).hexdigest() for progress in steps],
        "preview_sizes": [progress.image.size for progress in steps],
        "left": [progress.seconds_left for progress in steps],
        "size": last.image.size,
        "picture": hashlib.sha256(last.image.tobytes()).hexdigest(),
        "info": last.image.info,
    }


def cached(repo: str) -> list[str]:
    """The files of a repo that are on this computer."""
    folder = Path(constants.HF_HUB_CACHE, f"models--{repo.replace('/', '--')}", "snapshots")
    return sorted(
        str(path.relative_to(path.parents[len(path.relative_to(folder).parts) - 2])) for path in folder.rglob("*.*")
    )


def seeds() -> dict[str, Any]:
    before = hub_pipelines.estimate("tester/tiny", 7.5, 4, 64, 64)
    first = made("tester/tiny", seed=1)
    after = hub_pipelines.estimate("tester/tiny", 7.5, 4, 64, 64)
    return {
        "before": before, "after": after, "longer": hub_pipelines.estimate("tester/tiny", 7.5, 40, 64, 64),
        "first": first, "again": made("tester/tiny", seed=1), "other": made("tester/tiny", seed=2),
        "negative": made("tester/tiny", seed=1, negative_prompt="blue"), "cached": cached("tester/tiny"),
        "unguided": made("tester/tiny", seed=1, guidance_scale=0.0),
    }  # fmt: skip


def straight() -> dict[str, Any]:
    """The same picture without this app, by diffusers alone, from the files that were downloaded."""
    import torch
    from diffusers import StableDiffusionPipeline

    contents = hub_repos.look_into("tester/tiny")
    pipeline = StableDiffusionPipeline.from_pretrained(
        hub_repos.folder_of(contents), variant="fp16", dtype=torch.float32, local_files_only=True
    )
    generator = torch.Generator().manual_seed(1)
    image = pipeline(**TINY, guidance_scale=7.5, generator=generator).images[0]
    return {"picture": hashlib.sha256(image.tobytes()).hexdigest()}


def other_kinds() -> dict[str, Any]:
    """Weights in parts, without float16; a transformer."""
    outcome = {}
    for repo in ("tester/parts", "tester/flux"):
        outcome[repo] = made(repo) | {"cached": cached(repo), "kept": hub_pipelines._holder.repo}
    return outcome


def stop() -> dict[str, Any]:
    """Close the iterator after the second step: what the network still does then, and whether the next one may come."""
    list(hub_pipelines.generate("tester/tiny", **TINY))
    calls: list[float] = []
    hook = hub_pipelines._holder.pipeline.unet.register_forward_hook(lambda *_: calls.append(time.monotonic()))
    walk = hub_pipelines.generate("tester/tiny", **LARGE)
    for progress in walk:
        if progress.step == 2:
            break
    before = len(calls)
    start = time.monotonic()
    walk.close()
    closing = time.monotonic() - start
    for thread in threading.enumerate():
        if thread.name.startswith("picture by"):
            thread.join(60)
    after = len(calls)
    hook.remove()
    return {"before": before, "after": after, "closing": closing, "next": made("tester/tiny", seed=1)}


def stop_download() -> dict[str, Any]:
    """Close the iterator while a file comes slowly: the process that fetches it has to go."""
    processes = []
    popen = hub_repos.subprocess.Popen

    def remembered(*args: Any, **options: Any) -> Any:
        processes.append(popen(*args, **options))
        return processes[-1]

    hub_repos.subprocess.Popen = remembered
    walk = hub_pipelines.generate("tester/slow", **TINY)
    for progress in walk:
        if progress.text.startswith("Downloading: ") and processes:
            break
    running = processes[0].poll() is None
    time.sleep(3)  # now it waits for the file
    next(walk)
    walk.close()
    return {"running": running, "ended": processes[0].poll() is not None, "cached": cached("tester/slow")}


def refused(repo: str, **changes: Any) -> str:
    try:
        list(hub_pipelines.generate(repo, **TINY | changes))
    except ValueError as error:
        return str(error)
    return "nothing was refused"


def refusals(*repos: str) -> dict[str, Any]:
    words = {repo: refused(repo) for repo in repos}
    words["negative"] = refused("tester/lcm", negative_prompt="blue")
    files = {repo: cached(repo) for repo in repos}
    return {"words": words, "cached": files, "then": made("tester/tiny", seed=1)}


if __name__ == "__main__":
    jobs = json.loads(sys.argv[1])
    outcomes = {}
    for name, arguments in jobs.items():
        start = time.monotonic()
        outcomes[name] = globals()[name](*arguments)
        print(f"{name}: {time.monotonic() - start:.1f} s", file=sys.stderr)
    print(json.dumps(outcomes))
