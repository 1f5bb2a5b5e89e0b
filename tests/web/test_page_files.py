"""The files of the page: small, readable, without foreign code, and legible in light and dark."""

import re

import pytest

from support.page_server import PAGE

FILES = sorted(PAGE.iterdir())
MODULES = [path for path in FILES if path.suffix == ".js"]
TOKENS = (PAGE / "tokens.css").read_text()
# A module that is served as text/javascript, and names no other host.
_ADDRESS = re.compile(r"https?://(?!www\.w3\.org/2000/svg)[a-z]")


def test_page_stays_under_250_kb_in_all():
    assert sum(path.stat().st_size for path in FILES) < 250_000


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_module_is_short_and_never_parses_markup(module):
    text = module.read_text()
    assert text.count("\n") < 300
    assert text.startswith("/**"), "a comment at the top states the purpose"
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert not re.search(r"setAttribute\(\"style\"|localStorage|document\.cookie", text)


def test_page_requests_nothing_from_other_hosts():
    found = {path.name: _ADDRESS.findall(path.read_text()) for path in FILES}
    assert {name: addresses for name, addresses in found.items() if addresses} == {}


def test_page_has_no_inline_script_or_style():
    html = (PAGE / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=", html) == []
    for address in re.findall(r"(?:src|href)=\"/page/([^\"]+)\"", html):
        assert (PAGE / address).is_file()


def test_every_import_exists_and_every_module_is_used():
    used = {"start.js"}
    for module in MODULES:
        imported = set(re.findall(r"(?:from |import\()\"\./([a-z-]+\.js)\"", module.read_text()))
        assert {name for name in imported if not (PAGE / name).is_file()} == set()
        used |= imported
    assert {module.name for module in MODULES} == used


def test_modules_of_the_first_place_are_preloaded_and_no_others():
    """Otherwise each level of imports costs a phone another round trip, or it loads what it does not show."""
    needed, found = ["app.js", "now-view.js"], set()
    while needed:
        name = needed.pop()
        found.add(name)
        imported = re.findall(r"^import .*\"\./([a-z-]+\.js)\";$", (PAGE / name).read_text(), re.MULTILINE)
        needed += [each for each in imported if each not in found]
    preloaded = re.findall(
        r"<link rel=\"modulepreload\" href=\"/page/([a-z-]+\.js)\">", (PAGE / "index.html").read_text()
    )
    assert set(preloaded) == found and len(preloaded) == len(found)


def read_colors(scheme: str) -> dict[str, str]:
    """Return the custom properties of colors in one scheme."""
    light, dark = TOKENS.split("@media (prefers-color-scheme: dark)", 1)
    colors = dict(re.findall(r"(--[a-z0-9-]+): (#[0-9a-f]{6})", light))
    return colors if scheme == "light" else colors | dict(re.findall(r"(--[a-z0-9-]+): (#[0-9a-f]{6})", dark))


def measure_contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colors (w3.org/TR/WCAG21/#dfn-contrast-ratio)."""

    def luminance(color: str) -> float:
        parts = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
        red, green, blue = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(scheme):
    colors = read_colors(scheme)
    texts = [
        (text, paper)
        for text in ("--ink", "--soft", "--accent", "--danger")
        for paper in ("--paper", "--card", "--sunk")
    ]
    texts += [("--on-accent", "--accent"), ("--ink", "--warning-paper"), ("--ink", "--danger-paper")]
    texts += [("--warning", "--sunk"), ("--paper", "--ink"), ("--good", "--paper")]
    weak = {pair: measure_contrast(colors[pair[0]], colors[pair[1]]) for pair in texts}
    assert {pair: round(ratio, 2) for pair, ratio in weak.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_bars_and_edges_differ_from_what_is_behind_them(scheme):
    colors = read_colors(scheme)
    drawn = [f"--label-{index}" for index in range(10)]
    weak = {
        (color, behind): measure_contrast(colors[color], colors[behind])
        for color in [*drawn, "--edge", "--warning", "--good"]
        for behind in ("--paper", "--card", "--sunk")
    }
    assert {pair: round(ratio, 2) for pair, ratio in weak.items() if ratio < 3} == {}
