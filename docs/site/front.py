"""The front door: a gallery of all systems, and what was measured as one table; both can be filtered and sorted."""

from html import escape as escaped
from typing import Any

import pages
from pages import SUBJECTS

from deepcanon import heads

WORDS = {
    "shown": "the 95 % interval clears the target",
    "reached": "the value does, its interval does not",
    "missed": "neither does",
    "one seed, not a verdict": "one run, which judges nothing",
}


def gallery() -> str:
    """The front page in MyST Markdown."""
    found = [pages.about(stem) for stem in pages.stems()]
    kinds = sorted({kind for one in found for kind in one["kinds"]})
    subjects = "".join(f'<option value="{name}">{escaped(title)}</option>' for name, title in SUBJECTS.items())
    data = "".join(f'<option value="{kind}">{escaped(kind.replace("_", " "))}</option>' for kind in kinds)
    cards = "\n".join(_card(one) for one in found)
    return f"""---
hide-toc: true
---

# deepcanon

The classic systems of deep learning in one PyTorch package: each with its equations beside the code, an independent
check, and what was measured. `pip install` it, train on your own data with one command, look at the report.

```sh
deepcanon list
deepcanon train convnet --data my/photos
deepcanon report last --open
```

```{{raw}} html
<form class="filters" role="search" aria-label="filter the gallery" onsubmit="return false">
<label>Search <input type="search" id="words" placeholder="attention, whitening, hull" autocomplete="off"></label>
<label>Subject <select id="subject"><option value="">all</option>{subjects}</select></label>
<label>Kind of data <select id="kind"><option value="">all</option>{data}</select></label>
<span id="count" aria-live="polite">{len(found)} of {len(found)}</span>
</form>
<ul class="gallery" id="gallery">
{cards}
</ul>
```

```{{toctree}}
:hidden:

results
speed
courses
guides/first-hour
guides/own-data
guides/runs
guides/serve
guides/several-runs
guides/own-loop
guides/leaving
guides/processes
guides/results
guides/lectures
guides/decoding
guides/generated-data
guides/architecture
guides/adding-a-system
guides/contributing
```

{_trees(found)}"""


def _trees(found: list[dict[str, Any]]) -> str:
    """The pages by subject, for the margin."""
    parts = []
    for subject, title in SUBJECTS.items():
        names = "\n".join(f"systems/{one['stem']}" for one in found if one["subject"] == subject)
        parts.append(f"```{{toctree}}\n:hidden:\n:caption: {title}\n\n{names}\n```")
    return "\n\n".join(parts) + "\n"


def _card(one: dict[str, Any]) -> str:
    lines = escaped("\n".join(one["equations"]) or one["name"])
    shown = f'<span class="tile" aria-hidden="true">{lines}</span>'
    if one["picture"]:
        shown = f'<img src="_static/pictures/{one["picture"]}" alt="" loading="lazy" width="320" height="200">'
    words = escaped(f"{one['name']} {one['summary']} {one['subject']}".lower())
    return (
        f'<li data-words="{words}" data-subject="{one["subject"]}" data-kinds="{" ".join(one["kinds"])}">'
        f'<a href="systems/{one["stem"]}.html">{shown}<strong>{escaped(one["name"])}</strong></a>'
        f"<p>{escaped(one['summary'])}</p></li>"
    )


def results() -> str:
    """Every target with what was measured, as a table that sorts by its columns."""
    summarize, rows = pages.tables(), []
    for stem, record in summarize.records().items():
        for row in record.get("verify", {}).get("targets", ()):
            name = stem.replace("_", "-")
            link = f'<a href="systems/{stem}.html">{name}</a>' if stem in heads.stems() else name
            ends = " to ".join(summarize.number(end) for end in row.get("interval", ()))
            word = row["verdict"]
            cells = [
                link, escaped(row["run"]), escaped(summarize.limit_of(row)), summarize.number(row["value"]), ends,
                f'<span class="verdict {word.split(",")[0].replace(" ", "-")}">{word}</span>',
                escaped(summarize.MARKS[row["mark"]].split(":")[0]), escaped(row["source"]),
            ]  # fmt: skip
            rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    names = ("system", "run", "target", "measured", "95 % interval", "verdict", "mark", "where the target comes from")
    head = "".join(f'<th scope="col"><button type="button">{name}</button></th>' for name in names)
    words = "\n".join(f"- **{word}**: {text}" for word, text in WORDS.items())
    marks = "\n".join(f"- **{text.split(':')[0]}**:{text.split(':')[1]}" for text in summarize.MARKS.values())
    return f"""---
hide-toc: true
---

# What was measured

Every target of every system, misses among them. The verdict is about the mean over seeds, or over the trials of an
experiment:

{words}

Where targets come from:

{marks}

```{{raw}} html
<label class="find">Search <input type="search" id="words" autocomplete="off"></label>
<div class="wide" role="region" aria-label="results" tabindex="0">
<table class="sortable" id="results"><thead><tr>{head}</tr></thead>
<tbody>
{chr(10).join(rows)}
</tbody></table></div>
```
"""
