"""A real browser, driven over the WebDriver protocol (w3.org/TR/webdriver2) with nothing but HTTP."""

import base64
import json
import re
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key that WebDriver gives elements by
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
]


def chromium() -> str | None:
    """The browser and its driver; None where one of the two is missing."""
    found = next((path for name in _CHROMIUM if (path := shutil.which(name))), None)
    return found if shutil.which("chromedriver") else None


class Browser:
    """One window of a headless Chromium; `close` ends it.

    `open` takes a file's path, `run` runs JavaScript in the page, `requests` are the addresses the page asked for.
    """

    def __init__(self, profile: Path):
        self._driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        line = next((said for said in self._driver.stdout if "started successfully on port" in said), "")
        port = re.search(r"port (\d+)", line)
        assert port, f"chromedriver did not start: {line}"
        self._base = f"http://127.0.0.1:{port[1]}"
        arguments = [*_OPTIONS, f"--user-data-dir={profile}"]
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": chromium(), "args": arguments},
            "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
        }
        self._session = ""
        try:
            made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        except OSError:
            self.close()
            raise
        self._session = f"/session/{made['sessionId']}"

    def open(self, page: Path, width_px: int = 1280, height_px: int = 900) -> None:
        """Opens a file as a screen of this size shows it; narrow ones as a phone does."""
        self.chrome(
            "Emulation.setDeviceMetricsOverride",
            width=width_px,
            height=height_px,
            deviceScaleFactor=1,
            mobile=width_px < 600,
        )
        self._ask("POST", f"{self._session}/url", {"url": page.resolve().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """The value that the script returns."""
        return self._ask("POST", f"{self._session}/execute/sync", {"script": script, "args": list(arguments)})

    def press(self, selector: str, keys: str) -> None:
        """Presses keys in the element, as a person at the keyboard does."""
        element = self._ask("POST", f"{self._session}/element", {"using": "css selector", "value": selector})[ELEMENT]
        self._ask("POST", f"{self._session}/element/{element}/value", {"text": keys})

    def click(self, selector: str) -> None:
        """Clicks the element."""
        element = self._ask("POST", f"{self._session}/element", {"using": "css selector", "value": selector})[ELEMENT]
        self._ask("POST", f"{self._session}/element/{element}/click", {})

    def chrome(self, command: str, **parameters: Any) -> Any:
        """A command of the browser's own protocol."""
        return self._ask("POST", f"{self._session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self, file: Path, whole: bool = False) -> None:
        """What the window shows, as a PNG; or the whole page."""
        shot = self.chrome("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        file.write_bytes(base64.b64decode(shot))

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last time."""
        events = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """Errors that the page made since the last time."""
        return [entry["message"] for entry in self._log("browser") if entry["level"] == "SEVERE"]

    def wait(self, condition: str, timeout_s: float = 10) -> None:
        """Waits until a JavaScript expression is true."""
        deadline = time.monotonic() + timeout_s
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < deadline, f"never true: {condition}"
            time.sleep(0.02)

    def close(self) -> None:
        """Ends the browser and its driver."""
        try:
            if self._session:
                self._ask("DELETE", self._session)
        finally:
            self._driver.terminate()
            self._driver.wait(10)
            self._driver.stdout.close()

    def _log(self, kind: str) -> list[dict[str, Any]]:
        return self._ask("POST", f"{self._session}/se/log", {"type": kind})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._base + path, content, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())["value"]
