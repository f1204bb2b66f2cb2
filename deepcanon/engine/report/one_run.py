"""The page of one run: its state, what it measured and drew, its options, and the next steps."""

import math
import shlex
from pathlib import Path

from deepcanon.engine.report.curves import curves_of
from deepcanon.engine.report.figures import figures_of, texts_of
from deepcanon.engine.report.folder import RunFiles, as_dict, by_metric, split_and_metric
from deepcanon.engine.report.values import STATES, time_text, value_text
from deepcanon.engine.svg.frame import escape, number

__all__ = ["cards_of", "option_table", "page_of_one"]


def page_of_one(run: RunFiles) -> tuple[str, str]:
    """Title and body."""
    summary = run.config.get("summary")
    chips = []
    if run.settings.get("data") is not None or run.reader:
        chips.append(("data", run.settings.get("data") or run.reader.get("kind")))
    for key in ("preset", "seed", "precision", "device"):
        value = run.settings.get(key, run.config.get(key))
        if value is not None:
            chips.append((key, value))
    head = [
        f"<header><p class='eyebrow'>deepcanon run</p><h1>{escape(run.name)}</h1>",
        f"<p class='lead'>{escape(summary)}</p>" if summary else "",
        "<p class='chips'>"
        + "".join(f"<span><b>{escape(k)}</b> {escape(value_text(v))}</span>" for k, v in chips)
        + "</p>",
        f"<p class='folder'>{escape(run.label)}</p></header>",
    ]
    verdict = texts_of(run, "samples", first=True)
    body = [
        "".join(head),
        f"<section id='verdict' class='verdict'><h2>Verdict</h2>{verdict}</section>" if verdict else "",
    ]
    body.append(cards_of(run))
    body += [f"<p class='warn'>{escape(problem)}</p>" for problem in run.problems]
    sections = [
        ("Curves", curves_of([run])),
        ("Figures", figures_of(run, "figures")),
        ("Samples", texts_of(run, "figures") + figures_of(run, "samples") + texts_of(run, "samples")),
        ("Metrics", _metric_table(run)),
        ("Options", option_table(run)),
        ("Environment", _environment(run)),
        ("Next steps", _commands(run)),
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


def cards_of(run: RunFiles) -> str:
    """State, step, time and scores, a card each."""
    status = run.status
    state = str(status.get("state") or "unknown")
    step, steps = status.get("step"), status.get("steps")
    if step is None and run.series:
        step = max(steps_of[-1] for steps_of, _ in run.series.values())
    done = ""
    if isinstance(step, int | float) and isinstance(steps, int | float) and steps > 0:
        share = min(1.0, max(0.0, step / steps))
        done = f"<div class='bar'><i style='width:{100 * share:.1f}%'></i></div>"
    of = f" <small>of {escape(value_text(steps))}</small>" if steps is not None else ""
    cards = [
        f"<div class='card'><span>state</span>"
        f"<strong class='state {STATES.get(state, 'pause')}'>{escape(state)}</strong>"
        + (f"<small>{escape(status['reason'])}</small>" if status.get("reason") else "")
        + "</div>",
        f"<div class='card'><span>step</span><strong>{escape(value_text(step))}{of}</strong>{done}</div>",
    ]
    seconds = status.get("seconds")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        cards.append(f"<div class='card'><span>time</span><strong>{escape(time_text(seconds))}</strong></div>")
    if run.best.get("metric"):
        cards.append(
            f"<div class='card key'><span>best {escape(run.best['metric'])}</span>"
            f"<strong>{escape(value_text(run.best.get('value')))}</strong>"
            f"<small>at step {escape(value_text(run.best.get('step')))}</small></div>"
        )
    for key, (_, values) in run.series.items():
        if split_and_metric(key)[0] == "test" and len(cards) < 6:
            cards.append(f"<div class='card'><span>{escape(key)}</span><strong>{number(values[-1])}</strong></div>")
    return f"<div class='cards'>{''.join(cards)}</div>"


def _metric_table(run: RunFiles) -> str:
    rows = []
    for group in by_metric(list(run.series)).values():
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
            sentence, unit, _ = run.metric(key)
            said = f"<br><small>{escape(sentence)}{escape(f' ({unit})' if unit else '')}</small>" if sentence else ""
            rows.append(f"<tr{watched}><td><code>{escape(key)}</code>{star} {note}{said}</td>{''.join(cells)}</tr>")
    if not rows:
        return ""
    head = "<tr><th>metric</th>" + "".join(
        f"<th class='n'>{name}</th>" for name in ("last", "step", "lowest", "highest")
    )
    return f"{_measured_in_part(run)}<div class='wide'><table>{head}</tr>{''.join(rows)}</table></div>"


def _measured_in_part(run: RunFiles) -> str:
    """A line if held-out texts are longer than what an evaluation reads of them."""
    most = as_dict(run.config.get("config")).get("evaluated")
    counts = as_dict(run.data.get("counts"))
    longest = max((count for name in ("valid", "test") if isinstance(count := counts.get(name), int)), default=0)
    if not isinstance(most, int) or not 0 < most < longest:
        return ""
    return f"<p>Of a held-out text its first {most:,} tokens are measured (<code>--evaluated</code>; 0: all).</p>"


def option_table(run: RunFiles) -> str:
    """The options of the recipe next to the settings of the run; what differs from the defaults is marked."""
    config, defaults = as_dict(run.config.get("config")), as_dict(run.config.get("defaults"))
    if not config and not run.settings:
        return ""
    rows = []
    for key, value in config.items():
        changed = key in defaults and defaults[key] != value
        default = f"<td>{escape(value_text(defaults[key]))}</td>" if key in defaults else "<td></td>"
        mark = " class='key'" if changed else ""
        rows.append(f"<tr{mark}><td><code>{escape(key)}</code></td><td>{escape(value_text(value))}</td>{default}</tr>")
    last = "<th>default</th>" if defaults else "<th></th>"
    tables = ""
    if rows:
        head = f"<tr><th>option</th><th>value</th>{last}</tr>"
        tables = f"<div class='wide'><table>{head}{''.join(rows)}</table></div>"
        if any(key in defaults and defaults[key] != value for key, value in config.items()):
            tables += "<p class='note'>Marked: differs from the recipe's default.</p>"
    return f"<div class='columns'>{tables}{_pairs('setting', run.settings)}</div>"


def _pairs(title: str, values: dict) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(key)}</code></td><td>{escape(value_text(value))}</td></tr>"
        for key, value in values.items()
        if value is not None
    )
    return f"<div class='wide'><table><tr><th>{title}</th><th>value</th></tr>{rows}</table></div>" if rows else ""


