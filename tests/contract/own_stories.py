"""Own data of the kind `stories`, for the contract of recipes."""

import numpy as np


def own_stories(folder, stories=40):
    """A file of stories: who went where, asked after every second sentence."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for _ in range(stories):
        places = dict.fromkeys(("Zoé", "Max"), "")
        for number in range(1, 7, 3):
            for line in (number, number + 1):
                who, place = random.choice(list(places)), random.choice(["zoo", "sea", "hill"])
                places[who] = place
                lines.append(f"{line} {who} went to the {place}.")
            lines.append(f"{number + 2} Where is {who}?\t{place}\t{number + 1}")
    (folder / "stories.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "stories.txt"


def asked_stories(folder):
    """Two files with a question each, one of them without an answer."""
    folder.mkdir()
    texts = "1 Max went to the sea.\n2 Where is Max?\n", "1 Zoé went to the zoo.\n2 Where is Zoé?\tzoo\t1\n"
    for number, text in enumerate(texts):
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    return [str(path) for path in sorted(folder.iterdir())]
