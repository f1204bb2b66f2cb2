"""Own data of the kind `point_sets`, for the contract of recipes."""

import numpy as np


def own_point_sets(folder, sets=40):
    """A file of sets of four or five points."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"s{n},{x:.5f},{y:.5f}" for n in range(sets) for x, y in random.random((4 + n % 2, 2))]
    (folder / "points.csv").write_text("set,x,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return folder / "points.csv"
