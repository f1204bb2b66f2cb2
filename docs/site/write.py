"""Writes the sources of the site from what is true: python docs/site/write.py FOLDER, which sphinx-build then reads."""

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

import courses  # noqa: E402
import front  # noqa: E402
import pages  # noqa: E402
import sharing  # noqa: E402

GUIDES = {  # pages that are kept by hand, and where they stand
    **{path.stem: path for path in sorted((ROOT / "docs" / "guides").glob("*.md"))},
    "decoding": ROOT / "docs" / "decoding.md",
    "generated-data": ROOT / "docs" / "tasks.md",
    "architecture": ROOT / "ARCHITECTURE.md",
    "contributing": ROOT / "CONTRIBUTING.md",
}


def write(to: Path) -> list[str]:
    """Writes everything that sphinx-build needs; the stems that have a page."""
    if to.exists():
        shutil.rmtree(to)
    (to / "systems").mkdir(parents=True)
    (to / "guides").mkdir()
    shutil.copytree(HERE / "static", to / "_static")
    shutil.copy(HERE / "conf.py", to / "conf.py")
    for folder in (to / "pictures", to / "_static" / "pictures"):
        folder.mkdir()
        for path in sorted([*pages.PICTURES.glob("*.svg"), *pages.PICTURES.glob("*.webp")]):
            shutil.copy(path, folder / path.name)
    (to / "index.md").write_text(front.gallery(), encoding="utf-8")
    (to / "results.md").write_text(front.results(), encoding="utf-8")
    (to / "speed.md").write_text(pages.tables().speed().replace("<", r"\<"), encoding="utf-8")
    for name, path in GUIDES.items():
        text = path.read_text(encoding="utf-8").replace("](results/SPEED.md)", "](../speed.md)")
        text = text.replace("<!-- rates -->", sharing.rates())
        (to / "guides" / f"{name}.md").write_text(text, encoding="utf-8")
    stems = pages.stems()
    (to / "courses.md").write_text(courses.page(stems), encoding="utf-8")
    for stem in stems:
        (to / "systems" / f"{stem}.md").write_text(pages.page(stem), encoding="utf-8")
    return stems


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python docs/site/write.py FOLDER")
    print(f"{len(write(Path(sys.argv[1])))} pages")
