"""The page in a real browser, driven by its DevTools protocol: on a phone, in the dark, in Kubeflow's frame."""

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import websocket

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
           "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
           "--remote-allow-origins=*"]  # fmt: skip
WIDE, PHONE = (1280, 900, False), (390, 844, True)
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
UNNAMED = "[...document.querySelectorAll('img,svg')].filter(e => !e.closest('[aria-hidden],svg svg') && "
UNNAMED += "!(e.alt || e.getAttribute('aria-label'))).length"
CUT = """[...document.querySelectorAll('figure svg')].flatMap(svg => [...svg.querySelectorAll('text')].filter(text => {
    const box = text.getBBox(), view = svg.viewBox.baseVal;
    return box.x < -1 || box.x + box.width > view.width + 1 || box.y + box.height > view.height + 1;
}).map(text => text.textContent))"""


# Intervals of a table whose line breaks inside.
BROKEN = """[...document.querySelectorAll('td small')].filter(cell => {
    const node = cell.firstChild, start = node.data.indexOf('['), range = document.createRange();
    if (start < 0) return false;
    range.setStart(node, start);
    range.setEnd(node, node.data.indexOf(']') + 1);
    return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1;
}).map(cell => cell.textContent)"""
SCROLLS = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.ariaLabel)"
SHOWN = "[...document.querySelectorAll('.detail')].filter(e => e.offsetHeight > 0).length"


class Browser:
    """One page of a headless Chromium, and all that it asked for and complained about since it was opened."""

    def __init__(self, profile: Path) -> None:
        command = [str(CHROMIUM), *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.port = self._port(profile / "DevToolsActivePort")
        [address] = self.targets("page")
        self.socket = websocket.create_connection(address, timeout=60)
        self.numbers, self.events = itertools.count(1), list[dict[str, Any]]()
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def _port(self, file: Path) -> int:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            if file.is_file() and (lines := file.read_text().split()):
                return int(lines[0])
            time.sleep(0.1)
        raise RuntimeError("chromium did not start")

    def targets(self, kind: str) -> list[str]:
        """Where pages, or the frames that run apart from them, are spoken to."""
        listed = json.load(urlopen(f"http://127.0.0.1:{self.port}/json/list", timeout=30))
        return [target["webSocketDebuggerUrl"] for target in listed if target["type"] == kind]

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol and its answer; events on the way are kept."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def value(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def open(self, file: Path, size: tuple[int, int, bool] = WIDE, scheme: str = "light") -> None:
        width, height, mobile = size
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.call("Page.navigate", url=file.as_uri())
        deadline = time.monotonic() + 60
        while self.value("document.readyState + location.href") != f"complete{file.as_uri()}":
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def picture(self, path: Path) -> None:
        """The whole page as PNG, for people to look at."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def requests(self) -> list[str]:
        sent = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def complaints(self) -> list[dict[str, Any]]:
        return [e for e in self.events if e["method"] in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled",
                                                          "Log.entryAdded")]  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.socket.close()
    opened.process.terminate()
    opened.process.wait()


MANY = {"baseline": (None, None, 1.0)} | {
    f"arm-{n:02d}-{'long' * (n % 9)}": ("encoder.layers", n, 1 + 0.02 * n) for n in range(1, 40)
}


@pytest.fixture(scope="module")
def pages(study_dir: Path, write_study: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The drawn study, one with 40 arms and long names, and one that failed altogether."""
    from ablation.report.build import build

    root = tmp_path_factory.mktemp("pages")
    many = write_study(root / "many", arms=MANY, failed=set(), utterances=20, seeds=(1, 2))
    none = write_study(root / "none", failed={(arm, seed) for arm in MANY for seed in (1,)}, seeds=(1,),
                       arms=dict(list(MANY.items())[:3]))  # fmt: skip
    folders = {"drawn": study_dir, "many": many, "none": none}
    for folder in (many, none):
        build(folder, ["html"])
    return {name: folder / "report.html" for name, folder in folders.items()}


@pytest.mark.parametrize("name", ["drawn", "many", "none"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_page_fits_asks_for_nothing_and_names_its_pictures(
    browser: Browser, pages: dict[str, Path], name: str, size: tuple[int, int, bool]
) -> None:
    browser.open(pages[name], size)
    assert browser.value(OVERFLOW) == 0
    assert browser.value(UNNAMED) == 0
    assert browser.value(CUT) == []
    assert browser.value(BROKEN) == []
    assert browser.requests() == [pages[name].as_uri()]
    assert browser.complaints() == []


def test_the_tables_of_five_conditions_fit_a_laptop(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["drawn"])
    assert [label for label in browser.value(SCROLLS) if "Seed by seed" in label or "rate" in label] == []


def test_a_phone_shows_details_on_demand(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["drawn"])
    every = browser.value(SHOWN)
    whole = browser.value("document.body.scrollHeight")
    browser.open(pages["drawn"], PHONE)
    assert (every > 5, browser.value(SHOWN)) == (True, 0)
    assert browser.value("document.body.scrollHeight") < whole
    browser.value("document.querySelector('.fold + label').click()")
    assert browser.value(SHOWN) == 1
    browser.value("document.querySelector('.fold + label').click()")
    browser.value("location.hash = document.querySelector('nav li:last-child a').hash")
    assert browser.value(SHOWN) == 1


def test_the_measure_of_overflow_can_fail(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "wide.html"
    page.write_text('<meta name="viewport" content="width=device-width"><div style="width:900px">x</div><img>')
    browser.open(page, PHONE)
    assert browser.value(OVERFLOW) > 0
    assert browser.value(UNNAMED) == 1


def test_dark_is_dark(browser: Browser, pages: dict[str, Path]) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    found = []
    for scheme in ("light", "dark"):
        browser.open(pages["drawn"], WIDE, scheme)
        found.append(browser.value(colour))
    assert found == ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]


def test_paper_is_light_on_a_dark_screen(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["drawn"], WIDE, "dark")
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.call("Emulation.setEmulatedMedia", media="print", features=dark)
    ink = browser.value("getComputedStyle(document.body).color")
    browser.call("Emulation.setEmulatedMedia", media="")
    assert ink == "rgb(27, 31, 36)"


def test_the_page_shows_in_a_frame_that_may_do_nothing(
    browser: Browser, pages: dict[str, Path], tmp_path: Path
) -> None:
    """Kubeflow's pages show a report by `srcdoc` in a sandboxed frame."""
    page = tmp_path / "frame.html"
    source = escape(pages["drawn"].read_text("utf-8"))
    page.write_text(f'<meta charset="utf-8"><iframe sandbox="" width="900" height="700" srcdoc="{source}"></iframe>')
    browser.open(page)
    [frame] = browser.targets("iframe")
    inside = websocket.create_connection(frame, timeout=60)
    expression = "[document.querySelectorAll('figure svg').length, document.body.scrollHeight, document.readyState]"
    inside.send(
        json.dumps({"id": 1, "method": "Runtime.evaluate", "params": {"expression": expression, "returnByValue": True}})
    )
    pictures, height, state = json.loads(inside.recv())["result"]["result"]["value"]
    inside.close()
    assert (pictures >= 8, height > 2000, state) == (True, True, "complete")
    assert browser.complaints() == []
