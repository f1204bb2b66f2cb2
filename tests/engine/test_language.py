"""The verbs of language models, by a toy whose probabilities are known."""

import math
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from deepcanon import engine
from deepcanon.data import DataError
from deepcanon.data.splits import Dataset, Split
from deepcanon.engine.export import write_export
from deepcanon.engine.language import Primed, Speaks, build_vocabulary, step_export
from deepcanon.engine.run import Run
from deepcanon.options import Text
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.settings import Settings
from deepcanon.verb_options import TextSampling

TEXT = "a rose is a rose\nis a rose\n" * 5


@dataclass(frozen=True, kw_only=True)
class Config(Text):
    unit: str = "words"
    minimum_count: int = 1
    vocabulary: int = 0
    sample: int = 6


class Even(Speaks, engine.Recipe[Config]):
    """Every token is equally likely."""

    state = ("model",)
    parallel = "none: a toy"

    def build(self):
        self.vocabulary = Vocabulary.from_json(self.facts["vocabulary"])
        self.model = nn.Identity()

    def plan(self):
        return 1

    def step(self, step):
        return {}

    def nll(self, texts):
        (self.seen,) = (tokens.tolist() for tokens in texts)
        return [float(torch.tensor(float(len(self.vocabulary))).log())]

    def primed(self, tokens):
        self.prompt = tokens.tolist()

        def step(token, state):
            return torch.zeros(len(token), len(self.vocabulary)), state

        return Primed(step, torch.zeros(1, 2))


class Recurrent(Even):
    """The same, but it must be given a token to begin with."""

    first = 1


def made(recipe, text=TEXT, **options):
    config = Config(**options)
    data = Dataset("text", {name: Split(text) for name in ("train", "valid")}, {})
    vocabulary, _ = build_vocabulary(config, data)
    facts = {"vocabulary": vocabulary.to_json(), "reader": {"kind": "text"}}
    return recipe(config, facts, Run(Settings(device="cpu", steps=1), None, lambda: data))


@pytest.mark.parametrize(
    ("unit", "prompt", "said"),
    [
        ("words", "a tulip <unk> was", r"--prompt: 'tulip', 'was' did not occur .* leave them out, or write <unk>"),
        ("characters", "a rösé", r"--prompt: 'ö', 'é' did not occur in the training text; leave them out$"),
    ],
)
def test_prompts_of_unknown_symbols_are_refused(unit, prompt, said):
    of = made(Even, text="a rose is a rose\n", unit=unit)
    with pytest.raises(DataError, match=said):
        of.generate(TextSampling(prompt=prompt), torch.Generator())


def test_vocabularies_need_enough_tokens():
    def of(text):
        return Dataset("text", {"train": Split(text)}, {})

    vocabulary, tokens = build_vocabulary(Config(), of(TEXT))
    assert len(vocabulary) == 5 and torch.equal(tokens, vocabulary.encode(TEXT))
    with pytest.raises(DataError, match=r"no tokens.*give a longer text"):
        build_vocabulary(Config(), of(" \n"))
    with pytest.raises(DataError, match=r"1 characters.*give a longer text"):
        build_vocabulary(Config(unit="characters"), of("a"), least=2)


@pytest.mark.parametrize("recipe", [Even, Recurrent])
@pytest.mark.parametrize("unit", ["words", "characters"])
def test_what_a_model_reads_to_score_and_to_continue_a_text(recipe, unit):
    of = made(recipe, unit=unit)
    vocabulary, first = of.vocabulary, recipe.first
    assert of.evaluate("valid")["perplexity"] == pytest.approx(len(vocabulary))
    assert of.seen == vocabulary.encode(TEXT).tolist()
    (record,) = of.predict(["a rose"])
    wanted = vocabulary.encode("a rose").tolist()
    before = [1 if unit == "words" else vocabulary.number["\n"]]
    assert of.seen == before[:first] + wanted and record["tokens"] == len(wanted)
    of.generate(TextSampling(prompt="a rose"), torch.Generator())
    sentence = before if first and unit == "words" else []
    assert of.prompt == sentence + vocabulary.encode("a rose", closed=False).tolist()
    of.generate(TextSampling(), torch.Generator())
    assert of.prompt == before
    assert of.preprocess("a rose").tolist() == wanted
    sample = of.figures()["sample"].text
    assert len(vocabulary.encode(sample, closed=False)) == 6


