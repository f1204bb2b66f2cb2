"""A run that is measured on other data: these are read and numbered as its own were, or refused in one line."""

import pytest
from sound_files import pcm, tone, write

from deepcanon import heads
from deepcanon.data.errors import DataError
from deepcanon.errors import UsageError
from deepcanon.resolving import opener, settle


def reopened(name, own, other):
    """(facts of the run's own data, other data as the run reads them)."""
    head, (config, settings) = heads.head(name), settle(name, "smoke", {"data": str(own)})
    facts = opener(head)(config, settings).describe()
    return facts, opener(head, str(other), lambda: {"reader": facts})(config, settings)


def spoken(folder, transcript, rate=8000):
    for number in range(10):
        write(folder / f"{number}.wav", pcm(tone(rate // 10, rate), rate))
        (folder / f"{number}.txt").write_text(transcript)
    return folder


def rows(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_transcripts_have_the_numbers_of_the_symbols_that_were_learned(tmp_path):
    own = spoken(tmp_path / "own", "abc")
    facts, data = reopened("ctc-speech", own, spoken(tmp_path / "few", "cb"))
    assert data["test"].y[0].tolist() == [2, 1] and data.describe()["symbols"] == facts["symbols"]
    with pytest.raises(DataError, match=r"0.txt: says 'x', which the run has not learned; correct it"):
        reopened("ctc-speech", own, spoken(tmp_path / "more", "ax"))
    with pytest.raises(UsageError, match=r"^\S+fast has 16000 samples a second; the run learned from 8000 samples"):
        reopened("wavenet", own, spoken(tmp_path / "fast", "abc", 16000))


def test_classes_have_the_numbers_that_were_learned(tmp_path):
    own = rows(tmp_path / "own.csv", "text,label\n" + "good,pos\nbad,neg\n" * 20)
    one = rows(tmp_path / "one.csv", "text,label\n" + "good,pos\n" * 20)
    assert set(reopened("text-cnn", own, one)[1]["test"].y.tolist()) == {1}
    with pytest.raises(UsageError, match=r"none.txt has no classes; the run knows neg, pos"):
        reopened("text-cnn", own, rows(tmp_path / "none.txt", "good\n" * 20))
    with pytest.raises(UsageError, match=r"strange.csv has the classes neu; the run knows neg, pos"):
        reopened("text-cnn", own, rows(tmp_path / "strange.csv", "text,label\n" + "hm,neu\n" * 20))
    trees = rows(tmp_path / "own.tree", "(0 (1 a) (2 b))\n(2 (1 a) (0 c))\n" * 9)
    few = rows(tmp_path / "few.tree", "(2 (1 a) (2 b))\n" * 9)
    assert reopened("rntn", trees, few)[1]["test"].y.tolist() == [2]


def test_points_are_solved_as_those_that_were_learned_and_kinds_are_not_mixed(tmp_path):
    points = "".join(f"{n},{x},{y}\n" for n in range(12) for x, y in ((0, 0), (4, 1), (3, 5), (2, 2)))
    path = rows(tmp_path / "p.csv", f"set,x,y\n{points}")
    facts, data = reopened("pointer-network", "travelling-salesman", path)
    assert facts["problem"] == "tour" and data["test"].y[0].tolist() == [0, 1, 2, 3]  # the hull has three corners
    series = rows(tmp_path / "s.csv", "v\n" + "".join(f"{(7 * n) % 11}\n" for n in range(40)))
    with pytest.raises(UsageError, match=r"ar2 is read as sequences; the run learned from series"):
        reopened("mixture-density-rnn", series, "ar2")
