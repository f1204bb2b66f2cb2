"""The reader of recordings with what is said in them: WAV files and their transcripts, in a table or next to them.

`x` is a `Sounds` of N recordings, `y` int64 [N, L] the symbols of each transcript, after its end `UNASKED`. The symbols
are characters (or words), numbered in the order of the facts' "symbols": those of train, and where valid and test are
drawn, of all recordings. A symbol of a given valid or test set that train lacks is a problem.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import published, wav
from .archives import tar_members
from .errors import Problems, one_line
from .first_lines import first_lines
from .image_sets import list_folder
from .recordings import (
    Sources,
    by_split,
    common_rate,
    heads_of,
    inputs,
    lengths_of,
    readable,
    recordings,
    said_of,
    twins,
    wanted_rate,
)  # fmt: skip
from .seeds import stream_seed
from .sequences import UNASKED
from .sound_folders import TRANSCRIPT, Listed, below, holds_sounds, holds_transcripts, listed
from .sounds import Sounds
from .splits import Dataset, Split, shares
from .text import load

__all__ = [
    "ACCEPTS", "fits", "inputs", "joined", "numbered", "read", "read_named", "recognises", "strings", "symbols_of",
    "whole_of",
]  # fmt: skip

ACCEPTS = (
    "speech: a folder of .wav files with what is said in them: a metadata.csv of file, transcript (and split), or next "
    "to each a .txt of the same name; within train/ with valid/ and/or test/ if the files are split"
)
WRITE = "write what is said, or remove the recording"


def fits(path: Path) -> bool:
    """Whether the path is a folder with WAV files."""
    return path.is_dir() and holds_sounds(path)


def recognises(path: Path) -> bool:
    """Whether a folder of WAV files says what is said in them, and nothing else: transcripts, and no classes."""
    return fits(path) and holds_transcripts(path)


def symbols_of(transcript: str, spelling: str) -> list[str]:
    """The characters or words of a transcript, whose words are separated by single spaces."""
    words = transcript.split()
    return words if spelling == "words" else list(" ".join(words))


def joined(symbols: Sequence[str], spelling: str) -> str:
    """The transcript of symbols."""
    return (" " if spelling == "words" else "").join(symbols)


def numbered(spelled: Sequence[Sequence[str]], symbols: Sequence[str]) -> Tensor:
    """The numbers of the symbols of transcripts, int64 [N, L], `UNASKED` after their ends."""
    number = {symbol: place for place, symbol in enumerate(symbols)}
    y = torch.full((len(spelled), max(map(len, spelled), default=0)), UNASKED)
    for row, found in enumerate(spelled):
        y[row, : len(found)] = torch.tensor([number[symbol] for symbol in found], dtype=torch.int64)
    return y


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Recordings of a folder with their transcripts; every file that cannot be used becomes a problem.

    Raises:
        DataError: no recording can be used, or some cannot and bad files are not to be skipped.
    """
    problems, options = problems or Problems(), options or {}
    shares(options)
    wanted_rate(options)
    if not path.is_dir():
        raise problems.fail(path, "", "is not a folder of WAV files", f"accepted is {ACCEPTS}")
    column = options.get("transcript_column", "")
    said = ("transcript", (column.lower(),) if column else TRANSCRIPT)
    found, notes = listed(path, problems, _next_to, said)
    if not found and not problems.found:
        raise problems.fail(path, "", "holds no WAV file", f"accepted is {ACCEPTS}")
    if found and all(one.label is None for one in found):
        what, remedy = (
            (f"has no column {one_line(column, 60)}", "name one that it has with --transcript-column")
            if column
            else ("says of no recording what is said in it", f"accepted is {ACCEPTS}")
        )
        raise problems.fail(path, "", what, remedy)
    sources: Sources = {str(one.path): (one.path, one.label, one.split) for one in found}
    places = {str(one.path): one.place for one in found}
    return _dataset(sources, places, path, seed, options, problems, notes)


def _next_to(folder: Path, split: str | None, problems: Problems, strange: list[str]) -> list[Listed]:
    """The recordings of one split, each with the text of the .txt file of its name."""
    others: list[str] = []
    sounds = below(folder, problems, others)
    texts = {Path(name): name for name in others if name.lower().endswith(".txt")}
    found, remedy = [], None
    for sound in sounds:
        beside = sound.with_suffix(".txt")
        if texts.pop(beside, None) is None:
            remedy = remedy or WRITE + (_of_tables(folder) or _of_lists(sounds, others))
            problems.add(sound, "", f"has no {beside.name} next to it", remedy)
            continue
        text = load(beside, problems)
        if text is None:
            continue
        if len(lines := [line for line in text.split("\n") if line.strip()]) > 1:
            what = f"has {len(lines)} lines, and a transcript is one"
            problems.add(beside, f"line {text.split(chr(10)).index(lines[1]) + 1}", what, "write it in one line")
            continue
        found.append(Listed(sound, text, split, beside.name))
    used = {str(one.path.with_suffix(".txt")) for one in found}
    strange += [name for name in others if name not in used]
    return found


