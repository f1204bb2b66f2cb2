"""The picture of the first page: a report as a browser shows it, on a light and on a dark page.

    python docs/picture.py RUN      writes docs/report.png and docs/report-dark.png from RUN/report.html

RUN is the folder of `deepcanon train convnet --data mnist --steps 1600`: two minutes of one core. A browser of the
Chromium family takes the pictures; Pillow reduces their colours.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1100, 1960  # of the part of the page that is shown
THEMES = {"report.png": 1, "report-dark.png": 0}  # Chromium's numbers for prefers-color-scheme


def screenshot(browser: str, page: Path, scheme: int, to: Path) -> None:
    """The top of a page, as readers with this preference see it."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "page.png"
        subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                f"--user-data-dir={folder}",
                f"--blink-settings=preferredColorScheme={scheme}", f"--window-size={WIDTH},{HEIGHT}",
                f"--screenshot={picture}", page.resolve().as_uri(),
            ],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        Image.open(picture).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(to, optimize=True)


def main(arguments: list[str]) -> str:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if len(arguments) != 1 or not (page := Path(arguments[0]) / "report.html").is_file():
        return "give the folder of a run that holds report.html"
    if browser is None:
        return f"install one of {', '.join(BROWSERS)}: a browser takes the picture"
    for name, scheme in THEMES.items():
        screenshot(browser, page, scheme, Path(__file__).parent / name)
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) or 0)
