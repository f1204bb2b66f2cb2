"""Every kind of panel in a headless Chromium, with real runs; left out where selenium or the browser's driver is not.

Each is filled in and asked once, at the width of a desk and at that of a phone. Nothing may be written into the log of
the browser, and no page may be wider than its window.
"""

import re
import shutil

import pytest

import deepcanon

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium, in any environment of your own")
pytestmark = pytest.mark.slow

from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

DRIVER = shutil.which("chromedriver")
WIDTHS = {"desk": 1280, "phone": 390}
KINDS = {  # a run of each form of input and of answer
    "picture": ("convnet", {}),
    "code": ("autoencoder", {"code": 2, "hidden": (8,)}),
    "patch": ("sparse-coding", {}),
    "row": ("mlp", {"data": "own.csv", "target": "class"}),
    "text": ("rnn-lm", {"data": "own.txt"}),
    "words": ("word2vec", {"data": "own.txt", "minimum_count": 1}),
    "sentence": ("attention", {}),
    "samples": ("gan", {}),
    "points": ("pointer-network", {}),
    "episode": ("dqn", {}),
}
TYPED = {"words": "cat\nmat"}


@pytest.fixture(scope="module")
def trained(runs, tmp_path_factory):
    place = tmp_path_factory.mktemp("data")
    rows = [f"{k % 7},{'red' if k % 3 else 'blue'},{'this' if k % 2 else 'that'}" for k in range(60)]
    (place / "own.csv").write_text("\n".join(["size,colour,class", *rows]))
    (place / "own.txt").write_text("the cat sat on the mat . " * 200)
    how = {"preset": "smoke", "steps": 4, "threads": 1, "precision": "fp32", "quiet": True}
    runs.mkdir(exist_ok=True)
    for kind, (name, options) in KINDS.items():
        own = {"data": str(place / options["data"])} if "data" in options else {}
        deepcanon.train(name, out=runs / kind, **{**how, **options, **own})
    return runs


@pytest.fixture(scope="module")
def browser():
    if DRIVER is None:
        pytest.skip("needs chromedriver")
    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"):
        options.add_argument(word)
    started = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield started
    started.quit()


def opened(browser, address, width):
    """The page, once it has loaded its scripts."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": WIDTHS[width], "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    browser.get(address)
    return WebDriverWait(browser, 60)


def draw(browser, canvas):
    """A stroke across it, or some points: what a mouse does."""
    browser.execute_script(
        """
        const box = arguments[0].getBoundingClientRect();
        arguments[0].setPointerCapture = () => {};
        const send = (kind, x, y, buttons) => arguments[0].dispatchEvent(new PointerEvent(kind, {
          bubbles: true, pointerId: 1, buttons,
          clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
        const places = [[0.2, 0.2], [0.8, 0.3], [0.5, 0.5], [0.7, 0.8], [0.2, 0.7]];
        send("pointerdown", ...places[0], 1);
        for (const place of places) { send("pointermove", ...place, 1); send("click", ...place, 0); }
        send("pointerup", ...places[4], 0);
        """,
        canvas,
    )


def fill(browser, panel, kind):
    for canvas in panel.find_elements(By.CSS_SELECTOR, "canvas.draw"):
        draw(browser, canvas)
    for area in panel.find_elements(By.CSS_SELECTOR, "textarea"):
        if area.is_displayed() and not area.get_attribute("value"):
            area.send_keys(TYPED.get(kind, "the cat"))
    for cell in panel.find_elements(By.CSS_SELECTOR, "input[inputmode=decimal]"):
        cell.send_keys("3")


def asked(browser, panel, wait):
    """Asks, unless what was drawn has asked already, and waits for the answer."""
    status = panel.find_element(By.CSS_SELECTOR, "[role=status]")
    button = panel.find_element(By.CSS_SELECTOR, "button.main")
    wait.until(lambda _: button.is_enabled())
    if not status.text:
        browser.execute_script("arguments[0].click()", button)
    wait.until(lambda _: (button.is_enabled() and re.fullmatch(r"\d+\.\d s", status.text)) or warned(panel))
    assert not warned(panel)
    answers = panel.find_element(By.CSS_SELECTOR, ".answers")
    assert answers.find_elements(By.CSS_SELECTOR, "*"), "the panel shows no answer"
    return answers


def warned(panel):
    return [one.text for one in panel.find_elements(By.CSS_SELECTOR, ".warn")]


def follow(browser, answers, wait):
    """Moves each slider, and opens a token."""
    for slider in answers.find_elements(By.CSS_SELECTOR, ".frames > input, .frames label input")[:2]:
        slider.send_keys(Keys.RIGHT * 3)
    for frames in answers.find_elements(By.CSS_SELECTOR, ".frames"):
        wait.until(lambda _, frames=frames: frames.find_elements(By.CSS_SELECTOR, "img, svg"))
    for token in answers.find_elements(By.CSS_SELECTOR, ".tokens button")[:1]:
        browser.execute_script("arguments[0].click()", token)
        assert answers.find_elements(By.CSS_SELECTOR, ".others td"), "what else might stand there"


def sound(browser):
    """What should be so on every page."""
    log = [line["message"] for line in browser.get_log("browser")]
    wide = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    assert log == [] and wide <= 0, f"the page is wider than its window by {wide} pixels"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_panel_answers(trained, server, browser, kind, width):
    wait = opened(browser, f"{server.address}try/{kind}", width)
    state = browser.find_element(By.ID, "state")
    wait.until(lambda _: "weights of step" in state.text or "warn" in (state.get_attribute("class") or ""))
    panels = browser.find_elements(By.CSS_SELECTOR, "form.panel")
    assert panels, state.text
    for panel in panels:
        fill(browser, panel, kind)
        follow(browser, asked(browser, panel, wait), wait)
    sound(browser)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_list_and_the_page_of_a_run(trained, server, browser, width):
    wait = opened(browser, server.address, width)
    wait.until(lambda _: "picture" in browser.find_element(By.TAG_NAME, "body").text)
    sound(browser)
    wait = opened(browser, f"{server.address}run/picture", width)
    wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, "svg"))
    sound(browser)
