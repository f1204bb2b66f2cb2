"""JSON lines as other programs write them: one line names what is there and how to make of it what is read."""

import json

import pytest

from deepcanon.data import DataError, open_data


def refused(path, kind, record):
    path.write_text("".join(json.dumps(record(number)) + "\n" for number in range(6)), "utf-8")
    with pytest.raises(DataError) as error:
        open_data((kind,), str(path))
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("name", "key", "who"),
    [("messages", "content", "role"), ("conversations", "value", "from"), ("turns", "text", "by")],
)
def test_messages_of_chats(tmp_path, name, key, who):
    chat = [{who: "a", key: "how are you"}, {who: "b", key: "fine"}]
    (first, *_) = refused(tmp_path / "chats.jsonl", "dialogues", lambda n: {"id": n, name: chat})
    assert "line 1: has" in first and f"of such messages jq -c '{{turns: [.{name}[].{key}]}}' makes that" in first
    other = refused(tmp_path / "other.jsonl", "dialogues", lambda n: {name: [{"role": "a"}]})[0]
    assert "jq" not in other and 'give {"turns": ["...", "..."]} in each line' in other


def test_pairs_within_an_object(tmp_path):
    (said,) = refused(tmp_path / "p.jsonl", "pairs", lambda n: {"translation": {"de": f"ja {n}", "en": f"yes {n}"}})
    assert "has no key 'src' (its keys are translation); write what is under translation alone in each line" in said
    (said,) = refused(tmp_path / "p.jsonl", "pairs", lambda n: {"de": f"ja {n}", "en": f"yes {n}"})
    assert said.endswith("(its keys are de, en); name one of them with --source")


def test_documents_of_another_key_are_one_line(tmp_path):
    (said,) = refused(tmp_path / "d.jsonl", "documents", lambda n: {"review": f"film {n}", "sentiment": "ab"[n % 2]})
    assert "has no key 'text' (its keys are review, sentiment); name the one of the texts with --text-column" in said
    path = tmp_path / "d.jsonl"
    found = open_data(
        ("documents",), str(path), options={"documents": {"text_column": "review", "target": "sentiment"}}
    )
    assert found.facts["classes"] == ["a", "b"]
