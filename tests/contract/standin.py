"""A device that stands in for a GPU: it computes on the CPU, and refuses what a GPU would refuse or wait for.

Tensors on it hold a tensor of the CPU, so that values are real and a step can be compared with that of the CPU. Within
`Standin` every operation is looked at. Refused are

- operands on two devices, but for numbers without axes on the CPU, which a kernel takes as arguments;
- a generator of another device than what it draws;
- what makes the host wait (`float`, `bool`, `.tolist()`, `nonzero`, a mask as an index, copies to the host, and copies
  to the device that are not `non_blocking`), while `waits` is off;
- float64, where the device has none.

torch's FakeTensorMode with device "cuda" was tried: without CUDA it cannot move a module (`.to`) or index a tensor, and
its tensors hold no values. Tensors on "meta" have no generators and no fused optimizers, and mix with the CPU unseen.

The registration is for the whole process, so this is for a process of its own (`on_a_device.py`).
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

__all__ = ["DEVICE", "Held", "Refused", "Standin", "generator"]

_setup_privateuseone_for_python_backend("standin")
DEVICE = torch.device("standin", 0)
aten = torch.ops.aten

WAITS = {
    "_local_scalar_dense", "item", "is_nonzero", "equal", "allclose", "nonzero", "nonzero_numpy", "argwhere",
    "masked_select", "_unique", "_unique2", "unique_dim", "unique_consecutive", "unique_dim_consecutive", "bincount",
    "multinomial", "_linalg_check_errors", "histc", "histogram",
}  # fmt: skip
"""Operations whose kernels on a GPU make the host wait; `multinomial` looks at its probabilities first."""
INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_"}
COPIES = {"_to_copy", "copy_", "_copy_from", "_copy_from_and_resize"}
MAKES = {"lift", "lift_fresh", "lift_fresh_copy"}

_seeds: set[int] = set()  # of generators of the device; dispatch hands on a copy of a generator
_modes: list["Standin"] = []


class Refused(RuntimeError):
    """What a GPU would refuse, or wait for."""


class Held(Tensor):
    """A tensor on the device."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "Held":
        dense = {} if held.is_sparse else {"strides": held.stride(), "storage_offset": held.storage_offset()}
        made = Tensor._make_wrapper_subclass(
            cls, held.shape, **dense, dtype=held.dtype, device=DEVICE, requires_grad=False,
            dispatch_layout=held.is_sparse,
        )  # fmt: skip
        made.held = held
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @property
    def is_sparse(self) -> bool:  # type: ignore[override]
        return self.held.is_sparse

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise Refused(f"{function} on the stand-in outside `Standin`")

    def tolist(self) -> Any:
        _modes[-1].wait("a list of numbers")
        return self.held.tolist()

    def __format__(self, form: str) -> str:
        return format(self.item(), form)

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Held({tuple(self.shape)}, {self.dtype})"


class Own(torch.Generator):
    """A generator that says it is of the device."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return DEVICE


def generator(seed: int) -> torch.Generator:
    """A generator of the device, with the numbers of the CPU's."""
    made = Own()
    made.manual_seed(seed)
    _seeds.add(made.initial_seed())
    return made


class Standin(TorchDispatchMode):
    """Within it the device is there.

    Args:
        waits: whether the host may wait for the device; each time is noted in `waited`.
        float64: whether the device has it.
    """

    def __init__(self, waits: bool = False, float64: bool = True) -> None:
        super().__init__()
        self.waits, self.float64 = waits, float64
        self.waited: list[str] = []

    def __enter__(self) -> "Standin":
        _seeds.clear()
        _modes.append(self)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        _modes.pop()

    def wait(self, what: str) -> None:
        if not self.waits:
            raise Refused(f"{what}: the host waits for the device")
        self.waited.append(what)

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.ops.prim.layout.default:
            return args[0].held.layout
        kwargs = dict(kwargs or {})
        name = function._schema.name.removeprefix("aten::")
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        here = [tensor for tensor in given if isinstance(tensor, Held)]
        asked = kwargs.get("device")
        asked = torch.device(asked) if asked is not None else None
        there = asked.type == DEVICE.type if asked is not None else bool(here)
        if name in COPIES:
            self.copied(name, args, kwargs, there)
        elif here:
            indices = [index for index in args[1] if index is not None] if name in INDEXED else []
            if any(not isinstance(index, Held) for index in indices):
                self.wait("an index on the CPU")
            self.mixed(name, [one for one in given if not any(one is index for index in indices)])
            masks = [index for index in indices if index.dtype in (torch.bool, torch.uint8)]
            filled = name != "index" and len(indices) == 1 and args[2].numel() == 1  # becomes masked_fill
            if name in WAITS or (masks and not filled) or self.counts(name, args, kwargs):
                self.wait(name)
        if "generator" in kwargs and kwargs["generator"] is not None:
            own = kwargs["generator"].initial_seed() in _seeds
            if own != there:
                raise Refused(f"{name}: a generator of {'the device' if own else 'the CPU'} draws on the other")
        if asked is not None:
            kwargs["device"] = torch.device("cpu")
        plain_args, plain = tree_map(unheld, (args, kwargs))
        out = function(*plain_args, **plain)
        if not there or name in ("_local_scalar_dense", "equal", "is_nonzero"):
            return out
        if not self.float64 and any(isinstance(o, Tensor) and o.dtype == torch.float64 for o in tree_leaves(out)):
            raise Refused(f"{name}: the device has no float64")
        wrapped = tree_map(lambda leaf: Held(leaf) if isinstance(leaf, Tensor) else leaf, out)
        if here and (name == "copy_" or name not in COPIES | {"detach"} | MAKES):
            return return_and_correct_aliasing(function, args, kwargs, wrapped)
        return wrapped

    def copied(self, name: str, args: Any, kwargs: Any, there: bool) -> None:
        """A copy between devices."""
        if name == "_to_copy":
            leaves, arrives, quick = isinstance(args[0], Held), there, kwargs.get("non_blocking", False)
        else:
            leaves, arrives = isinstance(args[1], Held), isinstance(args[0], Held)
            quick = kwargs.get("non_blocking", args[2] if len(args) > 2 else False)
        if leaves and not arrives:
            self.wait("a copy to the host")
        if arrives and not leaves and not quick:
            self.wait("a copy to the device that is not non_blocking")

    @staticmethod
    def mixed(name: str, given: list[Tensor]) -> None:
        for tensor in given:
            if not isinstance(tensor, Held) and tensor.dim() > 0:
                shapes = [f"{tuple(t.shape)} on {'the device' if isinstance(t, Held) else 'the CPU'}" for t in given]
                raise Refused(f"{name}: operands on two devices: {', '.join(shapes)}")

    @staticmethod
    def counts(name: str, args: Any, kwargs: Any) -> bool:
        """`repeat_interleave` counts its output, unless it is told."""
        return name == "repeat_interleave" and kwargs.get("output_size") is None


