"""Draw the page for the README: run the program on drawn scenes, and photograph its page on two screens."""

import argparse
import io
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from appliance.settings.schema import CameraSettings, EventSettings, MqttSettings
from support.broker import Broker, mosquitto
from support.browser import Browser, find_chromium
from support.web import WebDevice, make_settings

DESKTOP_PX, PHONE_PX = (1180, 720), (390, 720)
GAP_PX = 24
EVENTS = 5
LIMIT_S = 180.0


def photograph(browser: Browser, folder: Path) -> Image.Image:
    """Return the window as a picture."""
    file = folder / "window.png"
    browser.screenshot(file)
    return Image.open(io.BytesIO(file.read_bytes())).convert("RGB")


def wait_for_events(device: WebDevice) -> None:
    """Wait until the history has some events that ended."""
    client, deadline = device.program(), time.monotonic() + LIMIT_S
    while sum(event["ended"] is not None for event in client.get("/api/events").json["events"]) < EVENTS:
        if time.monotonic() > deadline:
            raise SystemExit("draw-readme-picture: the scenes started too few events")
        time.sleep(1)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    if not mosquitto():
        sys.exit("draw-readme-picture: mosquitto is missing; run scripts/install-test-tools")
    if not find_chromium():
        sys.exit("draw-readme-picture: chromium and chromedriver are missing; run scripts/install-test-tools")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = Broker(folder / "broker")
        settings = make_settings(
            camera=CameraSettings(source="scene"),
            events=EventSettings(),
            mqtt=MqttSettings(host=broker.host, port=broker.port),
        )
        with WebDevice(folder / "device", settings) as device:
            wait_for_events(device)
            browser = Browser(folder / "browser")
            try:
                address = f"http://127.0.0.1:{device.port}/"
                browser.visit(f"{address}#{device.access.make_code()}", *DESKTOP_PX)
                browser.wait("document.querySelector('now-view')", LIMIT_S)
                browser.wait("document.querySelector('.live-picture img')?.naturalWidth > 0", LIMIT_S)
                # A flower that has been in view for some seconds is not about to leave the picture.
                browser.wait("/^for [34] s/.test(document.querySelector('.now-labels p')?.innerText)", LIMIT_S)
                desktop = photograph(browser, folder)
                browser.visit("about:blank")
                browser.visit(f"{address}#/events", *PHONE_PX, dark=True)
                browser.wait("document.querySelectorAll('.event img').length > 3", LIMIT_S)
                browser.wait(
                    "[...document.querySelectorAll('.event img')].slice(0, 5).every((image) => image.naturalWidth > 0)",
                    LIMIT_S,
                )
                phone = photograph(browser, folder)
            finally:
                browser.close()
        broker.kill()
    both = Image.new("RGBA", (DESKTOP_PX[0] + GAP_PX + PHONE_PX[0], DESKTOP_PX[1]), (0, 0, 0, 0))
    both.paste(desktop, (0, 0))
    both.paste(phone, (DESKTOP_PX[0] + GAP_PX, 0))
    both.save(out, "WEBP", quality=88, method=6)
    print(f"{out}: {both.width} × {both.height} pixels, {out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
