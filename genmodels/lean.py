"""Imports without what an app doesn't use, for processes that only compute with finished models, or only serve.

diffusers and transformers import torch's compiler, sympy by it, and torch's ways to share a model among machines, all for a few
decorators and types: 70 MB, half of what they take, and a third of their time. Here they get decorators that change nothing,
as theirs do until something is compiled. Whoever asks for more of the compiler, then or later, gets the real one.
"""

import contextlib
import importlib
import logging
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import torch
import torch.distributed

COMPILER = "torch._dynamo"
DECORATORS = ("allow_in_graph", "disable", "assume_constant_result")
#: What is asked for at an import, but called by a forward pass at most.
LATER = {f"{COMPILER}._trace_wrapped_higher_order_op": "TransformGetItemToIndex"}
log = logging.getLogger(__name__)


def import_module(name: str) -> ModuleType:
    """A module, without the compiler if it can do with decorators of it, else with it.

    >>> import_module("diffusers").__name__
    'diffusers'
    """
    try:
        with _without_compiler():
            return importlib.import_module(name)
    except (ImportError, RuntimeError, AttributeError) as error:  # lazy imports make RuntimeErrors of the others
        log.info("%s is imported with torch's compiler: %s", name, error)
        return importlib.import_module(name)


@contextlib.contextmanager
def without(name: str) -> Iterator[None]:
    """Imports in here find no module of that name, unless it is there already; for what takes it along only if it is installed.

    >>> with without("pyarrow"):
    ...     import pandas
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


@contextlib.contextmanager
def _without_compiler() -> Iterator[None]:
    if COMPILER in sys.modules:
        yield
        return
    stand_ins = {name: _StandIn(name) for name in (COMPILER, *LATER)}
    sys.modules |= stand_ins
    torch._dynamo = stand_ins[COMPILER]
    is_available, torch.distributed.is_available = torch.distributed.is_available, lambda: False
    try:
        yield
    finally:
        torch.distributed.is_available = is_available
        _step_aside()


class _StandIn(ModuleType):
    """A module that knows decorators which do nothing; for all else the real one is imported."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in DECORATORS:
            return _unchanged
        if name == LATER.get(self.__name__):
            return lambda *args: getattr(_real(self.__name__), name)(*args)
        return getattr(_real(self.__name__), name)


def _unchanged(function: Any = None, *_: Any, **__: Any) -> Any:
    """A decorator that does nothing, with or without options."""
    return _unchanged if function is None else function


def _real(name: str) -> ModuleType:
    _step_aside()
    return importlib.import_module(name)


def _step_aside() -> None:
    for name in (COMPILER, *LATER):
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]
    if isinstance(vars(torch).get("_dynamo"), _StandIn):
        del torch._dynamo
