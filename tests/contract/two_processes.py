"""Started by torchrun: takes some steps of recipes in several processes and leaves the models in a folder.

    torchrun --nproc-per-node 2 tests/contract/two_processes.py FOLDER NAME...

A NAME is a recipe's stem, or `toys.NAME` for one of `contract/toys.py`.
"""

import os
import sys
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import safetensors.torch

from contract import recipes, toys
from deepcanon.engine import processes


def main(folder, names):
    processes.join()
    for name in names:
        of = toys.TOYS[name.removeprefix("toys.")] if name.startswith("toys.") else recipes.trainee(name)
        try:
            model = recipes.final_state(of)
        except Exception as error:
            # Said by its file; the other process may wait for this one, so the run ends here.
            Path(folder, f"{name}.error").write_text(f"{type(error).__name__}: {error}")
            raise
        if processes.rank() == 0:
            tensors = {key: value.contiguous().clone() for key, value in model.items()}
            safetensors.torch.save_file(tensors, Path(folder, f"{name}.safetensors"))
    processes.leave()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
    # torch's threads sometimes abort the interpreter while it is taken down ("terminate called without an active
    # exception"); all is written, so it is not taken down.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
