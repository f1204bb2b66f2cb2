"""A report of one run, or a comparison of several, as ONE self-contained HTML page.

It reads the files of a run folder and nothing else, so that it works for a run that is still training, that was killed,
or that came from another machine. The page holds its pictures and its style, no script, and refuses to load anything
(content security policy); every text from a file is escaped. It follows the reader's light or dark setting and can be
printed.
"""

from pathlib import Path

from deepcanon.engine.report.folder import read_run
from deepcanon.engine.report.one_run import page_of_one
from deepcanon.engine.report.several_runs import page_of_several
from deepcanon.engine.report.style import STYLE
from deepcanon.engine.svg.frame import escape
from deepcanon.writing import replacing

__all__ = ["report_body", "report_page", "write_report"]

HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
"""


def write_report(runs: list[Path], to: Path) -> Path:
    """Write the report of the run folders into the file ``to`` (or ``to/report.html``); returns that file."""
    page = report_page(runs)
    to = Path(to)
    to = to / "report.html" if to.is_dir() else to
    with replacing(to) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace")
    return to


def report_page(runs: list[Path]) -> str:
    """The report of the run folders as HTML."""
    title, body = report_body(runs)
    head = f"{HEAD}<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
    return f"{head}<body><main>{body}</main></body>\n</html>\n"


def report_body(runs: list[Path]) -> tuple[str, str]:
    """Title and body of the report of the run folders, for a page that has the style already."""
    if not runs:
        raise ValueError("a report needs at least one run folder")
    for folder in runs:
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"{folder}: no such run folder")
    read = [read_run(Path(folder)) for folder in runs]
    for run, label in zip(read, _labels([run.folder for run in read]), strict=True):
        run.label = label
    return page_of_one(read[0]) if len(read) == 1 else page_of_several(read)


def _labels(folders: list[Path]) -> list[str]:
    """The shortest ends of the folders' paths that distinguish them."""
    parts = [folder.absolute().parts for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        labels = ["/".join(path[-length:]) for path in parts]
        if len(set(labels)) == len(labels):
            return labels
    return [f"{path[-1]} ({index + 1})" for index, path in enumerate(parts)]
