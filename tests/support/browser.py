"""A real browser, controlled through the WebDriver protocol (w3.org/TR/webdriver2) over plain HTTP."""

import base64
import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's id in WebDriver
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
]


def find_chromium() -> str | None:
    """Return the path of the browser; None if it or its driver is missing."""
    found = next((path for name in _CHROMIUM if (path := shutil.which(name))), None)
    return found if shutil.which("chromedriver") else None


class Browser:
    """One window of a headless Chromium; `close` quits it.

    `open` takes a file's path, `run` runs JavaScript in the page, `read_requests` returns the URLs that it requested.
    """

    def __init__(self, profile: Path, program: Path | None = None):
        """Start it.

        Args:
            profile: The folder of its settings and cookies.
            program: A script that runs Chromium elsewhere, for example in another network namespace.
        """
        self._driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        line = next((output for output in self._driver.stdout if "started successfully on port" in output), "")
        port = re.search(r"port (\d+)", line)
        assert port, f"chromedriver did not start: {line}"
        self._base = f"http://127.0.0.1:{port[1]}"
        arguments = [*_OPTIONS, f"--user-data-dir={profile}", *(["--remote-debugging-pipe"] if program else [])]
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": str(program or find_chromium()), "args": arguments},
            "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
        }
        self._session = ""
        try:
            session = self._request("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        except OSError:
            self.close()
            raise
        self._session = f"/session/{session['sessionId']}"

    def open(self, page: Path, width_px: int = 1280, height_px: int = 900) -> None:
        """Open a file on a screen of this size; a narrow one is a phone."""
        self.visit(page.resolve().as_uri(), width_px, height_px)

    def visit(self, url: str, width_px: int = 1280, height_px: int = 900, dark: bool = False) -> None:
        """Open an address on a screen of this size, in light or dark colors."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send_command("Emulation.setEmulatedMedia", features=[scheme])
        self.send_command(
            "Emulation.setDeviceMetricsOverride",
            width=width_px,
            height=height_px,
            deviceScaleFactor=1,
            mobile=width_px < 600,
        )
        self._request("POST", f"{self._session}/url", {"url": url})

    def read(self, selector: str) -> str:
        """Return the text of the first element; "" if there is none."""
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page and return its value."""
        return self._request("POST", f"{self._session}/execute/sync", {"script": script, "args": list(arguments)})

    def press(self, selector: str, keys: str) -> None:
        """Press keys in the element, as a user does on the keyboard; wait for it first."""
        element = self._find(selector)
        self._request("POST", f"{self._session}/element/{element}/value", {"text": keys})

    def click(self, selector: str) -> None:
        """Click the element; wait for it first, and scroll to it. Try again if the page replaces it meanwhile."""
        deadline = time.monotonic() + 10
        while True:
            element = self._find(selector)
            try:
                self.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
                self._request("POST", f"{self._session}/element/{element}/click", {})
            except urllib.error.HTTPError:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def send_command(self, command: str, **parameters: Any) -> Any:
        """Send a command of the Chrome DevTools Protocol."""
        return self._request("POST", f"{self._session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self, file: Path, whole: bool = False) -> None:
        """Write a PNG of the window, or of the whole page."""
        shot = self.send_command("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        file.write_bytes(base64.b64decode(shot))

    def read_requests(self) -> list[str]:
        """Return the URLs requested since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self._read_log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def read_errors(self) -> list[str]:
        """Return the page's errors since the last call."""
        return [entry["message"] for entry in self._read_log("browser") if entry["level"] == "SEVERE"]

    def wait(self, condition: str, timeout_s: float = 10) -> None:
        """Wait until a JavaScript expression is true; it may fail while elements are missing."""
        deadline = time.monotonic() + timeout_s
        while not self.run(f"try {{ return Boolean({condition}); }} catch {{ return false; }}"):
            assert time.monotonic() < deadline, f"never true: {condition}"
            time.sleep(0.02)

    def close(self) -> None:
        """Quit the browser and its driver."""
        try:
            if self._session:
                self._request("DELETE", self._session)
        finally:
            self._driver.terminate()
            self._driver.wait(10)
            self._driver.stdout.close()

    def _find(self, selector: str) -> str:
        """Return the id of the first element."""
        self.wait(f"document.querySelector({json.dumps(selector)})")
        found = self._request("POST", f"{self._session}/element", {"using": "css selector", "value": selector})
        return found[ELEMENT]

    def _read_log(self, kind: str) -> list[dict[str, Any]]:
        return self._request("POST", f"{self._session}/se/log", {"type": kind})

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._base + path, content, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())["value"]
