"""What a trained run answers to a panel, as HTML and numbers for the page: by the form of the answer alone."""

import base64
import csv
import io
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from deepcanon.data import DataError, Inputs
from deepcanon.data.errors import one_line
from deepcanon.engine.figures import Bars, Figure, Heat, Line, Plot
from deepcanon.engine.forecasts import Forecast
from deepcanon.engine.pairs import alignment_figure
from deepcanon.engine.pictures import tiles
from deepcanon.engine.report.figures import image_tag
from deepcanon.engine.report.values import value_text
from deepcanon.engine.sounds import Sound, audio_tag
from deepcanon.engine.svg import draw
from deepcanon.engine.svg.frame import escape
from deepcanon.errors import UsageError
from deepcanon.serving.matrices import png_of
from deepcanon.serving.nearest import example, nearest, ranges
from deepcanon.serving.panels import decodes_pictures, draws_text, input_kind, panels_of
from deepcanon.trained import Trained

__all__ = ["answer"]

Tell = Callable[[str], None]
LIKELIEST = 12
"""Classes, or words, that an answer names."""
SHOWN = 50
"""Inputs of one question that are answered on the page."""
BARS, FOLD = 40, 32
"""Numbers of a representation that are drawn as bars, and in a row of colours where there are more."""
TURNED = 16
"""Numbers of a code up to which each can be changed by itself."""
FRAMES = 41
"""Pictures of a walk."""
TOKENS, OTHERS = 600, 8
"""Tokens of a text that are explained, and alternatives of each."""
COVERED = 14
"""Squares along the longer side by which a picture is covered."""
LOOKS = (
    "How much less likely the class becomes when a square of the picture is covered by its mean: the classifier looks "
    "where it is bright."
)


