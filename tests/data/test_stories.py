"""Stories with questions: in every accepted form, what is wrong with them, and 2,000 files that were altered."""

import os
import random
import re

import pytest
import torch

from deepcanon.cli import main
from deepcanon.data import catalogue, check, kinds_of, open_data, read_inputs
from deepcanon.data.errors import DataError
from deepcanon.data.tasks.planted_stories import PLACES

WHOLE = """1 Mary moved to the bathroom.
2 John went to the hallway.
3 Where is Mary?\tbathroom\t1
4 Mary took the apple.
5 Mary took the football.
6 What is Mary carrying?\tapple,football\t4 5
1 John left.
2 Did John leave?\tyes\t1
"""


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def opened(path, skip_bad=False, **options):
    chosen = {"valid_share": 0, "test_share": 0, **options}
    return open_data(("stories",), str(path), options={"stories": chosen}, skip_bad=skip_bad)


def stories(count, start=0):
    return "".join(
        f"1 A{n} came.\n2 Who came?\ta{n}\t1\n3 B left.\n4 Who left?\tb\t3\n" for n in range(start, start + count)
    )


def test_questions_with_their_stories_answers_and_support(tmp_path):
    data = opened(write(tmp_path / "mine.txt", WHOLE))
    first, second, third = data["train"].x
    assert first.story == ("Mary moved to the bathroom.", "John went to the hallway.") and first.support == (0,)
    assert (first.text, first.answer, first.line, first.task) == ("Where is Mary?", "bathroom", 3, "mine")
    # the question among the lines is no sentence of the story, and two answers are one label
    assert second.story[2:] == ("Mary took the apple.", "Mary took the football.") and second.support == (2, 3)
    assert second.answer == "apple,football" and third.story == ("John left.",)
    assert data.facts == {"tasks": ["mine"], "sentences": 4} and "train 2 (3 questions)" in data.notes[0]


def test_the_same_stories_in_every_form(tmp_path):
    write(tmp_path / "one" / "train.txt", stories(6))
    write(tmp_path / "one" / "test.txt", stories(2, 6))
    one = opened(tmp_path / "one")
    assert one.counts() == {"train": 12, "test": 4} and one.facts["tasks"] == ["one"]
    for task in ("qa10_last", "qa2_first"):
        write(tmp_path / "many" / f"{task}_train.txt", stories(6))
        write(tmp_path / "many" / f"{task}_test.txt", stories(2, 6))
    write(tmp_path / "many" / "readme.md", "what this is")
    many = opened(tmp_path / "many")
    assert many.facts["tasks"] == ["qa2_first", "qa10_last"] and many.counts() == {"train": 24, "test": 8}
    assert any("not read: readme.md" in note for note in many.notes)
    assert opened(tmp_path / "many", tasks=("qa10",)).facts["tasks"] == ["qa10_last"]
    with pytest.raises(DataError, match="there is no task 'qa3'; --tasks takes some of qa2_first, qa10_last"):
        opened(tmp_path / "many", tasks=("qa3",))
    write(tmp_path / "plain" / "b.txt", stories(1))
    write(tmp_path / "plain" / "a.txt", stories(1))
    assert opened(tmp_path / "plain").facts["tasks"] == ["a", "b"]
    windows = tmp_path / "w.txt"
    windows.write_bytes(b"\xef\xbb\xbf" + stories(6).replace("\n", "\r\n").encode())
    assert [q.text for q in opened(windows)["train"].x] == [q.text for q in one["train"].x]


def test_held_out_stories_are_whole(tmp_path):
    data = opened(write(tmp_path / "t.txt", stories(40)), valid_share=0.1, test_share=0.2)
    assert data.counts() == {"train": 56, "valid": 8, "test": 16}
    beginnings = {split: {q.story[0] for q in part.x} for split, part in data.splits.items()}
    assert not beginnings["train"] & (beginnings["valid"] | beginnings["test"])
    assert any("drawn by the seed, whole stories" in note for note in data.notes)
    other = open_data(("stories",), str(tmp_path / "t.txt"), seed=1)
    assert other.fingerprint() != data.fingerprint()


def test_what_a_model_has_seen_and_what_not_is_told(tmp_path):
    write(tmp_path / "d" / "train.txt", stories(3))
    write(tmp_path / "d" / "test.txt", stories(2, 2))
    notes = opened(tmp_path / "d").notes
    assert "questions of test that are in train too, after the same story: 2" in notes
    assert "questions of test whose answer no question of train has: 1" in notes


