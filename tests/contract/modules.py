"""The contracts of a module: functions that raise AssertionError. `test_planted_bugs.py` proves that they can."""

import contextlib
import copy
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contract import golden
from contract.cases import Case, case_modules
from deepcanon.engine.precision import has_bf16

# Material


def build(case: Case, seed: int = 0) -> nn.Module | None:
    """The case's module in fp32, initialised from `seed`."""
    torch.manual_seed(seed)
    return case.build() if case.build else None


def draw(case: Case, dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple:
    """The case's inputs; float arrays as `dtype`, others as they are."""
    return tuple(as_tensor(value, dtype) for value in case.inputs(np.random.default_rng(seed)))


def as_tensor(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, np.ndarray):
        tensor = torch.from_numpy(np.ascontiguousarray(value))
        return tensor.to(dtype) if tensor.is_floating_point() else tensor
    if isinstance(value, tuple | list):
        return type(value)(as_tensor(item, dtype) for item in value)
    return value


def run(case: Case, module: nn.Module | None, inputs: tuple) -> Any:
    """The output, on a random stream that is the same every time."""
    torch.manual_seed(1)
    if module is None:
        return case.call(*inputs)
    return case.call(module, *inputs) if case.call else module(*inputs)


def leaves(value: Any) -> list:
    """The tensors or arrays of a nest, in order; None is left out."""
    if value is None:
        return []
    if isinstance(value, dict):
        return [leaf for key in value for leaf in leaves(value[key])]
    if isinstance(value, tuple | list):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in leaves(value) if isinstance(leaf, Tensor)]


def scalar(outputs: Any) -> Tensor:
    """A number that depends on every entry of every float output, each with a weight of its own."""
    total = torch.zeros((), dtype=torch.float64)
    for leaf in tensors(outputs):
        if leaf.is_floating_point():
            weight = torch.linspace(-1.0, 1.7, max(1, leaf.numel()), dtype=torch.float64).reshape(leaf.shape)
            total = total + (leaf.double() * weight).sum()
    return total


@contextlib.contextmanager
def mode(case: Case, module: nn.Module | None) -> Iterator[None]:
    if module is not None:
        module.train(case.training)
    yield