def answer(trained: Trained, asked: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """The answer to a panel.

    Args:
        asked: "verb", and what its panel takes: "file" {name, base64}, "text", "row" {column: cell}, "options".
        tell: is given a text piece by piece as it is drawn.

    Raises:
        UsageError, DataError: what is asked cannot be answered, in a line.
    """
    verb = asked.get("verb")
    if verb == "describe":
        return {"name": trained.name, "step": trained.step, "panels": panels_of(trained)}
    with tempfile.TemporaryDirectory(prefix="deepcanon-") as folder:
        try:
            if verb == "predict":
                return _predict(trained, asked, Path(folder))
            if verb == "encode":
                return _encode(trained, asked, Path(folder))
            if verb == "generate":
                return _generate(trained, asked, Path(folder), tell)
            if verb == "walk":
                return _walk(trained, dict(asked.get("options") or {}))
            if verb == "between":
                return _between(trained, asked, Path(folder))
            if verb == "decode":
                return {"html": _decoded(trained, _code(asked))[0]}
            if verb == "example":
                return _example(trained, asked)
            if verb == "play":
                return _play(trained, asked, Path(folder))
        except Exception as error:
            text = str(error).replace(f"{folder}/", "")
            raise UsageError(text) if text != str(error) else error from None
    raise UsageError(f"no panel asks {verb!r}")


def _predict(trained: Trained, asked: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    given = trained.read(str(_file(asked, folder)))
    records = trained.answer(given)
    html = ""
    if any("boxes" in record for record in records):
        pictures = trained.draw(given, records, folder / "drawn")
        html += "".join(image_tag("jpeg", place.read_bytes(), "the boxes that were found") for place in pictures)
        html += "" if any(record.get("boxes") for record in records) else "<p class='answer'>no box</p>"
    for place, record in enumerate(records[:SHOWN]):
        if input_kind(trained) == "point_sets" and isinstance(record.get("value"), list):
            html += _drawn(_joined(given.values[place], record["value"]))
        if len(records) > 1:
            html += f"<h3>{escape(str(record['input']).removeprefix(f'{folder}/').replace('text.txt:', 'line '))}</h3>"
        html += _record(record)
    if len(records) > SHOWN:
        html += f"<p class='note'>The first {SHOWN} of {len(records):,} answers.</p>"
    if asked.get("looks") and input_kind(trained) == "images" and len(records) == 1 and "probabilities" in records[0]:
        html += _drawn(_looks(trained, given, records[0]))
    if asked.get("nearest") and len(records) == len(given) == 1:
        html += nearest(trained, given)
    found: dict[str, Any] = {"html": html}
    if draws_text(trained) and len(records) == 1 and isinstance(given.values[0], str):
        found["tokens"] = _tokens(trained, given.values[0])
    return found


def _encode(trained: Trained, asked: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The representation of what was given: bars of one short vector, else a row of colours for each."""
    given = trained.read(str(_file(asked, folder)))
    if given.refused:
        raise DataError(given.refused)
    codes = trained.codes(given).float().cpu()
    count, size = codes.shape
    said = f"<p class='answer'>{size:,} number{'s' * (size != 1)}</p>"
    near = nearest(trained, given) if asked.get("nearest") and count == 1 else ""
    if count == 1 and size <= BARS:
        bars = {f"unit {unit}": value for unit, value in enumerate(codes[0].tolist(), 1)}
        found: dict[str, Any] = {"html": said + _drawn(Bars(bars, "representation")) + near}
        if size <= TURNED and decodes_pictures(trained):
            found["code"] = {"values": codes[0].tolist(), "ranges": ranges(trained, codes[0])}
        return found
    rows = codes if count > 1 else codes[0, : size - size % FOLD].reshape(-1, FOLD) if size > FOLD else codes
    across, down = ("unit", "input") if count > 1 else (f"{min(size, FOLD)} units in a row", "rows of units")
    rest = size % FOLD if count == 1 and size > FOLD else 0
    note = f"<p class='note'>The last {rest} units are not drawn.</p>" if rest else ""
    note += f"<p class='note'>The first {SHOWN} of {count:,} inputs.</p>" if count > SHOWN else ""
    return {"html": said + _drawn(Heat(rows[:SHOWN], across, down, "representation")) + note + near}


def _file(asked: Mapping[str, Any], folder: Path) -> Path:
    """What was typed, drawn or dropped as a file, which the reader of the run takes like any other."""
    if isinstance(given := asked.get("file"), Mapping):
        suffix = Path(str(given.get("name"))).suffix
        suffix = suffix if suffix[1:].isalnum() and len(suffix) < 10 else ""
        place = folder / f"input{suffix.lower()}"
        place.write_bytes(base64.b64decode(str(given.get("base64")), validate=True))
        return place
    if isinstance(row := asked.get("row"), Mapping):
        table = io.StringIO()
        writer = csv.writer(table)
        writer.writerow([str(name) for name in row])
        writer.writerow([str(cell) for cell in row.values()])
        (folder / "row.csv").write_text(table.getvalue(), encoding="utf-8")
        return folder / "row.csv"
    text = asked.get("text")
    if not isinstance(text, str) or not text.strip():
        raise UsageError("there is no input yet")
    (folder / "text.txt").write_text(text, encoding="utf-8")
    return folder / "text.txt"


def _record(record: Mapping[str, Any]) -> str:
    """An answer: its label, its numbers by name as bars, all else as a table."""
    if "error" in record:
        return f"<p class='warn'>{escape(record['error'])}</p>"
    label = record.get("label", record.get("text"))
    html = "" if label is None else f"<p class='answer'>{escape(label)}</p>"
    rest = {}
    for name, value in record.items():
        if name in ("input", "label", "text", "note") or value == {} or value == []:
            continue
        if name == "alignment" and isinstance(value, Mapping):
            html += _drawn(alignment_figure(value))
        elif isinstance(value, Mapping) and value and all(_is_number(one) for one in value.values()):
            likeliest = sorted(value.items(), key=lambda item: -abs(item[1]))[:LIKELIEST]
            html += _drawn(Bars({one_line(key, 24): one for key, one in likeliest}, name.replace("_", " ")))
        elif name != "boxes":
            rest[name] = value
    cells = "".join(
        f"<tr><td>{escape(name.replace('_', ' '))}</td><td>{escape(value_text(value))}</td></tr>"
        for name, value in rest.items()
    )
    html += f"<div class='wide'><table>{cells}</table></div>" if cells else ""
    return html + (f"<p class='note'>{escape(record['note'])}</p>" if "note" in record else "")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _looks(trained: Trained, given: Inputs, record: Mapping[str, Any]) -> Heat:
    """By how much each square of a picture supports the answer."""
    picture, label = given.values, record["label"]  # [1, C, H, W]
    height, width = picture.shape[-2:]
    size = max(1, -(-max(height, width) // COVERED))
    places = [(top, left) for top in range(0, height, size) for left in range(0, width, size)]
    mean = picture.float().mean((-2, -1), keepdim=True).to(picture.dtype)
    covered = picture.repeat(len(places), 1, 1, 1)
    for number, (top, left) in enumerate(places):
        covered[number, :, top : top + size, left : left + size] = mean[0]
    answers = trained.answer(Inputs([""] * len(places), covered))
    less = [record["probabilities"][label] - one["probabilities"][label] for one in answers]
    values = torch.tensor(less).reshape(-(-height // size), -1)
    return Heat(values, "columns", "rows", f"what speaks for {label}", unit="loss of probability", caption=LOOKS)


def _joined(points: torch.Tensor, places: list[Any]) -> Plot:
    """Points [P, 2], and the figure that is named by their places: one polygon, or a list of several."""
    lines = [Line(points[:, 1], points[:, 0], "points", style="o", colour=-1)]
    for number, way in enumerate(places if not places or isinstance(places[0], list) else [places]):
        closed = points[[*way, *way[:1]]]
        lines.append(Line(closed[:, 1], closed[:, 0], "" if number else "answer", colour=0))
    return Plot(lines, "x", "y", equal=True)


def _generate(trained: Trained, asked: Mapping[str, Any], folder: Path, tell: Tell) -> dict[str, Any]:
    options: dict[str, Any] = dict(asked.get("options") or {})
    for name in trained.recipe.asked.FILES:  # no path of a page is opened
        options.pop(name, None)
        if asked.get("file"):
            options[name] = str(_file(asked, folder))
    streams = draws_text(trained) and not (options.get("beam") or options.get("rank")) and options.get("count", 1) == 1
    options["tell"] = tell if streams else None
    samples = trained.generate(**options)
    if isinstance(samples, Forecast):
        return {"html": _drawn(samples.figure())}
    if isinstance(samples, torch.Tensor) and samples.ndim == 2:
        sound = Sound(samples.cpu().numpy(), trained.recipe.facts["reader"]["rate"])
        return {"html": "".join(audio_tag(sound, number) for number in range(len(samples)))}
    if isinstance(samples, torch.Tensor):
        return {"html": f"<div class='canvas'>{_picture(samples, 'samples')}</div>"}
    if streams:
        return {"html": "", "tokens": _tokens(trained, samples[0]["text"])}
    return {"html": "".join(_sample(sample) for sample in samples)}


def _walk(trained: Trained, options: Mapping[str, Any]) -> dict[str, Any]:
    """Pictures on the way from one sample of a generator to another, for a slider."""
    ends = [options.get(name, place) for place, name in enumerate(("first seed", "last seed"))]
    if any(type(seed) is not int or not 0 <= seed < 1 << 63 for seed in ends):
        raise UsageError("a seed is a whole number from 0")
    with torch.no_grad():
        found = trained.recipe.walk(*ends, FRAMES)
    return {"html": "", "frames": [_picture(one[None], "a sample on the way") for one in found]}


def _between(trained: Trained, asked: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Pictures that stand for the codes on the straight way from the code of one picture to that of another."""
    files, ends = asked.get("files"), []
    if not isinstance(files, list) or len(files) != 2:
        raise UsageError("a walk is from one picture to another")
    for name, file in zip(("first", "second"), files, strict=True):
        (folder / name).mkdir()
        ends.append(trained.encode(str(_file({"file": file}, folder / name)))[0].cpu())
    share = torch.linspace(0, 1, FRAMES, dtype=ends[0].dtype)[:, None]
    return {"html": "", "frames": _decoded(trained, torch.lerp(ends[0], ends[1], share))}


def _code(asked: Mapping[str, Any]) -> torch.Tensor:
    values = asked.get("code")
    if not isinstance(values, list) or not 0 < len(values) <= TURNED or not all(map(_is_number, values)):
        raise UsageError(f"a code is {TURNED} numbers at most")
    return torch.tensor([values], dtype=torch.float32)


def _decoded(trained: Trained, codes: torch.Tensor) -> list[str]:
    """The pictures of codes [N, K]."""
    if not decodes_pictures(trained):
        raise UsageError(f"{trained.name} makes no pictures of codes")
    with torch.no_grad():
        return [_picture(one[None], "what the code stands for") for one in trained.recipe.decode(codes)]


def _example(trained: Trained, asked: Mapping[str, Any]) -> dict[str, Any]:
    """A picture that the run kept, as a file that a page may ask about."""
    number = asked.get("number")
    if type(number) is not int or number < 0:
        raise UsageError("the number of an example is a whole number from 0")
    content = png_of(example(trained, number).numpy())
    return {"file": {"name": "example.png", "base64": base64.b64encode(content).decode()}}


def _picture(samples: torch.Tensor, alt: str) -> str:
    content = io.BytesIO()
    tiles(samples.cpu().numpy()).save(content, "PNG")
    return image_tag("png", content.getvalue(), alt)


def _sample(sample: Mapping[str, Any]) -> str:
    html = f"<pre>{escape(sample.get('text', ''))}</pre>"
    html += _drawn(alignment_figure(sample["alignment"])) if "alignment" in sample else ""
    return html + (f"<p class='note'>score {escape(value_text(sample['score']))}</p>" if "score" in sample else "")


def _tokens(trained: Trained, text: str) -> list[dict[str, Any]]:
    """The first tokens of a text, each with its probability and what else might have stood there; [] if untold."""
    words = trained.recipe.vocabulary.unit == "words"
    with torch.no_grad():
        found = trained.recipe.alternatives(text, OTHERS)[:TOKENS]
    return [{"token": token, "apart": words, "p": chance, "others": others} for token, chance, others in found]


def _play(trained: Trained, asked: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    seed = dict(asked.get("options") or {}).get("seed", 0)
    film = folder / "film.gif"
    (record,) = trained.play(episodes=1, seed=seed, to=film)
    said = f"<p class='answer'>return {record['return']:g} in {record['length']} steps</p>"
    return {"html": f"{image_tag('gif', film.read_bytes(), 'an episode')}{said}"}


def _drawn(figure: Figure) -> str:
    panels = "".join(draw(figure))
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    return f"<figure><span class='panels'>{panels}</span>{caption}</figure>"