BROKEN = {
    "no number": ("1 A.\nB.\n3 Q?\ta\t1\n", r"line 2: begins with 'B.', not with a number"),
    "jump": ("1 A.\n3 Q?\ta\t1\n", "line 2: is numbered 3, but follows line 1 of its story; number the lines"),
    "late": ("4 A.\n5 Q?\ta\t1\n", "line 1: is numbered 4, but begins a story"),
    "no tab": ("1 A.\n2 Where is A?\n", "line 2: ends in a question mark, but has no tab .* write: number, blank"),
    "no tab after a mark of full width": (
        "1 甲在這裡。\n2 甲在哪裡？\n",
        "line 2: ends in a question mark, but has no tab",
    ),
    "no answer": ("1 A.\n2 Q?\t\t1\n", "line 2: has a question without an answer"),
    "no question": ("1 A.\n2 Q?\ta\t1\n1 B.\n2 C.\n", "line 3: begins a story without a question; add one"),
    "empty question": ("1 A.\n2 \ta\t1\n", "line 2: has no question before its tab"),
    "blanks for a tab": ("1 A.\n2 Where? hall  \t1\n", "line 2: has words between its question mark and its first tab"),
    "no tab before an answer": (
        "1 甲在這裡。\n2 甲在哪裡？這裡\t1\n",
        "line 2: has words between its question mark and",
    ),
    "support later": ("1 A.\n2 Q?\ta\t3\n3 B.\n", "line 2: names line 3 as support, which does not come before"),
    "support question": ("1 A.\n2 Q?\ta\t1\n3 R?\ta\t2\n", "line 3: names line 2 as support, which is a question"),
    "support word": ("1 A.\n2 Q?\ta\tone\n", "line 2: names 'one' as a supporting line"),
    "tabs": ("1 A.\n2 Q?\ta\t1\t2\n", "line 2: has 3 tabs"),
    "early": ("1 Q?\ta\n", "line 1: asks before its story has said anything"),
    "blank": ("1 A.\n2  \n3 Q?\ta\t1\n", "line 2: says nothing after its number"),
    "empty": ("\n \n", "is empty; give a file of numbered lines"),
    "binary": ("1 A\0.\n", "holds a NUL byte"),
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_what_is_wrong_is_said_in_one_line(tmp_path, name):
    content, said = BROKEN[name]
    path = write(tmp_path / "t.txt", content)
    with pytest.raises(DataError, match=said) as error:
        opened(path)
    assert len(str(error.value).splitlines()) == 1 and str(error.value).startswith(str(path))
    assert any(re.search(said, str(problem)) for problem in check(("stories",), str(path)).problems)


def test_folders_that_are_none_are_refused(tmp_path):
    write(tmp_path / "only" / "qa1_x_test.txt", WHOLE)
    with pytest.raises(DataError, match="is the test split of qa1_x, of which there is no train split"):
        opened(tmp_path / "only")
    write(tmp_path / "twice" / "a_train.txt", WHOLE)
    write(tmp_path / "twice" / "a-training.txt", WHOLE)
    with pytest.raises(DataError, match="is a second train split of a next to"):
        opened(tmp_path / "twice")
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"holds no \.txt file"):
        opened(tmp_path / "none")


def test_a_bad_story_can_be_left_out(tmp_path):
    path = write(tmp_path / "t.txt", "1 A.\n2 Q?\t\t1\n" + stories(3))
    data = opened(path, skip_bad=True)
    assert data.counts() == {"train": 6} and data.record["skipped"] == [f"{path}: line 2"]


def test_digits_of_every_alphabet_in_the_names_of_tasks(tmp_path):
    for name in ("qa²", "qa10", "qa2"):
        write(tmp_path / f"{name}_train.txt", stories(3))
    assert opened(tmp_path).facts["tasks"] == ["qa2", "qa10", "qa²"]


def test_stories_are_recognised(tmp_path, capsys):
    path = write(tmp_path / "t.txt", stories(20))
    assert "stories" in kinds_of(str(path)) and "stories" in kinds_of(str(tmp_path))
    assert "stories" not in kinds_of(str(write(tmp_path / "prose" / "t.txt", "1 thing is certain.\n")))
    assert main(["data", "check", str(path)]) == 0
    assert "stories: train 16 (32 questions), valid 2 (4 questions)" in capsys.readouterr().out


def test_questions_to_predict_need_no_answer(tmp_path):
    path = write(tmp_path / "ask.txt", "1 Mary came.\n2 Who came?\n3 Bob left.\n4 Who left? \tBob\n")
    found = read_inputs("stories", {"tasks": ["x"]}, [str(path)])
    assert found.names == [f"{path}:2", f"{path}:4"] and [q.answer for q in found.values] == ["", "Bob"]
    assert found.values[1].story == ("Mary came.", "Bob left.") and found.values[1].support == ()
    with pytest.raises(DataError, match="line 1: begins a story without a question"):
        read_inputs("stories", {}, [str(write(tmp_path / "none.txt", "1 Mary came.\n"))])