def unheld(leaf: Any) -> Any:
    return leaf.held if isinstance(leaf, Held) else leaf


# What torch's own code calls below the mode


def empty_strided(size: Any, stride: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
    """Lists and numbers become tensors on the device: `torch.tensor(..., device=...)`, `x[[0, 2]]`."""
    return Held(torch.empty_strided(size, stride, dtype=dtype))


def copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    if isinstance(target, Held) and not isinstance(source, Held) and not non_blocking:
        _modes[-1].wait("numbers of the host become a tensor on the device")
    unheld(target).copy_(unheld(source))
    return target


def lstm(x: Tensor, state: Any, weights: Any, biases: bool, layers: int, dropout: float, train: bool, both: bool,
         batch_first: bool) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """`nn.LSTM`, for which a GPU has a kernel."""
    if both or not biases or len(weights) != 4 * layers:
        raise NotImplementedError("the stand-in has LSTMs of one direction with biases")
    if not torch.is_grad_enabled():  # the CPU's kernel is quicker
        with _disable_current_modes():
            plain = tree_map(unheld, (x, list(state), list(weights)))
            return tuple(map(Held, torch._VF.lstm(*plain, biases, layers, dropout, train, both, batch_first)))
    rows, ends = x.transpose(0, 1) if batch_first else x, []
    for layer in range(layers):
        w_x, w_h, b_x, b_h = weights[4 * layer : 4 * layer + 4]
        h, c, outputs = state[0][layer], state[1][layer], []
        for row in rows.unbind(0):
            i, f, g, o = (row @ w_x.T + b_x + h @ w_h.T + b_h).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        rows = torch.stack(outputs)
        if layer + 1 < layers:
            rows = torch.nn.functional.dropout(rows, dropout, train)
        ends.append((h, c))
    h, c = (torch.stack(part) for part in zip(*ends, strict=True))
    return rows.transpose(0, 1) if batch_first else rows, h, c


def gru(x: Tensor, state: Tensor, weights: Any, biases: bool, layers: int, dropout: float, train: bool, both: bool,
        batch_first: bool) -> tuple[Tensor, Tensor]:  # fmt: skip
    """`nn.GRU` of one layer, for which a GPU has a kernel."""
    if both or not biases or layers != 1 or len(weights) != 4:
        raise NotImplementedError("the stand-in has GRUs of one layer and one direction with biases")
    (w_x, w_h, b_x, b_h), h, outputs = weights, state[0], []
    for row in (x.transpose(0, 1) if batch_first else x).unbind(0):
        (r, z, n), (back_r, back_z, back_n) = (row @ w_x.T + b_x).chunk(3, -1), (h @ w_h.T + b_h).chunk(3, -1)
        z = (z + back_z).sigmoid()
        h = (1 - z) * (n + (r + back_r).sigmoid() * back_n).tanh() + z * h
        outputs.append(h)
    rows = torch.stack(outputs)
    return rows.transpose(0, 1) if batch_first else rows, h[None]


_library = torch.library.Library("aten", "IMPL")
_library.impl("empty_strided", empty_strided, "PrivateUse1")
_library.impl("_copy_from", copy_from, "PrivateUse1")
_library.impl("lstm.input", lstm, "AutogradPrivateUse1")
_library.impl("gru.input", gru, "AutogradPrivateUse1")
