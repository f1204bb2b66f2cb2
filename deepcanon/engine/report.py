"""A report of one run, or a comparison of several, as ONE self-contained HTML page.

It reads the files of a run folder and nothing else, so that it works for a run that is still going, that was
killed, or that came from another machine. The page holds its pictures and its style, no script, and refuses
to load anything (content security policy); every text from a file is escaped. It follows the reader's light
or dark setting and can be printed.
"""

import base64
import io
import json
import math
import os
import shlex
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from deepcanon.engine import pictures
from deepcanon.engine.charts import Line, chart, escape, number, wants_log
from deepcanon.engine.report_style import STYLE

STRIP = 12
"""Earlier pictures shown beside the latest one, evenly over the run."""
TEXT_LIMIT = 20_000
"""Characters of a text sample that are shown."""
PICTURE_LIMIT = 24_000_000
"""Bytes above which a picture file is left out."""
PIXEL_LIMIT = 40_000_000
"""Pixels above which a picture is left out unread."""
SPLITS = ("train", "valid", "test")
SEEDLIKE = ("seed", "out", "minutes")
"""Settings in which two runs may differ and still be one experiment repeated."""
STATES = {
    "done": "good", "running": "going", "stopped": "pause", "interrupted": "pause", "failed": "bad",
}  # fmt: skip


@dataclass
class Run:
    """What the files of one run folder say."""

    folder: Path
    label: str
    config: dict = field(default_factory=dict)
    status: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    series: dict[str, tuple[list[int], list[float]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.config.get("name") or self.folder.name).replace("_", "-")

    @property
    def best(self) -> dict:
        return _dict(self.status.get("best"))

    def options(self) -> dict[str, object]:
        """Everything that was chosen: the recipe's options and the run's settings."""
        return {"name": self.name, **_dict(self.config.get("config")), **_dict(self.config.get("settings"))}


def write_report(runs: list[Path], to: Path) -> Path:
    """Write the report of the run folders into the file ``to`` (or ``to/report.html``); returns that file."""
    if not runs:
        raise ValueError("a report needs at least one run folder")
    for folder in runs:
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"{folder}: no such run folder")
    read = [read_run(Path(folder)) for folder in runs]
    for run, label in zip(read, _labels([run.folder for run in read]), strict=True):
        run.label = label
    title, body = _single(read[0]) if len(read) == 1 else _several(read)
    head = f"{HEAD}<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
    page = f"{head}<body><main>{body}</main></body>\n</html>\n"
    to = Path(to)
    to = to / "report.html" if to.is_dir() else to
    part = to.with_name(f".{to.name}.part")
    try:
        part.write_text(page, encoding="utf-8", errors="replace")
        os.replace(part, to)
    finally:
        part.unlink(missing_ok=True)
    return to


def read_run(folder: Path) -> Run:
    """Read a run folder; what is missing or broken is left empty, and named in ``problems``."""
    run = Run(folder, folder.name or str(folder))
    for name, path in (
        ("config", folder / "config.json"),
        ("status", folder / "status.json"),
        ("facts", folder / "facts" / "facts.json"),
    ):
        if path.is_file():
            try:
                content = json.loads(path.read_text(encoding="utf-8", errors="replace"))
                setattr(run, name, _dict(_untagged(content) if name == "facts" else content))
            except (ValueError, OSError, RecursionError) as error:
                run.problems.append(f"{path.name} cannot be read: {error}")
    metrics = folder / "metrics.jsonl"
    if metrics.is_file():
        broken = 0
        with open(metrics, encoding="utf-8", errors="replace") as file:
            for text in file:
                broken += not _add_row(run.series, text)
        # The last row of a run that is going on may be half written.
        if broken > 1:
            run.problems.append(f"{broken} rows of metrics.jsonl cannot be read")
    return run


