"""Tab completion, asked as a shell asks it."""

import shutil
import subprocess

import pytest

from deepcanon import heads
from deepcanon.cli import COMMANDS, main

ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
_shtab_deepcanon deepcanon
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("completion") / "deepcanon.bash"
    with pytest.MonkeyPatch.context() as patch:
        lines = []
        patch.setattr("builtins.print", lambda *words, **more: lines.extend(map(str, words)))
        assert main(["completion", "bash"]) == 0
    path.write_text("\n".join(lines))
    return path


def completed(script, *words):
    done = subprocess.run(["bash", "-c", ASK, "ask", script, "deepcanon", *words], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return set(done.stdout.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine")
def test_commands_recipes_options_and_choices_are_completed(script):
    assert set(COMMANDS) <= completed(script, "")
    assert completed(script, "train", "convn") == {"convnet"}
    names = {stem.replace("_", "-") for stem in heads.stems()}
    assert names <= completed(script, "show", "") and names <= completed(script, "train", "")
    for stem in ("convnet", "rnn_lm", "adagrad"):
        own = {f"--{option.name.replace('_', '-')}" for option in heads.head(stem).options}
        assert own <= completed(script, "train", stem.replace("_", "-"), "--")
    assert completed(script, "train", "mlp", "--precision", "") == {"auto", "fp32", "bf16"}
    assert completed(script, "runs", "") >= {"list", "compare", "remove"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script(shell, capsys):
    assert main(["completion", shell]) == 0
    assert "batch-norm" in capsys.readouterr().out


def test_a_shell_that_is_not_known_is_refused(capsys):
    assert main(["completion", "csh"]) == 2 and "invalid choice" in capsys.readouterr().err


def test_without_shtab_the_remedy_is_named(monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "shtab", None)
    assert main(["completion", "bash"]) == 2 and "pip install 'deepcanon[completion]'" in capsys.readouterr().err
