"""Own data of the kind `documents`, for the contract of recipes."""

import numpy as np


def own_documents(folder):
    """Two classes of short texts, a file each."""
    random = np.random.default_rng(0)
    words = {"dark": ["night", "coal", "ink", "the", "and"], "light": ["snow", "sun", "été", "the", "and"]}
    for name, known in words.items():
        (folder / name).mkdir(parents=True)
        for index in range(40):
            (folder / name / f"{index}.txt").write_text(" ".join(random.choice(known, 12)) + ".", encoding="utf-8")
    return folder
