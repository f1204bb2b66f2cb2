"""A pytest plugin: what the tests of each system cost, the slowest at the end of a session, and a limit.

The limit is a number of seconds or, on a machine that is slower than the one it was measured on, a multiple of what the
tests of a system cost on average: there all systems cost more.

A test is a system's if the conftest has given it the property "stem". Seconds are CPU time, with that of child
processes, since a busy machine stretches the clock; they travel in the reports, so that xdist's workers are summed up.
"""

import collections
import resource
import time

import pytest

STEM_SECONDS = 30.0  # measured on two cores under a load of 4: 15 for the slowest, 3.5 on average
TIMES_THE_MEAN, ENOUGH = 8, 40  # a mean of so many systems or more says how fast a machine is
SHOWN = 8
SYSTEMS, CORES = 160, 2  # of the projection

spent = collections.defaultdict(float)  # stem -> CPU seconds; "" for all that belongs to no system
began = {}


def cpu():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def pytest_addoption(parser):
    text = "CPU seconds that the tests of one system may take together"
    parser.addoption("--stem-seconds", type=float, default=STEM_SECONDS, metavar="X", help=text)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    began[item] = cpu()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    """The time since the last report of this test goes with the next one."""
    now = cpu()
    item.user_properties.append(("cpu", now - began[item]))
    began[item] = now
    report = yield
    item.user_properties.pop()
    return report


def pytest_runtest_logreport(report):
    properties = dict(report.user_properties)
    spent[properties.get("stem", "")] += properties.get("cpu", 0.0)


def limit_of(seconds):
    """What the tests of one system may take."""
    costs = [cost for stem, cost in spent.items() if stem]
    return max(seconds, TIMES_THE_MEAN * sum(costs) / len(costs)) if len(costs) >= ENOUGH else seconds


def over(seconds):
    """The systems whose tests took more than that."""
    limit = limit_of(seconds)
    return sorted(stem for stem, cost in spent.items() if stem and cost > limit)


def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput") and over(session.config.option.stem_seconds):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    systems = {stem: cost for stem, cost in spent.items() if stem}
    limit = limit_of(config.option.stem_seconds)
    for stem in over(limit):
        terminalreporter.line(
            f"the tests of {stem} took {systems[stem]:.1f} s of CPU time: {limit:g} s at most", red=True
        )
    whole = config.args_source == pytest.Config.ArgsSource.TESTPATHS and not config.option.keyword
    if not whole or not systems:  # what chosen tests cost says nothing of all
        return
    mean, rest = sum(systems.values()) / len(systems), spent[""]
    slowest = sorted(systems, key=systems.get, reverse=True)[:SHOWN]
    shown = ", ".join(f"{stem} {systems[stem]:.1f}" for stem in slowest)
    minutes = (SYSTEMS * mean + rest) / CORES / 60
    terminalreporter.line(f"CPU seconds by system: {shown} (mean of {len(systems)}: {mean:.1f}; all else: {rest:.0f})")
    terminalreporter.line(f"projection: {SYSTEMS} systems take {minutes:.1f} minutes on {CORES} cores")