def differ(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference relative to the largest entry (at least 1)."""
    if not np.array_equal(np.isfinite(ours), np.isfinite(theirs)):
        return float("inf")
    finite = np.isfinite(ours)
    if not np.array_equal(np.where(finite, 0, ours), np.where(finite, 0, theirs), equal_nan=True):
        return float("inf")
    if not finite.any():
        return 0.0
    return float(np.abs(ours[finite] - theirs[finite]).max() / max(1.0, np.abs(theirs[finite]).max()))


# Contracts


def check_finite(case: Case) -> None:
    """It builds, runs on its inputs, and gives finite numbers, the same shapes in both precisions."""
    shapes = []
    for dtype in (torch.float32, torch.float64):
        module = build(case)
        if module is not None:
            assert isinstance(module, nn.Module), f"{type(module).__name__} is not an nn.Module"
            module.to(dtype)
        outputs = tensors(run(case, module, draw(case, dtype)))
        assert outputs, "no tensor comes out"
        for leaf in outputs:
            assert not leaf.is_complex() and not leaf.isnan().any(), "NaN comes out"
            assert not (leaf == torch.inf).any(), "infinity comes out"
            if leaf.is_floating_point() and leaf.dim() and module is not None:
                assert leaf.dtype == dtype, f"{dtype} goes in, {leaf.dtype} comes out"
        shapes.append([tuple(leaf.shape) for leaf in outputs])
    assert shapes[0] == shapes[1], f"shapes depend on the precision: {shapes}"


def check_gradients(case: Case) -> None:
    """Every parameter gets a finite gradient that is not zero throughout."""
    module = build(case).train()
    outputs = run(case, module, draw(case, torch.float32))
    parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if not parameters:
        return
    # Gradients of a zero-initialised layer may vanish by design; a nudge shows whether a path is there.
    with torch.no_grad():
        generator = torch.Generator().manual_seed(2)
        for parameter in parameters.values():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator).to(parameter.dtype))
    outputs = run(case, module, draw(case, torch.float32))
    total = scalar(outputs)
    assert total.requires_grad, "the output is cut off from the parameters"
    total.backward()
    missing = [name for name, p in parameters.items() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not missing, f"no gradient reaches {', '.join(missing)}"
    infinite = [name for name, p in parameters.items() if not p.grad.isfinite().all()]
    assert not infinite, f"the gradient of {', '.join(infinite)} is not finite"


def check_oracle(case: Case, tolerance: float = 1e-10) -> None:
    """Equals the independent oracle in float64, on whole tensors."""
    for seed in (0, 1):
        module = build(case, seed)
        params = {}
        if module is not None:
            module.double()
            params = {
                name: value.detach().numpy().astype(np.float64 if value.is_floating_point() else np.int64).copy()
                for name, value in module.state_dict().items()
                if isinstance(value, Tensor)
            }
        arrays = case.inputs(np.random.default_rng(seed))
        with mode(case, module), torch.no_grad():
            ours = leaves(run(case, module, draw(case, seed=seed)))
        theirs = leaves(case.oracle(params, *copy.deepcopy(arrays)))
        assert len(ours) == len(theirs), f"{len(ours)} outputs; the oracle gives {len(theirs)}"
        for index, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            mine = np.asarray(mine.detach().double() if isinstance(mine, Tensor) else mine, dtype=np.float64)
            other = np.asarray(other, dtype=np.float64)
            assert mine.shape == other.shape, f"output {index}: shape {mine.shape}; the oracle's {other.shape}"
            gap = differ(mine, other)
            assert gap <= tolerance, f"output {index}: relative difference {gap:.3g} from the oracle"


def check_gradcheck(case: Case) -> None:
    """Analytic equals numerical gradient in float64, for float inputs and for parameters."""
    module = build(case)
    if module is not None:
        module.double()
    inputs = draw(case)
    floats = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.is_floating_point() and x.numel()]
    floats = [i for i in floats if i not in case.constants]
    variables = [inputs[i].clone().requires_grad_() for i in floats]
    parameters = dict(module.named_parameters()) if module is not None else {}
    names = [name for name, p in parameters.items() if p.requires_grad]
    variables += [parameters[name].detach().clone().requires_grad_() for name in names]

    def function(*values: Tensor) -> Tensor:
        given = list(inputs)
        for place, value in zip(floats, values, strict=False):
            given[place] = value
        if module is None:
            return scalar(run(case, None, tuple(given)))
        replaced = dict(zip(names, values[len(floats) :], strict=True))
        call = case.call or (lambda m, *x: m(*x))
        with replace_parameters(module, replaced):
            torch.manual_seed(1)
            return scalar(call(module, *given))

    with mode(case, module):
        if not variables or not function(*variables).requires_grad:
            return
        # The fast mode checks a random projection of the Jacobian: as sharp on a scalar, and far quicker.
        torch.manual_seed(3)
        try:
            torch.autograd.gradcheck(function, variables, fast_mode=True, nondet_tol=1e-12, atol=1e-5, rtol=1e-3)
        except RuntimeError as error:
            raise AssertionError(f"analytic and numerical gradient differ: {error}") from error


@contextlib.contextmanager
def replace_parameters(module: nn.Module, values: dict[str, Tensor]) -> Iterator[None]:
    """Puts tensors in the places of parameters, also for methods other than forward."""
    places = []
    for name, value in values.items():
        owner_name, _, leaf = name.rpartition(".")
        owner = module.get_submodule(owner_name)
        places.append((owner, leaf, owner._parameters[leaf]))
        owner._parameters[leaf] = value
    try:
        yield
    finally:
        for owner, leaf, parameter in places:
            owner._parameters[leaf] = parameter


def check_rows(case: Case, tolerance: float = 1e-9) -> None:
    """A row by itself gives what it gives within a batch."""
    module = build(case)
    if module is not None:
        module.double()
    inputs = draw(case)
    size = next(len(x) for x in inputs if isinstance(x, Tensor) and x.dim())
    assert size >= 2, "the case needs at least two rows"
    with mode(case, module), torch.no_grad():
        whole = tensors(run(case, module, inputs))
        for row in (0, size - 1):
            single = tuple(
                x[row : row + 1] if isinstance(x, Tensor) and x.dim() and len(x) == size else x for x in inputs
            )
            for index, (all_rows, one) in enumerate(zip(whole, tensors(run(case, module, single)), strict=True)):
                axes = [a for a in range(one.dim()) if one.shape[a] == 1 and all_rows.shape[a] == size]
                assert axes, f"output {index} {tuple(all_rows.shape)} has no batch axis: rows=False, if that is meant"
                gap = differ(one.double().numpy(), all_rows.narrow(axes[0], row, 1).double().numpy())
                assert gap <= tolerance, f"output {index}, row {row}: differs by {gap:.3g} when it is alone"


def check_causal(case: Case) -> None:
    """What comes after time t (axis 1) changes nothing at times up to t, and something after it."""
    module = build(case).double()
    inputs, others = draw(case), draw(case, seed=1)
    size, length = next(x.shape[:2] for x in inputs if isinstance(x, Tensor) and x.dim() >= 2)
    assert length >= 3, "the case needs at least three time steps"
    with mode(case, module), torch.no_grad():
        before = tensors(run(case, module, inputs))
        timed = [i for i, leaf in enumerate(before) if leaf.dim() >= 2 and leaf.shape[:2] == (size, length)]
        assert timed, "no output has the time axis"
        for cut in (1, length // 2, length - 1):
            mixed = tuple(
                torch.cat([x[:, :cut], y[:, cut:]], 1)
                if isinstance(x, Tensor) and x.dim() >= 2 and x.shape[:2] == (size, length)
                else x
                for x, y in zip(inputs, others, strict=True)
            )
            after = tensors(run(case, module, mixed))
            for index in timed:
                same = torch.equal(before[index][:, :cut], after[index][:, :cut]) or torch.allclose(
                    before[index][:, :cut].double(), after[index][:, :cut].double(), rtol=1e-12, atol=1e-12
                )
                assert same, f"output {index} before time {cut} depends on inputs from there on"
            moved = any(not torch.equal(before[i][:, cut:], after[i][:, cut:]) for i in timed)
            assert moved, "the output does not depend on the inputs: the contract is empty"


def check_save(case: Case) -> None:
    """Another instance that loads the state dict gives the same bits; so does a deep copy."""
    module, other = build(case), build(case, 1)
    saved = {k: v.clone() if isinstance(v, Tensor) else copy.deepcopy(v) for k, v in module.state_dict().items()}
    with torch.no_grad():
        for value in [*other.parameters(), *other.buffers()]:
            if value.is_floating_point():
                value.fill_(0.123)
    result = other.load_state_dict(saved, strict=True)
    assert result is None or not (result.missing_keys or result.unexpected_keys)
    inputs = draw(case, torch.float32)
    for model in (module, other):
        model.train(case.training)
    twin = copy.deepcopy(module)
    with torch.no_grad():
        expected = tensors(run(case, module, inputs))
        for name, model in (("the loaded module", other), ("a deep copy", twin)):
            for index, (a, b) in enumerate(zip(expected, tensors(run(case, model, inputs)), strict=True)):
                assert torch.equal(a, b), f"output {index} of {name} differs: state is missing in the state dict"


def keys_of(case: Case) -> dict[str, list]:
    """Names, shapes and types of a module's state."""
    state = build(case).state_dict()
    return {
        name: [list(value.shape), str(value.dtype).removeprefix("torch.")] if isinstance(value, Tensor) else ["extra"]
        for name, value in state.items()
    }


def check_keys(case: Case, kept: dict[str, dict[str, list]] | None = None) -> None:
    """The state dict has the keys, shapes and types of the golden file: saved models stay loadable."""
    stem = file_of(case)
    kept, hint = golden.read("keys", stem) or {} if kept is None else kept, golden.regenerate("keys", stem)
    assert case.name in kept, f"{case.name} has no golden keys; {hint}"
    expected, found = kept[case.name], keys_of(case)
    gone, new = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    changed = sorted(name for name in expected.keys() & found.keys() if expected[name] != found[name])
    assert not (gone or new or changed), f"keys gone {gone}, new {new}, changed {changed}; {hint}"


def file_of(case: Case) -> str:
    """The stem of the case file that holds a case; the case's name if none does."""
    return files_of_cases().get(case.name, case.name)


@cache
def files_of_cases() -> dict[str, str]:
    return {
        case.name: stem
        for stem, module in case_modules().items()
        for case in (*getattr(module, "CASES", ()), *getattr(module, "FUNCTIONS", ()))
    }


def check_bf16(case: Case) -> None:
    """Under bf16 autocast the outputs stay near those of fp32, and gradients finite."""
    module = build(case).train(case.training)
    inputs = draw(case, torch.float32)
    with torch.no_grad():
        exact = tensors(run(case, module, inputs))
    try:
        with torch.autocast("cpu", torch.bfloat16):
            rounded = tensors(run(case, module, inputs))
            total = scalar(rounded)
    except RuntimeError as error:
        if has_bf16("cpu") or "primitive descriptor" not in str(error):
            raise
        pytest.skip("torch has no kernel in bf16 for this on this processor")
    for index, (a, b) in enumerate(zip(exact, rounded, strict=True)):
        if a.is_floating_point() and a.numel():
            a, b = a.double(), b.detach().double()
            scale = max(float(a.abs().max()), 1e-6)
            gap = float((a - b).abs().max()) / scale
            assert gap <= 0.08, f"output {index}: bf16 differs by {gap:.3g} of the largest entry"
    if total.requires_grad:
        total.backward()
        bad = [n for n, p in module.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
        assert not bad, f"under bf16 the gradient of {', '.join(bad)} is not finite"


def check_compile(case: Case, backend: str = "inductor") -> None:
    """`torch.compile` gives what eager gives, and the same gradients."""
    torch._dynamo.reset()
    module = build(case).train(case.training)
    compiled_module = copy.deepcopy(module)
    inputs = draw(case, torch.float32)
    call = case.call or (lambda m, *x: m(*x))
    compiled = torch.compile(lambda *x: call(compiled_module, *x), backend=backend)
    torch.manual_seed(1)
    actual = compiled(*inputs)
    _same(run(case, module, inputs), actual, 1e-5, "compiled")
    expected = run(case, module, inputs)
    if scalar(expected).requires_grad:
        scalar(expected).backward()
        scalar(actual).backward()
        for (name, a), b in zip(module.named_parameters(), compiled_module.parameters(), strict=True):
            if a.grad is not None:
                assert b.grad is not None, f"compiled: {name} gets no gradient"
                gap = differ(b.grad.double().numpy(), a.grad.double().numpy())
                assert gap <= 1e-4, f"compiled: the gradient of {name} differs by {gap:.3g}"


def check_export(case: Case) -> None:
    """`torch.export` gives a program that computes what eager computes, on other inputs too."""
    module = build(case).eval()

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, *x: Any) -> Any:
            return case.call(self.inner, *x) if case.call else self.inner(*x)

    inputs = draw(case, torch.float32)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.export.export(Wrapped().eval(), inputs, strict=False).module()
        for seed in (0, 1):
            given = draw(case, torch.float32, seed)
            torch.manual_seed(1)
            _same(run(case, module, given), program(*given), 1e-5, "exported")


def _same(expected: Any, actual: Any, tolerance: float, what: str) -> None:
    expected, actual = tensors(expected), tensors(actual)
    assert len(expected) == len(actual), f"{what}: {len(actual)} outputs, eager gives {len(expected)}"
    for index, (a, b) in enumerate(zip(expected, actual, strict=True)):
        assert a.shape == b.shape, f"{what}: output {index} has shape {tuple(b.shape)}, eager {tuple(a.shape)}"
        gap = differ(b.detach().double().numpy(), a.detach().double().numpy())
        assert gap <= tolerance, f"{what}: output {index} differs by {gap:.3g} from eager"


CHECKS = {
    "finite": check_finite,
    "gradients": check_gradients,
    "oracle": check_oracle,
    "gradcheck": check_gradcheck,
    "rows": check_rows,
    "causal": check_causal,
    "save": check_save,
    "keys": check_keys,
    "bf16": check_bf16,
    "compile": check_compile,
    "export": check_export,
}
