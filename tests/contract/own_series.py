"""Own data of the kind `series`, for the contract of recipes."""

from datetime import date, timedelta

import numpy as np


def own_series(folder):
    """A CSV of 300 days: a wave, what follows it, and a column of words."""
    random = np.random.default_rng(0)
    wave = 20 + 5 * np.sin(np.arange(300) / 7) + random.normal(size=300)
    follower = 1000 + 30 * wave + 20 * random.normal(size=300)
    lines = ["day,degrees,sold,place"]
    for row in range(300):
        lines.append(f"{date(2023, 1, 1) + timedelta(row)},{wave[row]:.2f},{follower[row]:.1f},here")
    folder.mkdir(parents=True)
    (folder / "sales.csv").write_text("\n".join(lines) + "\n")
    return folder / "sales.csv"
