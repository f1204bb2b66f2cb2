"""Writes the golden files anew: `python tests/golden/regenerate.py keys|traces|all [STEM ...]`. Look at the difference.

keys: names, shapes and types in the state dict of every case. traces: the first losses of every recipe; with stems, of
those recipes only.
"""

import json
import os
import sys
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]
os.environ.setdefault("OMP_NUM_THREADS", "1")


def keys() -> None:
    from contract.cases import all_cases
    from contract.modules import KEYS, keys_of

    golden = {case.name: keys_of(case) for case in all_cases() if case.applies("keys")}
    rows = [f' "{name}": {json.dumps(golden[name])}' for name in sorted(golden)]
    KEYS.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def traces(stems: list[str]) -> None:
    from contract.recipes import TRACES, all_recipes, golden_trace, trainee

    golden = json.loads(TRACES.read_text(encoding="utf-8")) if stems else {}
    for recipe in map(trainee, stems) if stems else all_recipes():
        golden[recipe.name] = golden_trace(recipe)
    rows = [f' "{name}": {json.dumps(golden[name])}' for name in sorted(golden)]
    TRACES.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what not in ("keys", "traces", "all"):
        sys.exit(__doc__)
    if what in ("keys", "all"):
        keys()
    if what in ("traces", "all"):
        traces([name.replace("-", "_") for name in sys.argv[2:]])
