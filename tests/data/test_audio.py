"""The reader of sound: WAV files in every form, folders and tables, and what is said of files that cannot be used."""

import os

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly
from sound_files import coded, damaged, pcm, tone, write

from deepcanon.cli import main
from deepcanon.data import DataError, check, open_data, read_inputs, wav
from deepcanon.data import sounds as sounds_module

NONE = {"valid_share": 0.0, "test_share": 0.0}


def audio(path, skip_bad=False, **options):
    return open_data(("audio",), str(path), options={"audio": {**NONE, **options}}, skip_bad=skip_bad)


def one(path):
    return audio(path)["train"].x[0].double().numpy()


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_whole_numbers_of_every_width(tmp_path, bits):
    """The `wave` module writes; the error is at most half a step of the width, or of float32."""
    values = tone()
    got = one(write(tmp_path / "a.wav", pcm(values, bits=bits)))
    assert np.abs(got - values).max() <= max(0.5 / 2 ** (bits - 1), 2**-25)


@pytest.mark.parametrize(("dtype", "extensible"), [("<f4", False), ("<f8", True)])
def test_floating_point_is_kept_as_it_is(tmp_path, dtype, extensible):
    values = (1e-4 * tone()).astype(dtype)
    content = coded(values.tobytes(), 3, 8 * values.itemsize, extensible=extensible, before=b"LIST\x03\0\0\0abc\0")
    data = audio(write(tmp_path / "a.wav", content))
    assert data["train"].x.dtype == torch.float32
    assert np.array_equal(data["train"].x[0].numpy(), values.astype(np.float32))


def test_what_is_louder_than_full_scale_is_kept_and_told(tmp_path):
    values = (1.5 * tone(loudness=1.0)).astype("<f4")
    write(tmp_path / "set" / "loud.wav", coded(values.tobytes(), 3, 32))
    write(tmp_path / "set" / "low.wav", coded((values / 2).tobytes(), 3, 32))
    data = audio(tmp_path / "set", valid_share=0.0, test_share=0.0)
    assert np.array_equal(data["train"].x[0].numpy(), values)
    (said,) = [line for line in data.notes if "full scale" in line]
    assert said.startswith("louder than full scale: 1 files (up to 1.5 in loud.wav), kept so")
    assert not any("full scale" in line for line in audio(tmp_path / "set" / "low.wav").notes)


def test_a_sound_that_ends_within_a_sample_is_refused(tmp_path):
    path = write(tmp_path / "a.wav", coded(bytes(801), 1, 16, said=801))
    with pytest.raises(DataError, match=r"ends within a sample: 1 bytes come after the last whole one; record or copy"):
        audio(path)
    stream = coded(bytes(803), 1, 16, channels=2, said=0xFFFFFFFF)  # a program that did not know the length
    assert wav.head(stream).frames == 200


def test_channels_are_mixed_down_and_said(tmp_path):
    left, right = tone(hertz=300), tone(hertz=700)
    data = audio(write(tmp_path / "a.wav", pcm(np.stack([left, right], 1))))
    assert np.abs(data["train"].x[0].numpy() - (left + right) / 2).max() <= 1 / 32768
    assert "mixed down: 1 files of 2 channels, by their mean" in data.notes
    assert "8,000 samples a second" in data.notes[0]


def test_recordings_of_the_same_names_and_lengths_are_told_apart(tmp_path):
    first = audio(write(tmp_path / "a.wav", pcm(tone()))).fingerprint()
    assert audio(tmp_path / "a.wav").fingerprint() == first
    assert audio(write(tmp_path / "a.wav", pcm(-tone()))).fingerprint() != first


def test_a_stream_whose_length_was_not_known_is_read_to_its_end(tmp_path):
    content = coded(np.arange(50, dtype="<i2").tobytes(), 1, 16, said=0xFFFFFFFF)
    assert len(one(write(tmp_path / "a.wav", content))) == 50


