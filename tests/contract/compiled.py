"""`torch.compile` and `torch.export` over the cases; started by `test_modules.py` in a process of its own."""

import pytest

from contract import modules
from contract.cases import all_cases


@pytest.mark.parametrize(
    ("contract", "case"),
    [
        pytest.param(contract, case, id=f"{contract}-{case.name}")
        for case in all_cases()
        for contract in ("compile", "export")
        if case.applies(contract)
    ],
)
def test_compiled(contract, case):
    modules.CHECKS[contract](case)


def test_nothing_left_out():
    """A tree without cases is not a failure."""
