"""The reader of recordings with transcripts: both forms, what is told, ten broken folders, and altered files."""

import os
import random
import shutil

import pytest
import torch
from altered_files import altered
from sound_files import damaged, pcm, tone, write

from deepcanon.cli import main
from deepcanon.data import DataError, check, open_data, read_inputs
from deepcanon.data.sequences import UNASKED

NONE = {"valid_share": 0.0, "test_share": 0.0}
FILES = int(os.environ.get("DEEPCANON_FUZZ", "200"))


def speech(path, skip_bad=False, **options):
    return open_data(("speech",), str(path), options={"speech": {**NONE, **options}}, skip_bad=skip_bad)


def said(data, row=0, split="train"):
    part, symbols = data[split], data.facts["symbols"]
    return [symbols[k] for k in part.y[row].tolist() if k != UNASKED]


def next_to(folder, **texts):
    for name, text in texts.items():
        write(folder / f"{name}.wav", pcm(tone(300)))
        write(folder / f"{name}.txt", text.encode())
    return folder


def in_a_table(folder, content, names="abc"):
    for name in names:
        write(folder / f"{name}.wav", pcm(tone(300)))
    write(folder / "metadata.csv", content.encode())
    return folder


def test_texts_next_to_recordings(tmp_path):
    data = speech(next_to(tmp_path / "anna", b="no  way\n", a="On"))
    assert data["train"].x.names == ["a.wav", "b.wav"] and said(data) == ["O", "n"] and said(data, 1) == list("no way")
    assert data.facts["symbols"] == sorted(set("Onno way")) and data["train"].y[0].tolist()[2:] == [UNASKED] * 4
    assert "transcripts: characters, letters as written" in data.notes
    assert "blanks: several in a row are read as one, in 1 transcripts" in data.notes
    lower = speech(tmp_path, spelling="words", letter_case="lower")
    assert said(lower, 1) == ["no", "way"] and said(lower) == ["on"]
    assert "transcripts: words, letters in lower case" in lower.notes


def test_a_table_with_splits_and_a_column_of_another_name(tmp_path):
    rows = "file,said,split,speaker\na.wav,yes,train,x\nb.wav,yes,test,x\nc.wav,007,train,y\n"
    folder = in_a_table(tmp_path, rows)
    with pytest.raises(DataError, match="says of no recording what is said in it"):
        speech(folder)
    data = speech(folder, transcript_column="Said")
    assert data.counts() == {"train": 2, "test": 1} and said(data, 1) == ["0", "0", "7"]  # not the number 7
    assert any("transcript by column said" in note and "columns not used: speaker" in note for note in data.notes)
    with pytest.raises(DataError, match=r"has no column heard; name one that it has with --transcript-column"):
        speech(folder, transcript_column="heard")


def test_one_recording_is_not_cut_in_time(tmp_path):
    assert open_data(("speech",), str(next_to(tmp_path, a="yes"))).counts() == {"train": 1}


def two_lines(folder):
    return next_to(folder, a="yes", b="no\n\nmaybe\n")