@pytest.mark.parametrize("recipe", [Even, Recurrent])
@pytest.mark.parametrize("unit", ["words", "characters"])
def test_bits_per_character_are_all_bits_over_all_characters(recipe, unit):
    """A word is followed by one blank or line end, and every character of the text is written by some token."""
    of = made(recipe, unit=unit)
    bits = math.log2(len(of.vocabulary))
    found = of.evaluate("valid")
    if unit == "characters":
        assert found["bits_per_character"] == pytest.approx(bits)
    else:
        first = recipe.first  # a model that must be given the first word does not predict it
        wanted = bits * (5 * 10 - first) / (len(TEXT) - len("a ") * first)
        assert found["bits_per_character"] == pytest.approx(wanted)
    assert "unknown" not in found and set(of.units(of.config)) >= {"nll", "perplexity"}
    assert (
        of.units(of.config)["perplexity"]
        == {
            "words": "per word (with sentence ends)",
            "characters": "per character (with line ends)",
        }[unit]
    )
    (record,) = of.predict(["a  rose"])
    count = {"words": 3, "characters": 7}[unit]
    assert record["bits_per_character"] == pytest.approx(bits * count / 7) and record["unknown"] == 0
    assert record["unit"] == f"nats {of.units(of.config)['perplexity']}"


def test_unknown_words_are_counted_and_bits_per_character_need_their_spelling():
    of = made(Even, minimum_count=6)  # only "a" and "rose" and "is" occur as often
    tokens = of.vocabulary.encode("a tulip is\n")
    assert of.scores(1.0, tokens, "a tulip is\n")["bits_per_character"] == pytest.approx(4 / math.log(2) / 11)
    found = of.scores(1.0, tokens)
    assert "bits_per_character" not in found and found["unknown"] == 0.25
    assert of.scores(1.0, of.vocabulary.encode("a rose"))["bits_per_character"] == pytest.approx(3 / math.log(2) / 7)


def test_a_text_that_is_too_short_is_one_line():
    with pytest.raises(DataError, match="give a longer text"):
        made(Even).predict([""])
    assert made(Recurrent).predict(["a"])[0]["tokens"] == 2  # the word and the sentence's end
    with pytest.raises(DataError, match="give a longer text"):
        made(Recurrent).measured([torch.tensor([1, 2]), torch.tensor([1])])


class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 5)

    def forward(self, token, hidden, memory=None):
        logits = self.table(token) + hidden.sum((1, 2))[:, None]
        return (logits, hidden + 1) if memory is None else (logits, hidden + 1, memory + 1)


@pytest.mark.parametrize("parts", [1, 2])
def test_one_step_is_exported_with_its_state(parts, tmp_path):
    vocabulary = Vocabulary.build(TEXT, "words")
    export = step_export(Cell(), [torch.zeros(1, 2, 3)] * parts, vocabulary)
    assert export.input_names == ("token", "hidden", "memory")[: 1 + parts]
    assert export.output_names == ("logits", "next_hidden", "next_memory")[: 1 + parts]
    assert export.about["symbols"] == list(vocabulary.symbols)
    write_export(export, "torch", tmp_path / "cell.pt2")
    program = torch.export.load(tmp_path / "cell.pt2").module()
    logits, *after = program(torch.tensor([1, 2, 3]), *[torch.zeros(3, 2, 3)] * parts)
    assert logits.shape == (3, 5) and len(after) == parts and bool((after[-1] == 1).all())
