"""Every contract of a module, over every case of `tests/cases`."""

import doctest
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from contract import modules
from contract.cases import CONTRACTS, all_cases, case_modules
from contract.files import ROOT, system_files

COMPILED = ("compile", "export")


def pairs(contracts):
    return [
        pytest.param(contract, case, id=f"{contract}-{case.name}")
        for case in all_cases()
        for contract in contracts
        if case.applies(contract)
    ]


def test_every_case_file_loads_and_names_are_unique():
    broken = {name: found for name, found in case_modules().items() if isinstance(found, Exception)}
    assert not broken, "\n".join(f"tests/cases/{name}.py: {type(e).__name__}: {e}" for name, e in broken.items())
    names = [case.name for case in all_cases()]
    assert len(set(names)) == len(names), sorted({name for name in names if names.count(name) > 1})


@pytest.mark.parametrize(("contract", "case"), pairs([c for c in CONTRACTS if c not in COMPILED]))
def test_contract(contract, case):
    modules.CHECKS[contract](case)


@pytest.mark.timeout(1200)  # all cases, one after the other
def test_compiled_and_exported_equal_eager(tmp_path):
    """In a process of its own: the run-time check of shapes, on in this one, is not part of the package."""
    script = Path(__file__).with_name("compiled.py")
    env = {**os.environ, "DEEPCANON_SHAPES": "off", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", str(script), "-q", "-p", "no:xdist", "--rootdir", str(ROOT)]
    command += ["--stem-seconds", "1000"]  # what is compiled here has no budget of its own
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.parametrize("path", system_files(), ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_the_docstring_example_runs(path):
    module = importlib.import_module(f"deepcanon.{path.parent.name}.{path.stem}")
    parsed = doctest.DocTestParser().get_doctest(module.__doc__ or "", dict(vars(module)), path.stem, str(path), 0)
    assert parsed.examples, f"{path.name}: the docstring has no example"
    results = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS).run(parsed)
    assert not results.failed