BROKEN = {
    "no text": (lambda f: write(next_to(f, a="x") / "b.wav", pcm(tone())), r"b\.wav: has no b\.txt next to it; write"),
    "empty text": (lambda f: next_to(f, a="x", b=" \n"), r"b\.wav: b\.txt: has an empty transcript; write what"),
    "two lines": (two_lines, r"b\.txt: line 3: has 2 lines, and a transcript is one; write it in one line"),
    "not UTF-8": (lambda f: write(next_to(f, a="x", b="y") / "b.txt", b"caf\xe9"), r"b\.txt: byte 3 .*0xe9 is not"),
    "truncated sound": (lambda f: write(next_to(f, a="x", b="y") / "b.wav", pcm(tone(800))[:900]), "was cut short"),
    "another rate": (
        lambda f: write(next_to(f, a="x", b="y", c="x") / "b.wav", pcm(tone(), rate=16000)), "has 16,000 samples a",
    ),
    "no transcript": (
        lambda f: in_a_table(f, "file,transcript\na.wav,x\nb.wav,\nc.wav,x\n"), "line 3: has no transcript; write one",
    ),
    "no such file": (
        lambda f: in_a_table(f, "file,transcript\na.wav,x\nd.wav,x\nb.wav,x\nc.wav,x\n"), r"line 3: names 'd\.wav'",
    ),
    "no row": (lambda f: in_a_table(f, "file,transcript\na.wav,x\nb.wav,x\n"), r"c\.wav: has no row in metadata\.csv"),
    "unknown symbol": (
        lambda f: in_a_table(f, "file,transcript,split\na.wav,x,train\nb.wav,xy,test\nc.wav,x,train\n"),
        r"b\.wav: line 3: says 'y', which is in no transcript of train",
    ),
    "no sounds": (lambda f: write(f / "a.txt", b"x"), r"holds no WAV file"),
    "twice": (lambda f: in_a_table(f, "file,transcript\na.wav,x\na.wav,y\nb.wav,x\nc.wav,x\n"), "line 3: names"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_folders_are_answered_by_one_line(tmp_path, capsys, kind):
    make, line = BROKEN[kind]
    make(tmp_path / "mine")
    with pytest.raises(DataError, match=line) as found:
        speech(tmp_path / "mine")
    assert len(str(found.value).splitlines()) == 1
    assert any(
        found.value.problems[0].what in str(problem) for problem in check(("speech",), str(tmp_path / "mine")).problems
    )
    assert main(["train", "ctc-speech", "--data", str(tmp_path / "mine"), "--out", str(tmp_path / "run")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1 and not (tmp_path / "run").exists()


def test_a_file_is_not_a_folder(tmp_path):
    with pytest.raises(DataError, match="is not a folder of WAV files; accepted is speech"):
        speech(write(tmp_path / "a.wav", pcm(tone())))


def test_the_rest_is_used_if_bad_files_are_skipped(tmp_path):
    data = speech(write(next_to(tmp_path, a="x", b="y", c="x") / "b.wav", b"RIFF").parent, skip_bad=True)
    assert data.counts() == {"train": 2} and data.facts["symbols"] == ["x"]


def test_a_transcript_longer_than_its_sound_is_named(tmp_path, capsys):
    """Equal neighbours need a blank between them: 4 symbols, 6 steps."""
    folder = next_to(tmp_path / "mine", a="x", b="xxxy")
    assert main(["train", "ctc-speech", "--data", str(folder), "--out", str(tmp_path / "run"), "--valid-share", "0",
                 "--test-share", "0"]) == 2  # fmt: skip
    line = capsys.readouterr().err
    assert "b.wav: its transcript needs 6 steps, its sound has 1: correct it, or let a step be shorter" in line
    assert len(line.strip().splitlines()) == 1 and not (tmp_path / "run").exists()


def test_altered_recordings_and_transcripts_enter_whole_or_not_at_all(tmp_path):
    """Every other one with an altered WAV file, the others with an altered transcript or table."""
    sounds, refused = damaged(FILES), 0
    for number in range(FILES):
        folder = tmp_path / str(number)
        if number % 2:
            in_a_table(folder, "file,transcript,split\na.wav,ja,train\nb.wav,nein,test\nc.wav,ja nein,train\n")
        else:
            next_to(folder, a="ja", b="nein", c="ja nein")
        if number % 4 < 2:
            (folder / "b.wav").write_bytes(next(sounds))
        else:
            target = folder / ("metadata.csv" if number % 2 else "b.txt")
            target.write_bytes(altered(target.read_bytes(), random.Random(number)))
        try:
            data = speech(folder)
        except DataError as error:
            refused += 1
            assert len(str(error).splitlines()) == 1 and str(error).isprintable()
        else:
            assert sum(data.counts().values()) == 3 and all(len(said(data, row)) for row in range(len(data["train"])))
        shutil.rmtree(folder)
    assert 0 < refused < FILES


def test_strings_of_digits_keep_their_recordings_apart():
    """The transcript is that of the recordings, and none of them is in two splits."""
    data = open_data(("speech",), "tone-strings")
    assert data.counts() == {"train": 400, "valid": 60, "test": 60} and data.facts["symbols"] == list("ABCDE")
    for row in range(20):
        assert "".join(said(data, row)) == data["train"].x.names[row].split("_")[0]
    lengths = (data["train"].y != UNASKED).sum(1)
    assert set(lengths.tolist()) == {3, 4, 5}
    again = open_data(("speech",), "tone-strings")
    assert data.fingerprint() == again.fingerprint() != open_data(("speech",), "tone-strings", seed=1).fingerprint()
    assert torch.equal(data["train"].x[3], again["train"].x[3])
    with pytest.raises(DataError, match="is generated at 8,000 samples a second; leave --sample-rate out"):
        speech("tone-strings", sample_rate=16000)


def test_what_is_answered_needs_no_transcripts_and_tells_what_it_skips(tmp_path):
    """A folder that was trained on, with more columns than one that might be a class."""
    folder = in_a_table(tmp_path, "file,transcript,class,label\na.wav,x,1,1\nb.wav,x,2,2\n")
    (folder / "c.wav").unlink()
    facts = speech(folder).facts
    write(folder / "c.wav", pcm(tone(300)))
    found = read_inputs("speech", facts, [str(folder)])
    assert len(found) == 3 and not found.refused  # c.wav, which the table does not have, too
    assert found.notes[0] == "not read: metadata.csv"


def test_symbols_of_drawn_splits_alone_are_told(tmp_path):
    folder = next_to(tmp_path, **{f"r{n}": f"{n}" for n in range(10)})
    data = open_data(("speech",), str(folder))
    known = {symbol for row in range(len(data["train"])) for symbol in said(data, row)}
    lost = [note for note in data.notes if note.startswith("symbols that no recording of train has")]
    assert len(lost) == 1 and all(repr(s) in lost[0] for s in set("0123456789") - known)
