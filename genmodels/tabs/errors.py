"""Errors as a visitor reads them: one sentence."""

import contextlib
import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

FAILED = "Something went wrong on the server; its log says what."
log = logging.getLogger(__name__)


def user_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a `ValueError` into a message of one sentence for the visitor, and hide any other failure behind one."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        with courtesy(function):
            return function(*args, **kwargs)

    @functools.wraps(function)
    def guarded_steps(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with courtesy(function):
            yield from function(*args, **kwargs)

    return guarded_steps if inspect.isgeneratorfunction(function) else guarded


@contextlib.contextmanager
def courtesy(function: Callable[..., Any]) -> Iterator[None]:
    """What `user_errors` does with the errors of a function."""
    try:
        yield
    except gr.Error:
        raise
    except ValueError as error:
        raise gr.Error(str(error), print_exception=False) from None
    except Exception:
        log.exception("%s failed", function.__qualname__)
        raise gr.Error(FAILED, print_exception=False) from None
