"""What tests of documents share: reading, and what is expected of a refusal or a note."""

import pytest

from deepcanon.data import DataError, open_data


def documents(path, skip_bad=False, **options):
    chosen = {"valid_share": 0, "test_share": 0, **options}
    return open_data(("documents",), str(path), options={"documents": chosen}, skip_bad=skip_bad)


def rows(data, split="train"):
    classes, part = data.facts.get("classes"), data[split]
    labels = [None] * len(part.x) if part.y is None else [classes[k] for k in part.y.tolist()]
    return list(zip(part.x, labels, strict=True))


def refused(path, said, **options):
    with pytest.raises(DataError, match=said) as error:
        documents(path, **options)
    assert str(error.value).isprintable() and len(str(error.value).splitlines()) == 1


def told(path, said, **options):
    notes = documents(path, **options).notes
    assert any(said in note for note in notes), notes