def test_what_follows_the_samples_may_be_other_parts_or_zeros(tmp_path):
    samples = np.arange(50, dtype="<i2").tobytes()
    for after in (b"LIST\x04\0\0\0abcd", bytes(400), b"\0", b"\xff\xff"):
        content = coded(samples + after, 1, 16, said=len(samples))
        assert len(one(write(tmp_path / "a.wav", content))) == 50


def test_folders_are_classes_and_splits(tmp_path):
    for split, count in (("train", 6), ("valid", 2), ("test", 3)):
        for name in ("high", "low"):
            for number in range(count):
                write(tmp_path / split / name / f"{number}.wav", pcm(tone(100 + number)))
    data = audio(tmp_path)
    assert data.counts() == {"train": 12, "valid": 4, "test": 6} and data.facts["classes"] == ["high", "low"]
    assert data["train"].y.tolist() == [0] * 6 + [1] * 6
    assert data["train"].x.lengths.tolist() == 2 * list(range(100, 106))


def test_splits_without_train_are_not_taken_for_classes(tmp_path):
    write(tmp_path / "test" / "a.wav", pcm(tone()))
    with pytest.raises(DataError, match=r"test: has the name of a split, but there is no train/; add it"):
        audio(tmp_path)
    for name in ("up", "off"):  # a class may be called so, next to others
        write(tmp_path / name / "a.wav", pcm(tone()))
    assert audio(tmp_path).facts["classes"] == ["off", "test", "up"]


def test_a_table_says_labels_and_splits(tmp_path):
    for name in "abcd":
        write(tmp_path / "clips" / f"{name}.wav", pcm(tone(100)))
    rows = ["clips/a.wav,dog,train", "clips/b.wav,cat,train", "clips/c.wav,dog,test", "clips/d.wav,cat,valid"]
    (tmp_path / "metadata.csv").write_text("file,label,split\n" + "\n".join(rows) + "\n")
    data = audio(tmp_path)
    assert data.counts() == {"train": 2, "valid": 1, "test": 1} and data.facts["classes"] == ["cat", "dog"]
    assert data["train"].y.tolist() == [1, 0] and data["train"].x.names == ["clips/a.wav", "clips/b.wav"]
    rows[1:2] = ["clips/e.wav,cat,train", "../x.wav,cat,train", "clips/a.wav,dog,train", "clips/b.wav,cat,dev2"]
    (tmp_path / "metadata.csv").write_text("file,label,split\n" + "\n".join(rows) + "\n")
    found = [str(problem) for problem in check(("audio",), str(tmp_path)).problems]
    for said in ("line 3: names 'clips/e.wav', which is not a file", "line 4: names '../x.wav'", "line 5: names",
                 "line 6: says split 'dev2'", "b.wav: has no row in metadata.csv"):  # fmt: skip
        assert any(said in line for line in found), (said, found)


def test_a_split_that_gets_no_recording_is_not_told_as_drawn(tmp_path):
    for name in "ab":
        write(tmp_path / "set" / f"{name}.wav", pcm(tone()))
    (said,) = [line for line in audio(tmp_path / "set", valid_share=0.1, test_share=0.1).notes if "drawn" in line]
    assert "(valid drawn by seed 0; too few recordings for test)" in said


def test_one_recording_is_cut_in_time(tmp_path):
    path = write(tmp_path / "a.wav", pcm(tone(1000)))
    data = open_data(("audio",), str(path))
    assert {name: part.x.shape[1] for name, part in data.splits.items()} == {"train": 800, "valid": 100, "test": 100}
    whole = torch.cat([part.x[0] for part in data.splits.values()])
    assert np.abs(whole.numpy() - tone(1000)).max() <= 1 / 32768


