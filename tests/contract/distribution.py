"""Which tests xdist gives to one worker: the contracts of one recipe, which share its smoke run; all others singly.

`--dist loadgroup` reads marks for this, which xdist 3.8 does not find under pytest 9.2: the scheduler goes by names.
"""

import re

import pytest

CONTRACTS = re.compile(r"contract/test_recipes\.py::\w+\[(\w+)")  # ...[mlp] or ...[mlp-images]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class ByRecipe(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return unit_of(nodeid)

    return ByRecipe(config, log) if config.getvalue("dist") == "loadgroup" else None


def unit_of(nodeid):
    """The tests that stay together have one and the same unit."""
    found = CONTRACTS.search(nodeid)
    return found[1] if found else nodeid