def _of_tables(folder: Path) -> str:
    """What to do where a table lies in the folder that is not called as those that are read."""
    tables = [p.name for p in list_folder(folder)[1] if p.suffix.lower() in (".csv", ".tsv")]
    return (
        f"; if {one_line(tables[0], 60)} says it, call that metadata{Path(tables[0]).suffix.lower()}" if tables else ""
    )


def _of_lists(sounds: Sequence[Path], others: Sequence[str]) -> str:
    """What to do where lines of a text begin with names of recordings, as LibriSpeech and Kaldi have them."""
    names = {sound.stem for sound in sounds}
    for other in map(Path, others):
        name, *words = "".join(first_lines(other)).split()[:2] or [""]
        if name in names and words and not words[0].lower().endswith(".wav"):
            first = f"{one_line(name, 60)}.wav,{one_line(words[0], 60)} ..."
            where = "write its lines into a metadata.csv: file,transcript, then"
            return f"; if {one_line(other.name, 60)} says it, {where} {first}"
    return ""


def read_named(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> Dataset:
    """`fsdd-strings`: three to five spoken digits of one speaker after another, out of the recordings of `fsdd`.

    A recording is part of the strings of one split alone: numbers 0 to 4 of each speaker and digit of those of test, as
    the authors have it, 5 to 9 of those of validation.
    """
    if name != "fsdd-strings":
        raise ValueError(f"no recordings with transcripts are called {name}")
    (path,) = published.get(name).values()
    content = tar_members(path, r"recordings/\d_\w+_\d+\.wav")
    spoken: dict[str, dict[str, list[tuple[str, Tensor]]]] = {"train": {}, "valid": {}, "test": {}}
    rate = 0
    for member in sorted(content):
        digit, speaker, number = Path(member).stem.split("_")
        about = wav.head(content[member])
        rate = about.rate
        split = "test" if int(number) < 5 else "valid" if int(number) < 10 else "train"
        values = torch.from_numpy(wav.samples(content[member], about, 0, about.frames).copy())
        spoken[split].setdefault(speaker, []).append((digit, values))
    if (options or {}).get("sample_rate"):
        what = f"is cut together at {rate:,} samples a second"
        raise Problems().fail(name, "", what, "leave --sample-rate out")
    symbols = sorted({digit for some in spoken["train"].values() for digit, _ in some})
    splits = {}
    for split, speakers in spoken.items():
        generator = torch.Generator().manual_seed(stream_seed(seed, 0, f"{name}/{split}"))
        splits[split] = strings(speakers, symbols, COUNTS[split], rate, generator)
    note = "each a string of three to five digits by one of the speakers, cut together without pauses"
    return whole_of(splits, symbols, "characters", Path(name), seed, [note], {}, resampled=False)


COUNTS = {"train": 3000, "valid": 300, "test": 600}


def strings(
    speakers: dict[str, list[tuple[str, Tensor]]], symbols: Sequence[str], count: int, rate: int,
    generator: torch.Generator,
) -> Split:  # fmt: skip
    """Strings of three to five recordings of single symbols, all of one speaker, end to end.

    Args:
        speakers: by their names, the recordings with what is said in them, int16 [T].
        symbols: all that are said, in the order of their numbers.
    """
    sounds: list[Tensor] = []
    texts, names, known = [], [], sorted(speakers)
    for row in range(count):
        speaker = known[int(torch.randint(len(known), (), generator=generator))]
        length = int(torch.randint(3, 6, (), generator=generator))
        places = torch.randint(len(speakers[speaker]), (length,), generator=generator).tolist()
        chosen = [speakers[speaker][place] for place in places]
        sounds.append(torch.cat([sound for _, sound in chosen]))
        texts.append([symbol for symbol, _ in chosen])
        names.append(f"{''.join(texts[-1])}_{speaker}_{row}")
    lengths = torch.tensor([len(sound) for sound in sounds])
    return Split(Sounds(torch.cat(sounds), lengths.cumsum(0) - lengths, lengths, rate, names), numbered(texts, symbols))


def _dataset(
    sources: Sources, places: dict[str, str], root: Path, seed: int, options: dict[str, Any], problems: Problems,
    notes: list[str],
) -> Dataset:  # fmt: skip
    heads = heads_of(sources, problems)
    rate = wanted_rate(options) or common_rate(heads, problems)
    spelling, case = options.get("spelling", "characters"), options.get("letter_case", "keep")
    learned = (options.get("learned") or {}).get("symbols", [])
    spelled = _spelled(sources, places, heads, spelling, case, problems, learned)
    readable(sources, heads, problems)
    sounds, told = recordings(sources, heads, rate, root)
    names = list(heads)
    said = [sources[name][2] for name in names]
    said_of_train = {symbol for name in names if sources[name][2] in (None, "train") for symbol in spelled[name]}
    symbols = list(learned) or sorted(said_of_train)
    whole = Split(sounds, numbered([spelled[name] for name in names], symbols))
    splits, how = by_split(whole, said, seed, options)
    if "train" not in splits:
        raise problems.fail(root, "", "has no recording to train on", "give some the split train")
    written = {"keep": "as written", "lower": "in lower case", "upper": "in upper case"}[case]
    heard: Any = splits["train"].y
    rare = [symbol for number, symbol in enumerate(symbols) if not bool((heard == number).any())]
    if rare:  # of recordings that became valid or test by drawing
        what = one_line(" ".join(map(repr, rare)), 100)
        notes = [f"symbols that no recording of train has, so that they cannot be learned: {what}", *notes]
    texts = [(sources[name][1] or "").strip() for name in names]
    if loose := sum(text != " ".join(text.split()) for text in texts):
        notes = [f"blanks: several in a row are read as one, in {loose:,} transcripts", *notes]
    notes = [f"transcripts: {spelling}, letters {written}", *told, *notes, *twins(splits), *problems.left_out()]
    more = {"how": how, "skipped": problems.skipped()}
    return whole_of(splits, symbols, spelling, root, seed, notes, more, bool(wanted_rate(options)))


def _spelled(
    sources: Sources, places: dict[str, str], heads: dict[str, wav.Head], spelling: str, case: str, problems: Problems,
    learned: Sequence[str],
) -> dict[str, list[str]]:  # fmt: skip
    """The symbols of each recording; those without, or with symbols that train lacks, leave `heads` as problems.

    Args:
        learned: those that a run knows which is measured on these recordings.
    """
    cased: Callable[[str], str] = {"keep": lambda text: text, "lower": str.lower, "upper": str.upper}[case]
    spelled = {name: symbols_of(cased(sources[name][1] or ""), spelling) for name in heads}
    known = set(learned) or {
        symbol for name in heads if sources[name][2] in (None, "train") for symbol in spelled[name]
    }
    for name in list(heads):
        place = places.get(name, "")
        if not spelled[name]:
            problems.add(name, place, "has an empty transcript" if sources[name][1] is not None else "has none", WRITE)
            del heads[name]
        elif strange := [symbol for symbol in spelled[name] if symbol not in known]:
            what, remedy = "which is in no transcript of train", "correct it, or add recordings of train that say it"
            if learned:
                what, remedy = "which the run has not learned", "correct it, or train on recordings that say it"
            problems.add(name, place, f"says {one_line(strange[0], 60)!r}, {what}", remedy)
            del heads[name]
    return spelled


def whole_of(
    splits: dict[str, Split], symbols: list[str], spelling: str, root: Path, seed: int, notes: list[str],
    more: dict[str, Any], resampled: bool,
) -> Dataset:  # fmt: skip
    """The data set of such splits, with what is said of it.

    Args:
        more: "how" the splits were drawn, and what was "skipped".
    """
    sounds = [part.x for part in splits.values()]
    count, seconds = sum(map(len, sounds)), sum(sound.seconds for sound in sounds)
    shown = one_line(" ".join(repr(s) if s.isspace() else s for s in symbols), 200)
    first = splits["train"]
    total = said_of(sounds[0]).split(" s, ", 1)[1]
    lines = [
        f"speech: {count:,} recordings, {seconds:,.1f} s, {total}",
        f"examples: {lengths_of(splits)}{more.get('how', '')}",
        f"symbols: {len(symbols)}: {shown}", *notes,
    ]  # fmt: skip
    facts: dict[str, Any] = {
        "rate": first.x.rate, "resampled": resampled, "longest": max(sound.shape[1] for sound in sounds),
        "symbols": symbols, "spelling": spelling,
    }  # fmt: skip
    counts = {split: len(part) for split, part in splits.items()}
    record = {"path": root.name, "counts": counts, "seed": seed, "skipped": more.get("skipped", [])}
    examples = []
    for row in range(min(3, len(first))):
        numbers = first.y[row].tolist() if first.y is not None else []
        text = joined([symbols[k] for k in numbers if k != UNASKED], spelling)
        length = int(first.x.lengths[row]) / first.x.rate
        examples.append(f"{one_line(Path(first.x.names[row]).name, 60)}: {one_line(text, 60)!r}, {length:.3g} s")
    return Dataset("speech", splits, facts, lines, record, examples)