def _add_row(series: dict[str, tuple[list[int], list[float]]], text: str) -> bool:
    if not text.strip():
        return True
    try:
        row = json.loads(text)
        step = int(row["step"])
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return False
    for key, value in row.items():
        if key == "step" or isinstance(value, bool):
            continue
        if isinstance(value, str) and value in ("nan", "inf", "-inf"):
            value = float(value)
        if isinstance(value, int | float):
            steps, values = series.setdefault(str(key), ([], []))
            if not steps or step >= steps[-1]:
                steps.append(step)
                values.append(float(value))
    return True


def _untagged(tree: object) -> object:
    """The plain values of a stored part, whose dictionaries and tuples are tagged; tensors are left out."""
    if isinstance(tree, list):
        return [_untagged(item) for item in tree]
    if isinstance(tree, dict):
        if isinstance(tree.get("$dict"), list):
            pairs = [pair for pair in tree["$dict"] if isinstance(pair, list) and len(pair) == 2]
            return {str(name): _untagged(item) for name, item in pairs}
        if "$tuple" in tree:
            return _untagged(tree["$tuple"])
        return None if any(str(key).startswith("$") for key in tree) else tree
    return tree


def _dict(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _labels(folders: list[Path]) -> list[str]:
    """The shortest ends of the folders' paths that tell them apart."""
    parts = [folder.absolute().parts for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        labels = ["/".join(path[-length:]) for path in parts]
        if len(set(labels)) == len(labels):
            return labels
    return [f"{path[-1]} ({index + 1})" for index, path in enumerate(parts)]


def _split(key: str) -> tuple[str, str]:
    split, slash, metric = key.partition("/")
    return (split, metric) if slash else ("", key)


def _by_metric(keys: list[str]) -> dict[str, list[str]]:
    """Keys by the metric they measure; what the run watches for first comes first, then losses."""
    groups: dict[str, list[str]] = {}
    for key in keys:
        groups.setdefault(_split(key)[1] if _split(key)[0] in SPLITS else key, []).append(key)
    if groups.get("loss") == ["train/loss"] and groups.get("nll"):
        # The loss in training and the negative log-likelihood of held-out data belong side by side.
        groups = {"loss and nll": [*groups.pop("loss"), *groups.pop("nll")], **groups}
    order = {split: index for index, split in enumerate(SPLITS)}
    return {metric: sorted(group, key=lambda k: order.get(_split(k)[0], 9)) for metric, group in groups.items()}


# ---------------------------------------------------------------------------------------------- one run


def _single(run: Run) -> tuple[str, str]:
    settings = _dict(run.config.get("settings"))
    summary = run.config.get("summary")
    chips = []
    reader = _dict(run.facts.get("reader"))
    if settings.get("data") is not None or reader:
        chips.append(("data", settings.get("data") or reader.get("kind")))
    for key in ("preset", "seed", "precision", "device"):
        value = settings.get(key, run.config.get(key))
        if value is not None:
            chips.append((key, value))
    head = [
        f"<header><p class='eyebrow'>deepcanon run</p><h1>{escape(run.name)}</h1>",
        f"<p class='lead'>{escape(summary)}</p>" if summary else "",
        "<p class='chips'>"
        + "".join(f"<span><b>{escape(k)}</b> {escape(_value(v))}</span>" for k, v in chips)
        + "</p>",
        f"<p class='folder'>{escape(run.label)}</p></header>",
    ]
    body = ["".join(head), _cards(run)]
    body += [f"<p class='warn'>{escape(problem)}</p>" for problem in run.problems]
    sections = [
        ("Metrics", _metric_table(run)),
        ("Curves", _curves([run])),
        ("Figures", _pictures(run, "figures")),
        ("Samples", _texts(run, "figures") + _pictures(run, "samples") + _texts(run, "samples")),
        ("Options", _option_table(run)),
        ("Environment", _environment(run)),
        ("Go on", _commands(run)),
    ]
    shown = [(name, content) for name, content in sections if content]
    links = "".join(f"<a href='#{_anchor(name)}'>{name}</a>" for name, _ in shown)
    body.append(f"<nav>{links}</nav>")
    if not run.series:
        body.append("<p class='none'>Nothing has been measured yet.</p>")
    body += [f"<section id='{_anchor(name)}'><h2>{name}</h2>{content}</section>" for name, content in shown]
    return f"{run.name} · {run.label}", "".join(body)


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _cards(run: Run) -> str:
    status = run.status
    state = str(status.get("state") or "unknown")
    step, steps = status.get("step"), status.get("steps")
    if step is None and run.series:
        step = max(steps_of[-1] for steps_of, _ in run.series.values())
    done = ""
    if isinstance(step, int | float) and isinstance(steps, int | float) and steps > 0:
        share = min(1.0, max(0.0, step / steps))
        done = f"<div class='bar'><i style='width:{100 * share:.1f}%'></i></div>"
    of = f" <small>of {escape(_value(steps))}</small>" if steps is not None else ""
    cards = [
        f"<div class='card'><span>state</span>"
        f"<strong class='state {STATES.get(state, 'pause')}'>{escape(state)}</strong>"
        + (f"<small>{escape(status['reason'])}</small>" if status.get("reason") else "")
        + "</div>",
        f"<div class='card'><span>step</span><strong>{escape(_value(step))}{of}</strong>{done}</div>",
    ]
    seconds = status.get("seconds")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        cards.append(f"<div class='card'><span>time</span><strong>{escape(_duration(seconds))}</strong></div>")
    if run.best.get("metric"):
        cards.append(
            f"<div class='card key'><span>best {escape(run.best['metric'])}</span>"
            f"<strong>{escape(_value(run.best.get('value')))}</strong>"
            f"<small>at step {escape(_value(run.best.get('step')))}</small></div>"
        )
    for key, (_, values) in run.series.items():
        if _split(key)[0] == "test" and len(cards) < 6:
            cards.append(f"<div class='card'><span>{escape(key)}</span><strong>{number(values[-1])}</strong></div>")
    return f"<div class='cards'>{''.join(cards)}</div>"


def _metric_table(run: Run) -> str:
    rows = []
    for group in _by_metric(list(run.series)).values():
        for key in group:
            steps, values = run.series[key]
            finite = [(value, step) for step, value in zip(steps, values, strict=True) if math.isfinite(value)]
            cells = [f"<td class='n'><b>{number(values[-1])}</b></td><td class='n'>{steps[-1]:,}</td>"]
            if len(values) > 1:
                for pick in (min, max):
                    value, at = pick(finite, key=lambda pair: pair[0], default=(math.nan, steps[0]))
                    cells.append(f"<td class='n'>{number(value)} <small>at {at:,}</small></td>")
            else:
                cells.append("<td></td><td></td>")
            bad = len(values) - len(finite)
            note = f"<small class='bad'>{bad:,} not finite</small>" if bad else ""
            watched = " class='key'" if key == run.best.get("metric") else ""
            star = " <small>decides which checkpoint is best</small>" if watched else ""
            rows.append(f"<tr{watched}><td><code>{escape(key)}</code>{star} {note}</td>{''.join(cells)}</tr>")
    if not rows:
        return ""
    head = "<tr><th>metric</th>" + "".join(
        f"<th class='n'>{name}</th>" for name in ("last", "step", "lowest", "highest")
    )
    return f"<div class='wide'><table>{head}</tr>{''.join(rows)}</table></div>"


def _curves(runs: list[Run]) -> str:
    """One chart per metric; the splits of one run, or the runs of a comparison, lie over each other."""
    several = len(runs) > 1
    keys = list(dict.fromkeys(key for run in runs for key in run.series))
    charts: list[str] = []
    for metric, group in _by_metric(keys).items():
        lines = []
        for index, run in enumerate(runs):
            present = [key for key in group if key in run.series]
            if several:
                # A single point (the test split, measured at the end) is in the table, not in the curves.
                present = [key for key in present if len(run.series[key][0]) > 1]
            for key in present:
                split = _split(key)[0] if _split(key)[0] in SPLITS else ""
                colour = index if several else (SPLITS.index(split) if split else 0)
                faint = split == "train" and len(present) > 1
                kind = split if len({_split(k)[1] for k in group}) == 1 else key.replace("/", " ")
                label = " ".join(filter(None, (run.label if several else "", kind or ("" if several else key))))
                mark = run.best.get("step") if key == run.best.get("metric") else None
                mark = mark if isinstance(mark, int) else None
                whose = run.label if several else ""
                lines.append(Line(label, *run.series[key], colour, faint, mark, run=whose))
        if max((len(line.steps) for line in lines), default=0) > 1:
            charts.append(_chart_card(metric, lines, len(charts)))
    return f"<div class='charts'>{''.join(charts)}</div>" if charts else ""


def _chart_card(metric: str, lines: list[Line], index: int) -> str:
    entries: dict[str, tuple[int, bool]] = {}
    for line in lines:
        entries.setdefault(line.run or line.label, (line.colour % 8, line.faint and not line.run))
    legend = "".join(
        f"<span class='c{colour}{' faint' if faint else ''}'><i></i>{escape(name)}</span>"
        for name, (colour, faint) in entries.items()
    )
    if any(line.run and line.faint for line in lines):
        legend += "<span>thin: train</span>"
    ratio = wants_log(lines)
    head = f"<figcaption><b>{escape(metric)}</b><span class='legend'>{legend}</span></figcaption>"
    if ratio < 20:
        return f"<figure class='chart'>{head}{chart(metric, lines)}</figure>"
    log_first = ratio >= 100
    buttons = "".join(
        f"<input type='radio' name='scale{index}' id='scale{index}{kind}'{' checked' if on else ''}>"
        f"<label for='scale{index}{kind}'>{kind}</label>"
        for kind, on in (("linear", not log_first), ("log", log_first))
    )
    return (
        f"<figure class='chart two'>{head}{buttons}<div class='linear'>{chart(metric, lines)}</div>"
        f"<div class='log'>{chart(metric, lines, log=True)}</div></figure>"
    )


# ------------------------------------------------------------------------------------ pictures and samples


def _files(run: Run, folder: str, suffixes: tuple[str, ...]) -> dict[str, list[tuple[int, Path]]]:
    """Files by figure name, each with its steps in order. Links are left out: they may lead anywhere."""
    found: dict[str, list[tuple[int, Path]]] = {}
    place = run.folder / folder
    if place.is_dir() and not place.is_symlink():
        for path in sorted(place.iterdir()):
            if path.suffix.lower() in suffixes and path.is_file() and not path.is_symlink() and path.name[0] != ".":
                match = pictures.FILE.fullmatch(path.name)
                name, step = (match["name"], int(match["step"])) if match else (path.stem, -1)
                found.setdefault(name, []).append((step, path))
    return {name: sorted(files) for name, files in sorted(found.items())}


def _spread(files: list, count: int) -> list:
    if len(files) <= count:
        return files
    return [files[index * (len(files) - 1) // (count - 1)] for index in range(count)]


def _pictures(run: Run, folder: str) -> str:
    blocks = []
    for name, files in _files(run, folder, (".png",)).items():
        step, path = files[-1]
        large = _image(path)
        if large is None:
            blocks.append(f"<p class='warn'>{escape(path.name)} cannot be shown</p>")
            continue
        strip = []
        for earlier, other in _spread(files[:-1], STRIP):
            small = _image(other, 180)
            if small:
                strip.append(
                    f"<figure>{_img(small, f'{name}, step {earlier}')}<figcaption>{earlier:,}</figcaption></figure>"
                )
        when = f"step {step:,}" if step >= 0 else ""
        blocks.append(
            f"<div class='picture'><figure class='latest'>"
            f"<figcaption><b>{escape(name.replace('_', ' '))}</b> {when}</figcaption>"
            f"{_img(large, f'{name}, {when}')}</figure>"
            + (
                f"<div class='strip-of'><p>earlier, by step</p><div class='row'>{''.join(strip)}</div></div>"
                if strip
                else ""
            )
            + "</div>"
        )
    return f"<div class='pictures'>{''.join(blocks)}</div>" if blocks else ""


def _img(data: bytes, alt: str) -> str:
    return f"<img src='data:image/png;base64,{base64.b64encode(data).decode()}' alt='{escape(alt)}'>"


def _image(path: Path, largest: int | None = None) -> bytes | None:
    """The picture's bytes, made anew where a smaller one is asked for; None where it is no picture."""
    from PIL import Image

    try:
        if path.stat().st_size > PICTURE_LIMIT:
            return None
        data = path.read_bytes()
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.width * image.height > PIXEL_LIMIT:
                return None
            image.load()
            if largest is None:
                return data
            image.thumbnail((2 * largest, largest))
            small = io.BytesIO()
            image.convert("RGB").save(small, format="PNG", optimize=True)
        return small.getvalue()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _texts(run: Run, folder: str) -> str:
    blocks = []
    for name, files in _files(run, folder, (".txt",)).items():
        step, path = files[-1]
        when = f"step {step:,}" if step >= 0 else ""
        earlier = "".join(
            f"<details><summary>step {at:,}</summary><pre>{escape(_text(other, 3000))}</pre></details>"
            for at, other in reversed(_spread(files[:-1], STRIP))
        )
        blocks.append(
            f"<div class='sample'><p><b>{escape(name.replace('_', ' '))}</b> <small>{when}</small></p>"
            f"<pre>{escape(_text(path, TEXT_LIMIT))}</pre>{earlier}</div>"
        )
    return "".join(blocks)


def _text(path: Path, limit: int) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(limit + 1)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return text[:limit] + ("\n… (cut here)" if len(text) > limit else "")


# --------------------------------------------------------------------------------- options and environment


def _option_table(run: Run) -> str:
    config, settings = _dict(run.config.get("config")), _dict(run.config.get("settings"))
    defaults = _dict(run.config.get("defaults"))
    if not config and not settings:
        return ""
    rows = []
    for key, value in config.items():
        changed = key in defaults and defaults[key] != value
        default = f"<td>{escape(_value(defaults[key]))}</td>" if key in defaults else "<td></td>"
        mark = " class='key'" if changed else ""
        rows.append(f"<tr{mark}><td><code>{escape(key)}</code></td><td>{escape(_value(value))}</td>{default}</tr>")
    last = "<th>default</th>" if defaults else "<th></th>"
    tables = ""
    if rows:
        head = f"<tr><th>option</th><th>value</th>{last}</tr>"
        tables = f"<div class='wide'><table>{head}{''.join(rows)}</table></div>"
        if any(key in defaults and defaults[key] != value for key, value in config.items()):
            tables += "<p class='note'>Marked: differs from the recipe's default.</p>"
    return f"<div class='columns'>{tables}{_pairs('setting', settings)}</div>"


def _pairs(title: str, values: dict) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(key)}</code></td><td>{escape(_value(value))}</td></tr>"
        for key, value in values.items()
        if value is not None
    )
    return f"<div class='wide'><table><tr><th>{title}</th><th>value</th></tr>{rows}</table></div>" if rows else ""


def _environment(run: Run) -> str:
    settings = _dict(run.config.get("settings"))
    values = {"deepcanon": run.config.get("version")}
    values |= {key: settings.get(key) for key in ("device", "threads", "precision", "compile")}
    values |= _dict(run.config.get("environment"))
    seconds = run.status.get("seconds")
    values["training time"] = _duration(seconds) if isinstance(seconds, int | float) else None
    reader = {f"data {key}": value for key, value in _dict(run.facts.get("reader")).items()}
    return f"<div class='columns'>{_pairs('environment', values)}{_pairs('data', reader)}</div>".replace(
        "<div class='columns'></div>", ""
    )


VERBS = {
    "resume": ("resume {run} --steps {more}", "train further, from the last checkpoint"),
    "eval": ("eval {run}", "measure the best checkpoint on the test split"),
    "predict": ("predict {run} INPUT", "label your own input"),
    "generate": ("generate {run} --count 8", "draw samples"),
    "encode": ("encode {run} INPUT --to codes.npz", "compute representations of your own input"),
    "play": ("play {run} --episodes 10", "let the trained agent act"),
    "export": ("export {run} --format onnx --to model.onnx", "take the model elsewhere"),
    "report": ("report {run} OTHER-RUN", "compare with another run"),
}


def _commands(run: Run) -> str:
    verbs = run.config.get("verbs")
    verbs = [verb for verb in verbs if verb in VERBS] if isinstance(verbs, list) else ["eval", "export"]
    steps = run.status.get("steps")
    more = 2 * steps if isinstance(steps, int) and steps > 0 else "N"
    if run.status.get("state") not in ("done", None):
        resume = ("resume {run}", "go on where it stopped")
    else:
        resume = VERBS["resume"]
    folder = shlex.quote(_place(run.folder))
    rows = []
    for command, meaning in [
        resume,
        *(VERBS[v] for v in VERBS if v in verbs and v not in ("resume", "report")),
        VERBS["report"],
    ]:
        text = "deepcanon " + command.replace("{more}", str(more)).replace("{run}", folder)
        rows.append(f"<tr><td><code class='command'>{escape(text)}</code></td><td>{escape(meaning)}</td></tr>")
    return f"<div class='wide'><table class='commands'>{''.join(rows)}</table></div>"


def _place(folder: Path) -> str:
    try:
        return str(folder.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(folder)


def _value(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value) if not (isinstance(value, int) and abs(value) < 10_000) else str(value)
    if isinstance(value, list | tuple):
        if len(value) > 24:
            return ", ".join(map(_value, value[:20])) + f", … ({len(value)} in all)"
        return ", ".join(map(_value, value)) if value else "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_value(entry)}" for key, entry in list(value.items())[:24])
    return str(value)


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return str(seconds)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


# -------------------------------------------------------------------------------------------- several runs


def _several(runs: list[Run]) -> tuple[str, str]:
    names = list(dict.fromkeys(run.name for run in runs))
    title = f"{len(runs)} runs of {', '.join(names)}" if len(names) < 4 else f"{len(runs)} runs"
    differing = _differing(runs)
    measured = _measured(runs)
    lead = "They differ in: " + ", ".join(differing) if differing else "Same options in all."
    body = [
        f"<header><p class='eyebrow'>deepcanon comparison</p><h1>{escape(title)}</h1>",
        f"<p class='lead'>{escape(lead)}</p></header>",
    ]
    body += [f"<p class='warn'>{escape(run.label)}: {escape(problem)}</p>" for run in runs for problem in run.problems]
    body.append(f"<section id='runs'><h2>Runs</h2>{_run_table(runs, differing, measured)}</section>")
    seeds = _seed_table(runs, differing, measured)
    if seeds:
        body.append(f"<section id='seeds'><h2>Over seeds</h2>{seeds}</section>")
    curves = _curves(runs)
    if curves:
        body.append(f"<section id='curves'><h2>Curves</h2>{curves}</section>")
    latest = []
    for index, run in enumerate(runs):
        shown = []
        for name, files in _files(run, "figures", (".png",)).items():
            step, path = files[-1]
            data = _image(path, 420)
            if data:
                shown.append(
                    f"<figure>{_img(data, name)}<figcaption>{escape(name)}, step {step:,}</figcaption></figure>"
                )
        if shown:
            latest.append(
                f"<h3 class='c{index % 8}'><i></i>{escape(run.label)}</h3><div class='row'>{''.join(shown)}</div>"
            )
    if latest:
        body.append(f"<section id='figures'><h2>Latest figures</h2>{''.join(latest)}</section>")
    return title, "".join(body)


def _differing(runs: list[Run]) -> list[str]:
    options = [run.options() for run in runs]
    keys = dict.fromkeys(key for each in options for key in each)
    missing = object()
    return [
        key
        for key in keys
        if key != "out" and any(o.get(key, missing) != options[0].get(key, missing) for o in options)
    ]


def _measured(runs: list[Run]) -> list[str]:
    """The keys whose last values are compared: what was evaluated, or else what was trained."""
    keys = list(dict.fromkeys(key for run in runs for key in run.series))
    evaluated = [key for key in keys if _split(key)[0] in ("valid", "test")]
    return evaluated or [key for key in keys if _split(key)[0] == "train"][:4]


def _best_of(run: Run) -> float:
    value = run.best.get("value")
    if isinstance(value, str) and value in ("nan", "inf", "-inf"):
        value = float(value)
    return float(value) if isinstance(value, int | float) else math.nan


def _last(run: Run, key: str) -> float:
    return run.series[key][1][-1] if key in run.series else math.nan


def _watched(runs: list[Run]) -> str:
    """The metric that decides the best checkpoint, where it is the same in all runs."""
    names = {str(run.best.get("metric") or "") for run in runs}
    return names.pop() if len(names) == 1 else ""


def _run_table(runs: list[Run], differing: list[str], measured: list[str]) -> str:
    watched = _watched(runs)
    head = "<th>run</th>" + "".join(f"<th>{escape(key)}</th>" for key in differing)
    head += "<th>state</th><th class='n'>step</th><th class='n'>time</th>"
    head += f"<th class='n'>best {escape(watched)}</th>" if watched else ""
    head += "".join(f"<th class='n'>{escape(key)}</th>" for key in measured)
    rows = []
    for index, run in enumerate(runs):
        options, status = run.options(), run.status
        state = str(status.get("state") or "unknown")
        seconds = status.get("seconds")
        time = _duration(seconds) if isinstance(seconds, int | float) else "–"
        cells = [f"<td class='label c{index % 8}'><i></i>{escape(run.label)}</td>"]
        cells += [f"<td>{escape(_value(options.get(key)))}</td>" for key in differing]
        cells.append(f"<td class='state {STATES.get(state, 'pause')}'>{escape(state)}</td>")
        cells.append(f"<td class='n'>{escape(_value(status.get('step')))}</td><td class='n'>{escape(time)}</td>")
        if watched:
            cells.append(f"<td class='n'><b>{_maybe(_best_of(run))}</b></td>")
        cells += [f"<td class='n'>{_maybe(_last(run, key))}</td>" for key in measured]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f"<div class='wide'><table><tr>{head}</tr>{''.join(rows)}</table></div>"


def _maybe(value: float) -> str:
    return "–" if math.isnan(value) else number(value)


def _seed_table(runs: list[Run], differing: list[str], measured: list[str]) -> str:
    """Mean and spread over the runs that are equal but for their seed."""
    groups: dict[str, list[Run]] = {}
    kept = [key for key in differing if key not in SEEDLIKE]
    for run in runs:
        options = run.options()
        groups.setdefault(json.dumps([options.get(key) for key in kept], default=str), []).append(run)
    if max(map(len, groups.values())) < 2:
        return ""
    watched = _watched(runs)
    head = "".join(f"<th>{escape(key)}</th>" for key in kept) + "<th>seeds</th>"
    head += f"<th class='n'>best {escape(watched)}</th>" if watched else ""
    head += "".join(f"<th class='n'>{escape(key)}</th>" for key in measured)
    rows = []
    for group in groups.values():
        options = group[0].options()
        cells = [f"<td>{escape(_value(options.get(key)))}</td>" for key in kept]
        cells.append(f"<td>{escape(', '.join(_value(run.options().get('seed')) for run in group))}</td>")
        columns = [[_best_of(run) for run in group]] if watched else []
        columns += [[_last(run, key) for run in group] for key in measured]
        cells += [f"<td class='n'>{_mean_and_spread(values)}</td>" for values in columns]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    note = "<p class='note'>Mean ± sample standard deviation; beneath, the smallest and the largest.</p>"
    return f"<div class='wide'><table><tr>{head}</tr>{''.join(rows)}</table></div>{note}"


def _mean_and_spread(values: list[float]) -> str:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return "–"
    lost = f"<br><small class='bad'>{len(values) - len(finite)} not finite</small>" if len(finite) < len(values) else ""
    if len(finite) == 1:
        return number(finite[0]) + lost
    spread = statistics.stdev(finite)
    return (
        f"<b>{number(statistics.fmean(finite))}</b> ± {spread:.2g}"
        f"<br><small>{number(min(finite))} to {number(max(finite))}</small>{lost}"
    )


# ------------------------------------------------------------------------------------------------ the page

HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
"""
