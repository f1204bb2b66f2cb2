"""What a browser of the Chromium family shows of a page: for `docs/picture.py` and `docs/site/take.py`."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LIGHT, DARK = 1, 0  # Chromium's numbers for prefers-color-scheme


def screenshot(page: Path, width: int, height: int, scheme: int = LIGHT) -> Image.Image:
    """The top of a page, as readers with this preference see it.

    Raises:
        FileNotFoundError: there is no browser.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise FileNotFoundError(f"install one of {', '.join(BROWSERS)}: a browser takes the picture")
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "page.png"
        subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                "--disable-background-networking", f"--user-data-dir={folder}",
                f"--blink-settings=preferredColorScheme={scheme}", f"--window-size={width},{height}",
                f"--screenshot={picture}", page.resolve().as_uri(),
            ],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        return Image.open(picture).convert("RGB")
