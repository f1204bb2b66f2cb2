"""Writes golden files again: `python tests/golden/regenerate.py keys|traces|cli [STEM ...]`. Look at the difference.

keys: names, shapes and types in the state dicts of a case file. traces: the first losses of a recipe. cli: the options
of a recipe, and under the name "commands" those of the command line itself. Without stems: all, and the files of stems
that are gone are removed.
"""

import os
import sys
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from contract import golden


def keys(stem: str) -> dict | None:
    from contract.cases import case_modules
    from contract.modules import keys_of

    cases = {case.name: case for case in getattr(case_modules()[stem], "CASES", ()) if case.applies("keys")}
    return {name: keys_of(cases[name]) for name in sorted(cases)} or None


def traces(stem: str) -> dict:
    from contract.recipes import golden_trace, trainee

    return golden_trace(trainee(stem))


def cli(name: str) -> dict:
    from contract import surface

    return surface.commands() if name == "commands" else surface.options_of(name)


def every(what: str) -> list[str]:
    from contract.cases import case_modules

    from deepcanon import heads

    if what == "keys":
        return list(case_modules())
    return [*heads.stems(), "commands"] if what == "cli" else heads.stems()


MADE_BY = {"keys": keys, "traces": traces, "cli": cli}


def main(what: str, stems: list[str]) -> None:
    for stem in stems or every(what):
        content = MADE_BY[what](stem)
        if content is not None:
            golden.write(what, stem, content)
    if not stems:
        for path in (golden.FOLDER / what).glob("*.json"):
            if path.stem not in every(what):
                path.unlink()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in MADE_BY:
        sys.exit(__doc__)
    main(sys.argv[1], [name.replace("-", "_") for name in sys.argv[2:]])
