"""Takes the picture of a system for the site: python docs/site/take.py NAME [FIGURE [RUN]]

Trains the default preset, takes the named figure of its last evaluation (or the first by name), and writes
docs/pictures/STEM.svg, with the command that made it and what is seen in STEM.json. A drawing that is large, because it
holds photographs, is stored as STEM.webp, for which a browser of the Chromium family is needed. Of a system that draws
nothing, the text that it wrote is shown. RUN is the folder of a run of the default preset that was trained before.
"""

import io
import json
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from browser import screenshot  # noqa: E402

from deepcanon.engine.pictures import read_figure  # noqa: E402
from deepcanon.engine.svg.frame import escape  # noqa: E402
from deepcanon.engine.svg.passage import CELL, INK, LINE, cells  # noqa: E402
from deepcanon.engine.svg.style import file_style  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
LARGEST = 60_000  # bytes of a drawing that is stored as it is
LINES, COLUMNS = 19, 80  # of a text


def figures_of(run: Path) -> dict[str, Path]:
    """The drawings of the last evaluation, by name."""
    found: dict[str, Path] = {}
    for path in sorted((run / "figures").glob("*.svg")):
        found[re.sub(r"-\d{8}$", "", path.stem)] = path
    return found


def texts_of(run: Path) -> dict[str, Path]:
    """The texts of the last evaluation, by name."""
    return {re.sub(r"-\d{8}$", "", path.stem): path for path in sorted((run / "samples").glob("*.txt"))}


def as_drawing(content: str) -> str:
    """The first lines of a text as a drawing for light and for dark pages."""
    drawn, width, height = [], 0, 0
    for row, line in enumerate(content.splitlines()[:LINES], 1):
        while cells(line) > COLUMNS:
            line = line[:-2] + "…"
        width, height = max(width, cells(line)), row
        drawn.append(f'<text x="10" y="{LINE * row:.0f}" style="{INK};white-space:pre">{escape(line)}</text>')
    size = f'viewBox="0 0 {CELL * width + 20:.0f} {LINE * height + 12:.0f}"'
    size += f' width="{CELL * width + 20:.0f}" height="{LINE * height + 12:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{file_style()}</style>'
    return f'{head}<rect width="100%" height="100%" style="fill:var(--paper)"/>{"".join(drawn)}</svg>'


def caption_of(drawing: Path) -> str:
    """What is said about a figure or a text of a run."""
    if drawing.suffix == ".svg":
        return read_figure(drawing.with_suffix(".npz")).caption
    said = json.loads((drawing.parent / "captions.json").read_text(encoding="utf-8"))
    return said[re.sub(r"-\d{8}$", "", drawing.stem)]


def as_webp(drawing: Path) -> bytes:
    """The drawing as a browser shows it on a light page."""
    size = re.search(r'width="(\d+)" height="(\d+)"', drawing.read_text(encoding="utf-8"))
    if size is None:
        raise SystemExit(f"{drawing.name} does not say how large it is")
    content = io.BytesIO()
    screenshot(drawing, int(size[1]), int(size[2])).save(content, "WEBP", quality=80, method=6)
    return content.getvalue()


def finished(run: Path, name: str) -> Path:
    """The run itself, if it is one of this recipe's default preset that was trained to its end."""
    about, status = (json.loads((run / file).read_text(encoding="utf-8")) for file in ("config.json", "status.json"))
    found = about["name"], about["preset"], status["state"]
    if found != (wanted := (name.replace("_", "-"), "default", "done")):
        raise SystemExit(f"{run} is {' '.join(map(str, found))}, not {' '.join(wanted)}")
    return run


def take(name: str, wanted: str = "", run: Path | None = None) -> Path:
    """Trains, unless a run is given, and writes the picture; its path."""
    stem = name.replace("-", "_")
    command = ["deepcanon", "train", name.replace("_", "-")]
    with tempfile.TemporaryDirectory() as folder:
        if run is None:
            trained = Path(folder) / "run"
            subprocess.run([sys.executable, "-m", *command, "--out", str(trained)], check=True, cwd=ROOT)
        else:
            trained = finished(run, name)
        found = figures_of(trained) or texts_of(trained)
        if not found or (wanted and wanted not in found):
            raise SystemExit(f"{name} draws {', '.join(found) or 'nothing'}")
        chosen = wanted or next(iter(found))
        drawing = found[chosen]
        caption = caption_of(drawing)
        if drawing.suffix == ".txt":
            text, drawing = drawing.read_text(encoding="utf-8"), Path(folder) / "text.svg"
            drawing.write_text(as_drawing(text), encoding="utf-8")
        PICTURES.mkdir(exist_ok=True)
        for old in PICTURES.glob(f"{stem}.*"):
            old.unlink()
        small = drawing.stat().st_size <= LARGEST
        to = PICTURES / f"{stem}{'.svg' if small else '.webp'}"
        to.write_bytes(drawing.read_bytes() if small else as_webp(drawing))
    about = {"figure": chosen, "caption": caption, "command": shlex.join(command)}
    to.with_suffix(".json").write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return to


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3, 4):
        sys.exit("python docs/site/take.py NAME [FIGURE [RUN]]")
    print(take(*sys.argv[1:3], *map(Path, sys.argv[3:])))
