"""The page in a real browser against the real daemon on drawn scenes, with a real broker."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support.broker import Broker, free_port, mosquitto, wait_until
from support.bundles import bundle_folder, zipped
from support.daemon import Daemon, settings

pytestmark = pytest.mark.browser
PHONE = (390, 844)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    if not mosquitto():
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    started = Broker(tmp_path_factory.mktemp("broker"))
    yield started
    started.kill()


@pytest.fixture(scope="module")
def daemon(broker, tmp_path_factory):
    pytest.importorskip("fastapi")
    web = f'[web]\nenabled = true\nlisten = ["127.0.0.1:{free_port()}"]\n'
    with Daemon(tmp_path_factory.mktemp("daemon"), settings(broker, "scene", fps=5, more=web)) as started:
        wait_until(lambda: started.count_lines("the page is served at"), "the page is served", 60)
        yield started


@pytest.fixture(scope="module")
def address(daemon, browser):
    """Sign in with a link of `appliance web`; return the page's address."""
    printed = daemon.run("web", "--config", str(daemon.state.parent / "appliance.toml"))
    link = re.search(r"(http://127\.0\.0\.1:\d+/)#\S+", printed.stdout)
    assert link, printed
    browser.visit(link[0], *PHONE)
    browser.wait("document.querySelector('now-view')", 20)
    return link[1]


@pytest.fixture
def page(address, browser):
    """The place Now with live labels."""
    browser.visit("about:blank")
    browser.visit(address, *PHONE)
    browser.wait("document.querySelector('.state')?.textContent.startsWith('live')", 20)
    browser.wait("document.querySelector('.threshold-note')?.innerText.startsWith('Threshold')", 20)
    return browser


def test_link_signs_in_once_and_labels_follow_the_scenes(page, address, daemon):
    page.wait("document.querySelector('.live-picture img')?.naturalWidth > 0", 20)
    page.wait("document.querySelectorAll('.bars .score').length === 5")
    first = page.read(".bars")
    page.wait(f"document.querySelector('.bars')?.innerText !== {first!r}", 20)
    page.wait("/^(daisy|dandelion|roses|sunflowers|tulips)/.test(document.querySelector('.label-now')?.innerText)", 30)
    page.wait("/^for \\d/.test(document.querySelector('.now-labels p')?.innerText)")
    assert page.run("return location.href") == address
    assert page.read_errors() == []


def test_click_on_another_site_finds_the_session(page, address):
    """Home Assistant links to the page; a strict cookie comes with the page's own request, not with that click."""

    class OtherSite(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<a href="{address}">Visit</a>'.encode())

        def log_message(self, *_): ...

    with ThreadingHTTPServer(("127.0.0.1", 0), OtherSite) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        page.visit(f"http://localhost:{other.server_port}/", *PHONE)  # another site than 127.0.0.1
        page.click("a")
        page.wait("document.querySelector('now-view')", 20)
        assert page.run("return location.href") == address
        other.shutdown()


def test_threshold_that_is_dragged_is_in_force_over_mqtt(page, broker):
    with broker.observer("appliance/t/threshold") as observer:
        x, y, width = page.run(
            "const area = document.querySelector('.threshold-area').getBoundingClientRect();"
            "return [area.x, area.y, area.width]"
        )
        value = float(page.run("return document.querySelector('.threshold-handle').getAttribute('aria-valuenow')"))
        steps = [("mousePressed", value), ("mouseMoved", 0.6), ("mouseMoved", 0.9), ("mouseReleased", 0.9)]
        for kind, at in steps:
            page.send_command(
                "Input.dispatchMouseEvent",
                type=kind,
                x=x + at * width,
                y=y + 20,
                button="left",
                buttons=1,
                clickCount=1,
            )
        page.wait("document.querySelector('.threshold-note').innerText.includes('set here or over MQTT')")
        shown = page.run("return document.querySelector('.threshold-handle').getAttribute('aria-valuenow')")
        assert float(shown) == pytest.approx(0.9, abs=0.011)
        wait_until(lambda: float(observer.last("appliance/t/threshold") or 0) == float(shown), "the value over MQTT")
        observer.publish("appliance/t/threshold/set", "default")
        page.wait("!document.querySelector('.threshold-note').innerText.includes('MQTT')")


def test_event_appears_without_reload_and_its_picture_opens(page):
    page.click("#nav [data-place=events]")
    page.wait("document.querySelector('.event, .empty')")
    count = page.run("return document.querySelectorAll('.event').length")
    page.wait(f"document.querySelectorAll('.event').length > {count}", 30)
    page.wait("document.querySelector('.event img')?.naturalWidth > 0", 20)
    page.click(".event")
    page.wait("document.querySelector('.event-detail .picture img')?.naturalWidth > 0")
    page.wait("document.querySelectorAll('.event-detail .score').length >= 3")


def test_uploaded_bundle_swaps_the_model(page, tmp_path):
    page.run("location.hash = '#/model'")
    page.wait("document.querySelector('#model-file')")
    file = tmp_path / "garden.zip"
    file.write_bytes(zipped(bundle_folder(tmp_path / "garden", name="garden", version="3.1")))
    page.press("#model-file", str(file))
    page.wait("document.querySelector('model-view .card h2').innerText === 'garden 3.1'", 40)
    page.wait("[...document.querySelectorAll('button')].some((button) => button.innerText.startsWith('Go back to'))")

    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"this is no zip")
    page.press("#model-file", str(broken))
    page.wait("document.querySelector('model-upload .danger')", 20)
    assert "upload a model bundle" in page.read("model-upload .danger")
    assert page.read("model-view .card h2") == "garden 3.1"


def test_picture_that_is_none_is_refused_with_the_sentence(page, tmp_path):
    page.run("location.hash = '#/model'")
    page.wait("document.querySelector('#try-file')")
    file = tmp_path / "wrong.jpg"
    file.write_bytes(b"this is no picture")
    page.press("#try-file", str(file))
    page.wait("document.querySelector('try-picture .danger')", 20)
    assert len(page.read("try-picture .danger")) > 20


def test_page_says_that_the_device_is_offline_and_recovers(page, daemon):
    assert daemon.stop() == 0
    page.wait("document.querySelector('#banner').innerText.includes('No connection')")
    daemon.start()
    page.wait("document.querySelector('#banner').childElementCount === 0", 60)
    page.wait("document.querySelector('.state').textContent.startsWith('live')", 20)
