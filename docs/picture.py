"""The picture of the first page: a report as a browser shows it, on a light and on a dark page.

    python docs/picture.py RUN      writes docs/report.png and docs/report-dark.png from RUN/report.html

RUN is the folder of `deepcanon train convnet --data mnist --steps 1600`: two minutes of one core. A browser of the
Chromium family takes the pictures; Pillow reduces their colours.
"""

import sys
from pathlib import Path

from browser import DARK, LIGHT, screenshot
from PIL import Image

WIDTH, HEIGHT = 1100, 1960  # of the part of the page that is shown
THEMES = {"report.png": LIGHT, "report-dark.png": DARK}


def main(arguments: list[str]) -> str:
    if len(arguments) != 1 or not (page := Path(arguments[0]) / "report.html").is_file():
        return "give the folder of a run that holds report.html"
    for name, scheme in THEMES.items():
        try:
            shown = screenshot(page, WIDTH, HEIGHT, scheme)
        except FileNotFoundError as error:
            return str(error)
        shown.quantize(256, dither=Image.Dither.NONE).save(Path(__file__).parent / name, optimize=True)
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) or 0)