def _environment(run: RunFiles) -> str:
    values = {"deepcanon": run.config.get("version")}
    values |= {key: run.settings.get(key) for key in ("device", "threads", "precision", "compile")}
    values |= as_dict(run.config.get("environment"))
    seconds = run.status.get("seconds")
    values["training time"] = time_text(seconds) if isinstance(seconds, int | float) else None
    reader = {f"data {key}": value for key, value in run.reader.items()}
    return f"<div class='columns'>{_pairs('environment', values)}{_pairs('data', reader)}</div>".replace(
        "<div class='columns'></div>", ""
    )


VERBS = {
    "resume": ("resume {run} --steps {more}", "train further, from the last checkpoint"),
    "eval": ("eval {run}", "measure the best checkpoint on the test split"),
    "predict": ("predict {run} INPUT", "label your own input"),
    "generate": ("generate {run} --count 8", "draw samples"),
    "encode": ("encode {run} INPUT --to codes.npz", "compute representations of your own input"),
    "play": ("play {run} --episodes 10", "let the trained agent play"),
    "export": ("export {run} --format onnx --to model.onnx", "export the model"),
    "report": ("report {run} OTHER-RUN", "compare with another run"),
}


def _commands(run: RunFiles) -> str:
    verbs = run.config.get("verbs")
    verbs = [verb for verb in verbs if verb in VERBS] if isinstance(verbs, list) else ["eval", "export"]
    steps = run.status.get("steps")
    more = 2 * steps if isinstance(steps, int) and steps > 0 else "N"
    if run.status.get("state") not in ("done", None):
        resume = ("resume {run}", "continue where it stopped")
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
