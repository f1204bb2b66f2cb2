"""Own data of the kind `dialogues`, for the contract of recipes."""


def own_dialogues(folder):
    """A file of short dialogues, most of which occur several times."""
    folder.mkdir(parents=True)
    lines = [f"Hello, I am {name}.__eou__Hello, {name}!__eou__\n" for name in 40 * ["Ann", "Bob", "Eve"]]
    (folder / "talk.txt").write_text("".join(lines), encoding="utf-8")
    return folder / "talk.txt"


def asked_dialogues(folder):
    """Two files with a dialogue each, one of them with a word that is not known."""
    folder.mkdir()
    for number, text in enumerate(("Hello, I am Eve. __eou__ Hello, Eve!\n", "Hello __eou__ Who am I? __eou__ Bob.\n")):
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    return [str(path) for path in sorted(folder.iterdir())]