BAD = {
    "cut.wav": (pcm(tone(800))[:900], "says 800 samples and holds 428: it was cut short"),
    "more.wav": (coded(bytes(range(160, 240)) * 20, 1, 16, said=160), "says 80 samples, and then come 1,440 bytes"),
    "law.wav": (coded(bytes(80), 7, 8), "is compressed (mu-law); save it as 16-bit WAV"),
    "rate.wav": (pcm(tone(), rate=44100), "has 44,100 samples a second, and 2 of the files have 8,000; resample all"),
    "zero.wav": (b"", "has 0 bytes"),
    "flac.wav": (b"fLaC" + bytes(60), "is a FLAC file; save it as 16-bit WAV"),
    "song.mp3": (b"ID3" + bytes(60), "is a sound, but not WAV"),
    "named.txt": (pcm(tone()), "is a WAV file of another name; call it named.wav"),
    "none.wav": (pcm(tone())[:44], "it was cut short"),
    "empty.wav": (coded(b"", 1, 16), "holds no sample"),
    "nan.wav": (coded(np.array([0, np.nan], "<f4").tobytes(), 3, 32), "holds what is not a number at sample 1"),
    "long.wav": (coded(bytes(80), 1, 64), "has samples of 64 bits"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named_in_one_line(tmp_path, name, capsys):
    content, said = BAD[name]
    for number in range(2):
        write(tmp_path / f"good{number}.wav", pcm(tone()))
    write(tmp_path / name, content)
    with pytest.raises(DataError) as caught:
        audio(tmp_path)
    assert said in str(caught.value) and name in str(caught.value) and "\n" not in str(caught.value)
    data = audio(tmp_path, skip_bad=True)
    assert data.counts() == {"train": 2} and any(name in line for line in data.record["skipped"])
    assert main(["data", "check", str(tmp_path)]) == 2
    assert said in capsys.readouterr().out


def test_rates_are_made_equal_if_that_is_asked_for(tmp_path):
    write(tmp_path / "a.wav", pcm(tone(8000)))
    write(tmp_path / "b.wav", pcm(tone(16000, rate=16000), rate=16000))
    data = audio(tmp_path, sample_rate=8000)
    assert "resampled from 16,000 to 8,000 samples a second: 1 files" in data.notes and data.facts["resampled"]
    assert data["train"].x.lengths.tolist() == [8000, 8000]
    a, b = data["train"].x[0], data["train"].x[1]
    assert (a - b)[100:-100].abs().max() < 2e-3  # the same tone; the ends of a filter differ
    with pytest.raises(DataError, match="sample_rate 7 is not"):
        audio(tmp_path, sample_rate=7)


@pytest.mark.parametrize(("rate", "wanted"), [(44100, 16000), (8000, 22050), (16000, 8000)])
def test_resampling_by_blocks_equals_the_whole(monkeypatch, rate, wanted):
    values = np.random.default_rng(0).normal(size=50_001)
    whole = resample_poly(values, wanted, rate)
    for block in (1 << 20, 3000):
        monkeypatch.setattr(sounds_module, "BLOCK", block)
        parts = list(sounds_module.resampled(lambda a, b: values[a:b], len(values), rate, wanted))
        assert len(parts) > 1 or block > 3000
        assert len(whole) == sounds_module.length_at(len(values), rate, wanted)
        np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-12)


def test_what_does_not_fit_in_memory_is_read_from_disk_with_equal_values(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPCANON_CACHE", str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    for number, count in enumerate((70_000, 1, 131_072, 5)):
        write(tmp_path / "set" / f"{number}.wav", pcm(random.uniform(-1, 1, count)))
    held = audio(tmp_path / "set")["train"].x
    monkeypatch.setattr(sounds_module, "MEMORY_LIMIT", 1000)
    data = audio(tmp_path / "set")
    assert any(note.startswith("samples: ") and "on disk, written" in note for note in data.notes)
    kept = data["train"].x
    assert not isinstance(kept.store, torch.Tensor)
    assert all(torch.equal(held[number], kept[number]) for number in range(4))
    rows, first = torch.tensor([2, 0, 3]), torch.tensor([65_000, -7, 2])
    assert torch.equal(held.windows(rows, first, 900), kept.windows(rows, first, 900))
    again = audio(tmp_path / "set")
    assert any("as written before" in note for note in again.notes)
    monkeypatch.setenv("DEEPCANON_CACHE", "off")
    with pytest.raises(DataError, match=r"are read from a cache on disk, and \$DEEPCANON_CACHE is off"):
        audio(tmp_path / "set")


def test_windows_reach_beyond_a_recording_as_silence(tmp_path):
    for number in range(2):
        write(tmp_path / f"{number}.wav", coded(np.arange(1, 5, dtype="<i2").tobytes(), 1, 16))
    x = audio(tmp_path)["train"].x
    got = x.windows(torch.tensor([1, 0]), torch.tensor([-2, 2]), 5) * 32768
    assert got.tolist() == [[0, 0, 1, 2, 3], [3, 4, 0, 0, 0]]  # nothing of the neighbour


def test_fuzzed_files_never_crash(tmp_path):
    """Each of many damaged files is read or refused in one line; so is the folder of all of them."""
    taken, count = 0, max(50, int(os.environ.get("DEEPCANON_FUZZ", "50")))
    for number, content in enumerate(damaged(count)):
        path = write(tmp_path / "set" / f"{number}.wav", content)
        try:
            about = wav.head(path)
            values = wav.samples(path, about)
            assert values.shape == (about.frames,) and np.isfinite(values.astype(np.float64)).all()
            taken += 1
        except wav.BadSound as error:
            assert str(error) and error.remedy and "\n" not in str(error)
    assert 0.06 * count <= taken <= 0.9 * count
    write(tmp_path / "set" / "whole.wav", pcm(tone()))
    assert audio(tmp_path / "set", skip_bad=True, sample_rate=8000).counts()["train"] >= 1


def test_inputs_are_read_as_in_training(tmp_path):
    paths = [write(tmp_path / "a.wav", pcm(np.stack([tone(), tone()], 1))), write(tmp_path / "b.wav", b"RIFF")]
    found = read_inputs("audio", {"rate": 8000}, [str(path) for path in paths])
    assert found.names == [str(paths[0])] and found.notes[0] == "the mean of 2 channels" and len(found.refused) == 1
    assert found.values[0].dtype == torch.float32 and len(found.values[0]) == 800
    other = write(tmp_path / "c" / "c.wav", pcm(tone(rate=16000), rate=16000))
    with pytest.raises(DataError, match=r"has 16,000 samples a second, training had 8,000"):
        read_inputs("audio", {"rate": 8000}, [str(other)])
    found = read_inputs("audio", {"rate": 8000, "resampled": True}, [str(other.parent)])
    assert len(found.values[0]) == 400 and "resampled from 16,000" in found.notes[0]


def test_what_is_written_is_read_again(tmp_path):
    values = np.array([0, 0.5, -1, 1.5])
    assert (one(write(tmp_path / "a.wav", wav.to_bytes(values, 8000))) * 32768).tolist() == [0, 16384, -32768, 32767]


@pytest.mark.skipif(not os.environ.get("DEEPCANON_DATA"), reason="needs the published files")
def test_spoken_digits():
    data = open_data(("audio",), "fsdd")
    assert sum(data.counts().values()) == 3000 and len(data["test"]) == 300 and data.facts["rate"] == 8000
    assert data["test"].y.bincount().tolist() == [30] * 10
    assert data.facts["longest"] / 8000 == pytest.approx(2.283, abs=1e-3)
    assert sum(part.x.seconds for part in data.splits.values()) / 3000 == pytest.approx(0.437, abs=1e-3)


def test_plucked_strings_repeat_after_a_period_and_fade():
    data = open_data(("audio",), "plucked-strings")
    assert data.facts["rate"] == 8000 and data.facts["classes"] == ["A3", "C4", "E4", "A4"]
    train, periods = data["train"], (36, 31, 24, 18)
    for row in range(4):
        x = train.x[row].double()
        period = periods[int(train.y[row])]
        predicted = 0.498 * (x[1:-period] + x[: -period - 1])
        assert float((x[period + 1 :] - predicted).abs().max()) <= 1.5 / 32768  # of whole numbers
        assert 0 < float(x[-200:].abs().max()) < float(x[:200].abs().max())
    with pytest.raises(DataError, match="is generated at 8,000 samples a second; leave --sample-rate out"):
        audio("plucked-strings", sample_rate=16000)