def test_what_of_a_folder_is_not_asked_about_is_told(tmp_path):
    first = write(tmp_path / "ask.txt", "1 Mary came.\n2 Who came?\n")
    write(tmp_path / "more" / "a.txt", "1 Bob left.\n2 Who left?\n")
    write(tmp_path / "more" / "notes.md", "x")
    (tmp_path / "more" / "inner").mkdir()
    found = read_inputs("stories", {}, [str(first), str(tmp_path / "more")])
    assert len(found) == 2 and found.notes == {1: "not read: inner/, notes.md"}
    with pytest.raises(DataError, match=r"inner: holds no \.txt file"):
        read_inputs("stories", {}, [str(first), str(tmp_path / "more" / "inner")])


def test_altered_files_are_read_or_refused_in_one_line(tmp_path):
    """2,000 files: nothing but the project's own error, and what is read is what a plain parser reads."""
    drawn, accepted, path = random.Random(0), 0, tmp_path / "t.txt"
    pieces = [
        "\t",
        "\n",
        " ",
        "1",
        "1 ",
        "0",
        "-1",
        "?",
        "\t\t",
        "9" * 30,
        "\r\n",
        "\0",
        "é",
        "\u2028",
        "²",
        "\ufeff",
        "٣",
        ",",
    ]
    for _ in range(int(os.environ.get("DEEPCANON_FUZZ", "2000"))):
        text = WHOLE * drawn.choice([1, 1, 2])
        for _ in range(drawn.choice([0, 1, 1, 2, 3])):
            at = drawn.randrange(len(text) + 1)
            kind = drawn.choice(["cut", "insert", "drop", "double", "swap"])
            if kind == "cut":
                text = text[:at]
            elif kind == "insert":
                text = text[:at] + drawn.choice(pieces) + text[at:]
            elif kind == "drop":
                text = text[:at] + text[at + drawn.randrange(1, 9) :]
            elif kind == "double":
                text = text[:at] + text[max(at - 20, 0) : at] + text[at:]
            else:
                lines = text.split("\n")
                drawn.shuffle(lines)
                text = "\n".join(lines)
        data = text.encode(drawn.choice(["utf-8"] * 6 + ["utf-16"]))
        if drawn.random() < 0.1 and data:
            at = drawn.randrange(len(data))
            data = data[:at] + bytes([drawn.randrange(256)]) + data[at + 1 :]
        path.write_bytes(data)
        skip = drawn.random() < 0.3
        try:
            found = opened(path, skip_bad=skip)
        except DataError as error:
            assert len(str(error).splitlines()) == 1 and str(error).isprintable() and "t.txt" in str(error)
            continue
        accepted += 1
        questions = found["train"].x
        assert all(q.story and q.text and q.answer and max(q.support, default=0) < len(q.story) for q in questions)
        if not skip:  # every line with a tab is a question that was read
            lines = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").split("\n")
            asked = [line.partition(" ")[2].split("\t") for line in lines if "\t" in line.strip("\n") and line.strip()]
            assert [(q.text, q.answer) for q in questions] == [(a[0].strip(), a[1].strip()) for a in asked]
    assert accepted > 200


def test_planted_stories_follow_from_their_support():
    data = open_data(("stories",), "planted-stories")
    assert data.facts["tasks"] == ["one-fact", "two-facts"] and data.counts() == {
        "train": 1000,
        "valid": 200,
        "test": 1000,
    }
    for question in data["train"].x:
        *_, last = moves = [
            n for n in question.support if question.story[n].endswith(f" went to the {question.answer}.")
        ]
        who, thing = question.story[last].split()[0], question.text.removesuffix("?").split()[-1]
        if question.task == "one-fact":  # the person's last move
            later = [n for n, one in enumerate(question.story) if n > last and one.startswith(f"{who} went")]
            assert question.support == (last,) and thing == who and not later
        else:  # a move, and what the same person did with the thing
            (did,) = set(question.support) - {last}
            assert len(moves) == 1 and question.story[did].split()[::3] == [who, f"{thing}."]
    answers = torch.tensor([PLACES.index(q.answer) for q in data["train"].x]).bincount(minlength=6)
    assert (answers.double() / 1000 - 1 / 6).abs().max() < 0.06  # by symmetry one in six


@pytest.mark.skipif(not os.environ.get("DEEPCANON_DATA"), reason="needs the published files")
def test_babi_as_it_is_published():
    if not all(catalogue_files().values()):
        pytest.skip("babi is not among the published files")
    data = open_data(("stories",), "babi", options={"stories": {"tasks": ("qa1", "qa8", "qa19"), "valid_share": 0}})
    assert data.counts() == {"train": 3000, "test": 3000} and data.facts["tasks"][1] == "qa8_lists-sets"
    assert any("," in q.answer for q in data["train"].x) and all(q.support for q in data["train"].x)
    assert check(("stories",), "babi").ok


def catalogue_files():
    from deepcanon.data import published

    assert catalogue.entry("babi").kind == "stories"
    return published.where("babi")
