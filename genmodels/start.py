"""The start of the app, before Gradio is imported: that takes two seconds, in which other processes load the models."""

import functools
from collections.abc import Iterator

from genmodels.tabs import page
from genmodels.wrappers import apart, core, hub_checkpoints, on_record, race


def main(port: int | None = None) -> None:
    """See `genmodels.app.main`."""
    prepare()
    from genmodels import app

    app.main(port)


@functools.cache
def prepare() -> None:
    """Once: checks what the environment says, and begins the processes that compute. Ends with a sentence if something is wrong."""
    try:
        core.check_environment()
        hub_checkpoints.pull()
    except ValueError as error:
        raise SystemExit(str(error)) from None
    core.settle()
    core.own_folder()  # one for all processes
    work = sum(page.LANES[lane] for lane in apart.LANES)  # all of which may be of one kind
    many = {apart.TOUCH: page.AT_ONCE} | dict.fromkeys((apart.WORK, apart.MORE, apart.LONG), work)
    apart.begin(page.answers, many, load=load, prepare=race.warm_up, warm_up=compute_first)


def load(pause: float = 0) -> None:
    """All that takes seconds when it is first computed with. pause: seconds between two models."""
    core.import_module("genmodels.models.pipeline")  # diffusers
    page.sections()
    core.load_all(pause)


def compute_first(kind: str) -> Iterator[None]:
    """What takes longer the first time, by one of a kind of processes, before a visitor asks for it."""
    return page.compute_first(work=kind == apart.WORK)


def warm_up() -> None:
    """What should not wait for the first visitor who asks."""
    on_record.records()  # reads all weights once, to tell whose figures hold
    if not apart.begun():
        load(pause=0.05)  # for those who ask meanwhile
