"""What a case is, and where the cases are: every `tests/cases/<stem>.py`.

A case says how a module is built, what goes in, and what the independent oracle says comes out. All contracts of
`contract/modules.py` are run over every case, so a new system gets them by adding its files.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent.parent / "cases"


@dataclass(frozen=True)
class Case:
    """A module (or, with `build=None`, a pure function) under its contracts."""

    name: str
    build: Callable[[], Any] | None
    """Makes the module; called under a fixed seed."""
    inputs: Callable[[np.random.Generator], tuple]
    """Draws NumPy arrays (float64, int64, bool), batch first; anything else is handed on as it is."""
    oracle: Callable[..., Any] | None = None
    """(parameters as float64 arrays by name, *inputs) -> array, or a nest like the output's."""
    call: Callable[..., Any] | None = None
    """(module, *tensors) -> output; for a function: (*tensors) -> output. None calls the module."""
    rows: bool | None = None
    """Row i of the output depends on row i of the inputs only; by default so for modules."""
    causal: bool = False
    """Outputs at time t (axis 1) do not depend on inputs after t."""
    gradcheck: bool = True
    """Analytic gradients equal numerical ones, in inputs and parameters."""
    constants: tuple[int, ...] = ()
    """Places of inputs that carry no gradient by definition (a target, a mask)."""
    compile: bool = False
    """`torch.compile` equals eager (about ten seconds: only where it matters)."""
    export: bool = True
    """`torch.export` equals eager."""
    bf16: bool = True
    """Close to fp32 under bf16 autocast."""
    training: bool = False
    """The oracle describes training mode (batch statistics); eval mode otherwise."""
    covers: tuple[str, ...] = ()
    """Public names that this case is the test of, besides the module's class."""
    skips: Mapping[str, str] = field(default_factory=dict)
    """Contracts that cannot hold here, each with its reason."""

    def __post_init__(self) -> None:
        unknown = set(self.skips) - set(CONTRACTS)
        if unknown:
            raise ValueError(f"{self.name}: no such contract: {', '.join(sorted(unknown))}")
        if any(not reason.strip() for reason in self.skips.values()):
            raise ValueError(f"{self.name}: a skip needs a reason")

    def applies(self, contract: str) -> bool:
        """Whether a contract is to be checked on this case."""
        if contract in self.skips:
            return False
        if self.build is None and contract not in ("finite", "oracle", "gradcheck", "rows"):
            return False
        if contract == "rows":
            return self.build is not None if self.rows is None else self.rows
        if contract == "oracle":
            return self.oracle is not None
        return bool(getattr(self, contract, True))


CONTRACTS = (
    "finite", "gradients", "oracle", "gradcheck", "rows", "causal", "save", "keys", "bf16", "compile", "export",
)  # fmt: skip


@cache
def case_modules() -> dict[str, Any]:
    """Every case file, imported; an error of one is kept in its place, so that the others still run."""
    modules: dict[str, Any] = {}
    for found in sorted(pkgutil.iter_modules([str(FOLDER)]), key=lambda entry: entry.name):
        try:
            modules[found.name] = importlib.import_module(f"cases.{found.name}")
        except Exception as error:
            modules[found.name] = error
    return modules


def all_cases() -> list[Case]:
    """The cases of all files: modules and functions."""
    cases = []
    for module in case_modules().values():
        cases += [*getattr(module, "CASES", ()), *getattr(module, "FUNCTIONS", ())]
    return cases


def cases_for(contract: str) -> list[Case]:
    """The cases on which a contract is checked."""
    return [case for case in all_cases() if case.applies(contract)]
