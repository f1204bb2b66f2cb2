"""What a terminal shows of a run: bar, step, rate and time left at any width; metrics as far as they fit."""

import fcntl
import os
import pty
import re
import struct
import sys
import termios

import pytest

from deepcanon.engine.progress import Progress, fitting

PROGRAM = """
from deepcanon.engine.progress import Progress
bar = Progress(0, 1200)
bar.metrics({f"valid/metric_{i}": 0.123456 for i in range(5)})
bar.shown = 0.0
bar.advance(700)
bar.close(1200)
"""


def on_a_terminal(width):
    """The lines that the program above leaves on a terminal of so many columns."""
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        os.execve(sys.executable, [sys.executable, "-c", PROGRAM], {**environment, "TERM": "xterm"})
    seen = b""
    while True:
        try:
            got = os.read(terminal, 65536)
        except OSError:  # the terminal is gone
            break
        if not got:
            break
        seen += got
    os.close(terminal)
    assert os.waitpid(child, 0)[1] == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.decode())
    return [line.rstrip() for line in re.split(r"[\r\n]+", text) if line.strip()]


@pytest.mark.parametrize(("width", "metrics"), [(60, 0), (80, 1), (120, 2), (240, 5)])
def test_metrics_give_way_before_step_rate_and_time(width, metrics):
    lines = on_a_terminal(width)
    assert all(len(line) <= width for line in lines)
    last = lines[-1]
    assert re.search(r"\d+/1200 [\d.e+]+ steps/s [\d:-]+", last), last
    assert last.count("valid/metric") == metrics, last


def test_no_metric_is_cut_in_two():
    assert fitting(["loss 0.5", "error 0.25"], 20) == "loss 0.5, error 0.25"
    assert fitting(["loss 0.5", "error 0.25"], 19) == "loss 0.5"
    assert fitting(["loss 0.5"], 7) == "" and fitting([], 10) == ""


def test_without_a_terminal_there_are_plain_lines(capsys):
    bar = Progress(0, 100)
    bar.metrics({"train/loss": 0.5, "words": "no number"})
    bar.advance(10)
    assert capsys.readouterr().err == "", "not more often than every ten seconds"
    bar.shown -= 11
    bar.advance(50)
    bar.close(100)
    first, last = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"step 50/100, .* steps/s, .* left, train/loss 0.5", first)
    assert re.fullmatch(r"step 100/100 after .*, train/loss 0.5", last)
