"""Options of readers: what they are told about data, a group for each kind; `deepcanon.options` has them too.

A reader receives the options of its own kind and nothing else. Without torch or NumPy.
"""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from deepcanon.ranges import Count, NonNegative, Range, Share, Whole

__all__ = [
    "READERS", "Audio", "Columns", "Dialogues", "Documents", "Examples", "Images", "LargeTokens", "Mixtures", "Pairs",
    "Patches", "Pieces", "Placed", "PointSets", "Sequences", "Series", "SomeExamples", "Speech", "Splits", "Stories",
    "Tables", "Text", "Tokens", "Trees", "reading_options",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Every reader's options."""

    GROUP: ClassVar[str] = "data"

    valid_share: Share = 0.1
    """Share of the training data that is held out for validation."""
    test_share: Share = 0.1
    """Share of the data that is held out for the test if they have no test split."""


@dataclass(frozen=True, kw_only=True)
class Images(Splits):
    size: Whole = 0
    """Images: side in pixels; 0 keeps their own, folders take the smallest common size."""
    channels: Literal[0, 1, 3] = 0
    """Images: 1 grey, 3 colour; 0 keeps their own."""
    levels: tuple[NonNegative, ...] = ()
    """Images: the two grey levels of 16-bit files that become black and white. Default: the range of the training
    images."""
    draft: Literal[0, 1, 2] = 2
    """Images: where a JPEG file is shrunk, how many pixels its decoder gives in each direction for each one that is
    needed, before resizing. 0 decodes at full size; 2 differs from that by up to 0.9 of 255 on average, and 1 by up
    to 2.4, but is up to 1.6 times as fast."""
    cache: Literal["auto", "off"] = "auto"
    """Images: auto keeps the decoded pictures of large folders on disk (in $DEEPCANON_CACHE, by default with the
    downloads), so that each is decoded once."""


@dataclass(frozen=True, kw_only=True)
class Patches(Images):
    patch: Whole = 0
    """Images: side of the patches that are cut from them; 0 takes whole images."""
    patches: Count = 20_000
    """Images: number of patches to cut."""


@dataclass(frozen=True, kw_only=True)
class Placed(Images):
    """Of the generated sets that place pictures on canvases, `rotated-digits` say."""

    base: Literal["letters", "digits", "mnist", "fashion-mnist"] = "letters"
    """rotated-digits, rts-digits, cluttered-digits, multi-digits, canvas: the set whose pictures are placed."""


@dataclass(frozen=True, kw_only=True)
class Columns(Splits):
    target: str = ""
    """Tables and documents: the column to predict, which is not an input. Default: the last one of a table,
    `label` in documents."""
    split: str = ""
    """Tables and documents: the column that says train, valid or test. Default: none in a table, `split` in
    documents."""


@dataclass(frozen=True, kw_only=True)
class Tables(Columns):
    target_kind: Literal["auto", "number", "classes"] = "auto"
    """Tables: kind of the target; auto takes what the recipe predicts, otherwise decides by the cells."""
    ignore: tuple[str, ...] = ()
    """Tables: columns to leave out."""
    categories: tuple[str, ...] = ()
    """Tables: columns whose numbers are category codes."""
    missing: tuple[str, ...] = ()
    """Tables: words that mean a missing cell in every column; if not given, NA, NaN, null, none, ? and - in columns of
    numbers, and only the empty cell in columns of text."""
    impute: bool = False
    """Tables: fill missing cells with the training rows' median or most frequent value, and add a column that marks
    them."""
    header: Literal["auto", "yes", "no"] = "auto"
    """Tables: whether the first line holds the names of the columns."""
    decimal: Literal["auto", ".", ","] = "auto"
    """Tables: the decimal sign; auto takes a comma only if the cells allow no other reading."""
    group: str = ""
    """Tables: rows with the same value in this column (a patient, a user) stay in the same split."""
    time: str = ""
    """Tables: hold out the latest rows by this column, instead of rows drawn by the seed."""


@dataclass(frozen=True, kw_only=True)
class Mixtures(Splits):
    """Of the generated table `mixed-sources`."""

    mixture: Annotated[int, Range("[2, inf)")] = 4
    """mixed-sources: number of sources that are drawn and mixed."""
    source: Literal["laplace", "uniform", "gaussian"] = "laplace"
    """mixed-sources: the distribution of the sources."""
    samples: Annotated[int, Range("[2, inf)")] = 10_000
    """mixed-sources: number of training rows."""


@dataclass(frozen=True, kw_only=True)
class Documents(Columns):
    text_column: str = ""
    """Documents: the column that holds the texts; `text` if not given."""
    each: Literal["line", "paragraph"] = "line"
    """Documents: what one document of a .txt file is; paragraphs are separated by blank lines."""


@dataclass(frozen=True, kw_only=True)
class Dialogues(Splits):
    separator: str = "__eou__"
    """Dialogues: the separator between turns in a .txt file; `tab` means that character."""


@dataclass(frozen=True, kw_only=True)
class Stories(Splits):
    tasks: tuple[str, ...] = ()
    """Stories: the tasks to read, by name or by what stands before the first underscore (qa1). Default: all."""


@dataclass(frozen=True, kw_only=True)
class PointSets(Splits):
    problem: Literal["hull", "tour", "delaunay"] = "hull"
    """Point sets: the problem that files are given for: the corners of the convex hull, a shortest tour (at most 13
    points), or the Delaunay triangulation."""
    fewest: Whole = 0
    """convex-hull, delaunay-triangulation, travelling-salesman: fewest points of a set; 0: 5."""
    most: Whole = 0
    """convex-hull, delaunay-triangulation, travelling-salesman: most points of a set; 0: 10 of hulls, otherwise 5."""
    beyond: Whole = 0
    """convex-hull, delaunay-triangulation: points of further test sets; 0: 20 of hulls, none of triangulations."""


@dataclass(frozen=True, kw_only=True)
class Text(Splits):
    valid_share: Share = 0.1
    """Share of the text, at its end, that is held out for validation."""
    test_share: Share = 0.0
    """Share of the text that is held out for the test, after the part for validation."""


@dataclass(frozen=True, kw_only=True)
class Sequences(Splits):
    length: Annotated[int, Range("[2, inf)")] = 100
    """Generated sequences: steps of each (adding, parity, ar2), the most (windowed-sums), the delay (copying)."""
    digits: Count = 5
    """addition: digits of each number."""
    base: Annotated[int, Range("[2, 10]")] = 10
    """addition: base of the numbers."""
    language: Literal["anbn", "anb2n", "anbncn", "anbncndn", "anbmcnm"] = "anbn"
    """counting-languages: the language; anbmcnm is a^n b^m c^(n+m)."""
    longest: Annotated[int, Range("[3, inf)")] = 20
    """counting-languages: training strings have n below this (of anbmcnm, n + m); bit-copy: the most vectors."""
    beyond: Annotated[int, Range("[3, inf)")] = 60
    """counting-languages: test strings have n below this."""
    task: Literal["copy", "repeat", "recall"] = "copy"
    """bit-copy: copy vectors of bits, repeat them several times, or recall the item that followed another."""


@dataclass(frozen=True, kw_only=True)
class Pairs(Splits):
    source: str = ""
    """Pairs: what is translated: a column or its number, a key, or a language (the suffix of a file)."""
    target: str = ""
    """Pairs: what it becomes, named in the same way."""
    longest: Annotated[int, Range("[2, inf)")] = 100
    """Pairs: maximum number of words and signs of a sentence; a longer one is refused with its line."""
    train_examples: Whole = 0
    """Learn from at most this many of the training pairs, drawn by the seed; 0 takes all."""
    pairs: Whole = 0
    """reverse-copy, lexical-translation, rare-names, noisy-counter: pairs to learn from, with a tenth as many to
    validate and to test on; 0: as many as the set has."""
    words: Annotated[int, Range("[3, inf)")] = 10
    """reverse-copy, lexical-translation: words of the longest source to learn from; lexical-translation tests on up to
    twice as many."""


@dataclass(frozen=True, kw_only=True)
class Trees(Splits):
    labels: Whole = 0
    """Trees: labels are whole numbers from 0 to below this; 0: those that the training trees have."""
    binarise: Literal["no", "left", "right"] = "no"
    """Trees: what happens to a node that does not have two children: it is refused, or its children are joined two at
    a time from the left or from the right, and an only child is joined with its parent."""
    sentences: Literal["refuse", "left", "right"] = "refuse"
    """Trees: what `predict` makes of a line without brackets: it is refused, or becomes a tree that branches to the
    left or to the right."""
    operators: tuple[Literal["not", "and", "or", "xor"], ...] = ("not", "and")
    """logic: the operators of the formulas."""
    depth: Annotated[int, Range("[1, 6]")] = 2
    """logic: training formulas nest operators at most this deep."""
    deeper: Annotated[int, Range("[2, 12]")] = 6
    """logic: test formulas are deeper than `depth` and at most this deep."""


@dataclass(frozen=True, kw_only=True)
class Series(Splits):
    columns: tuple[str, ...] = ()
    """Series: the columns to learn. Default: all columns of numbers."""
    date: str = ""
    """Series: the column of dates. Default: the first one whose cells are dates, if there is one."""
    dates: str = ""
    """Series: how dates are written, such as %d/%m/%Y. Default: the only notation in which all fit and rise."""
    header: Literal["auto", "yes", "no"] = "auto"
    """Series: whether the first line holds the names of the columns."""
    decimal: Literal["auto", ".", ","] = "auto"
    """Series: the decimal sign; auto takes a comma only if the cells allow no other reading."""


@dataclass(frozen=True, kw_only=True)
class Audio(Splits):
    sample_rate: Whole = 0
    """Audio: sample rate in Hz to which all recordings are resampled; 0 keeps their own, which must then be equal."""


@dataclass(frozen=True, kw_only=True)
class Speech(Audio):
    transcript_column: str = ""
    """Speech: the column of metadata.csv with the transcripts, if it is not called transcript, transcription, text or
    sentence."""
    spelling: Literal["characters", "words"] = "characters"
    """Speech: what a transcript is made of."""
    letter_case: Literal["keep", "lower", "upper"] = "keep"
    """Speech: letters of transcripts as written, or converted to lower or upper case."""


@dataclass(frozen=True, kw_only=True)
class Tokens(Text):
    minimum_count: Whole = 1
    """Text: tokens that occur less often become the unknown token."""
    vocabulary: Whole = 0
    """Text: how many of the most frequent tokens to keep; 0 keeps all."""


@dataclass(frozen=True, kw_only=True)
class Pieces(Tokens):
    """For recipes whose tokens may be byte-pair pieces."""

    pieces: Annotated[int, Range("[257, inf)")] = 2000
    """Text: size of the vocabulary of `--unit pieces`, with the 256 bytes and an unused unknown token."""


@dataclass(frozen=True, kw_only=True)
class LargeTokens(Tokens):
    """For recipes that read tokens from disk."""

    cache: Literal["auto", "off"] = "off"
    """Text: auto keeps the characters of a text of more than 16 MiB on disk (in $DEEPCANON_CACHE, by default with the
    downloads) and reads them from there; off keeps everything in memory."""
    evaluated: Whole = 1_000_000
    """Text: how many tokens of a split an evaluation reads, from its beginning; 0: all."""


@dataclass(frozen=True, kw_only=True)
class SomeExamples(Splits):
    """How many training examples are used, for a recipe that looks at no label."""

    train_examples: Whole = 0
    """Learn from at most this many of the training examples, drawn by the seed; 0 takes all."""


@dataclass(frozen=True, kw_only=True)
class Examples(SomeExamples):
    """Which training examples are used, for every reader that gives labels."""

    per_class: Whole = 0
    """Learn from at most this many training examples of each class, drawn by the seed; 0 takes all."""
    classes: tuple[str, ...] = ()
    """Only the examples of these classes, in every split. Default: all."""
    label_noise: Share = 0.0
    """Share of the training labels that are replaced by another class, drawn by the seed."""
    order: Literal["shuffled", "balanced", "file", "class"] = "shuffled"
    """Order of the training examples: new in each epoch; new, with the examples of smaller classes repeated until all
    classes are equal; as in the file; or sorted by class."""


READERS: dict[str, tuple[type, ...]] = {
    "images": (Patches, Placed, Examples),
    "boxes": (Placed,),
    "audio": (Audio, Examples),
    "speech": (Speech,),
    "tables": (Tables, Mixtures, Examples),
    "text": (Text, LargeTokens),
    "documents": (Documents, Examples),
    "stories": (Stories,),
    "point_sets": (PointSets,),
    "dialogues": (Dialogues,),
    "pairs": (Pairs,),
    "sequences": (Sequences,),
    "series": (Series,),
    "trees": (Trees,),
    "environment": (),
    "nothing": (),
}
"""The options of each kind of reader."""


def reading_options(config: Any, kinds: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """What is passed to the reader of each kind: the fields that `config` inherits from the options of that kind.

    A recipe's own field that happens to have the name of a reading option is not one. An option that the recipe does
    not have stays at its default.
    """
    inherited = {
        field.name
        for base in type(config).__mro__[1:]
        if dataclasses.is_dataclass(base) and issubclass(base, Splits)
        for field in dataclasses.fields(base)
    }
    found: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        fields = [field for known in READERS[kind] for field in dataclasses.fields(known)]
        found[kind] = {
            field.name: getattr(config, field.name) if field.name in inherited else field.default for field in fields
        }
    return found
