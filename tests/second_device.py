"""Second devices that exist without hardware: torch's place for backends from outside, filled by its Python interface.

A tensor there holds one of the CPU and computes as that does, but like a GPU's it can't be mixed with tensors of the CPU or of
another device, nor read without being moved: what a program forgets to move, fails.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._pytree import tree_leaves, tree_map

if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
    pytest.skip("this torch has no second device that exists without hardware", allow_module_level=True)
NAME = "elsewhere"
CPU = torch.device("cpu")
MOVES = ("aten::_to_copy", "aten::to", "aten::copy_")


class There(Tensor):
    """A tensor on one of these devices; `held`: the same on the CPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor, device: torch.device) -> "There":
        like = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        made = Tensor._make_wrapper_subclass(cls, held.shape, device=device, requires_grad=False, **like)
        made.held = held
        return made

    def tolist(self) -> Any:
        return self.held.tolist()  # which torch has for no subclass

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(op, *args, **(kwargs or {}))


def computed(op: Any, *args: Any, **kwargs: Any) -> Any:
    """What an operation makes of tensors that are all on one device, or of none: there."""
    leaves = tree_leaves((args, kwargs))
    places = {x.device for x in leaves if isinstance(x, Tensor) and (x.dim() or isinstance(x, There))}
    if len(places) > 1 and op._schema.name not in MOVES:
        raise RuntimeError(f"{op._schema.name}: all tensors must be on one device, not on {sorted(map(str, places))}")
    asked = [x for x in leaves if isinstance(x, torch.device)]
    where = asked[0] if asked else next(x.device for x in leaves if isinstance(x, There))
    held = {id(x.held): x for x in leaves if isinstance(x, There)}

    def inside(x: Any) -> Any:
        return CPU if isinstance(x, torch.device) else x.held if isinstance(x, There) else x

    def outside(x: Any) -> Any:
        if not isinstance(x, Tensor) or where == CPU:
            return x
        same = held.get(id(x))  # an operation in place
        return same if same is not None else There(x, where)

    return tree_map(outside, op(*tree_map(inside, args), **tree_map(inside, kwargs)))


class Module(backend_registration._DummyBackendModule):
    """It is there for who names it; for all others there is no accelerator."""

    def is_available(self) -> bool:
        return False

    def device_count(self) -> int:
        return 0


_kept: list[torch.library.Library] = []


#: What makes tensors and knows no such device.
MAKERS = ("as_tensor", "tensor", "arange")


def made_here(make: Any) -> Any:
    """One of them that makes its tensor on the CPU, and then moves it."""

    def moved(*args: Any, device: Any = None, **kwargs: Any) -> Tensor:
        made = args[0] if args and isinstance(args[0], There) else make(*args, **kwargs)
        return made if device is None else made.to(device)

    return moved


@contextlib.contextmanager
def second_devices(count: int) -> Iterator[list[torch.device]]:
    """So many devices; they know no inference mode, and parameters that move there are new ones."""
    if not _kept:
        backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=Module())
        _kept.append(torch.library.Library("_", "IMPL"))
        _kept[0].fallback(computed, dispatch_key="PrivateUse1")
    with pytest.MonkeyPatch.context() as patch:
        for name in MAKERS:
            patch.setattr(torch, name, made_here(getattr(torch, name)))
        patch.setattr(torch, "inference_mode", lambda on=True: torch.no_grad() if on else contextlib.nullcontext())
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        try:
            yield [torch.device(NAME, i) for i in range(count)]
        finally:
            torch.__future__.set_overwrite_module_params_on_conversion(False)
