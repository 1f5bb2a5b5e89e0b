"""The report, looked at in a real browser: it opens from a file, offline, and everything moves with the threshold."""

import re

import pytest

from appliance.cli import main
from appliance.workshop.evaluation.compare import compare_models
from appliance.workshop.evaluation.evaluate import EvaluationRequest, evaluate
from appliance.workshop.evaluation.html_report import render_report, write_report
from appliance.workshop.evaluation.metrics import count_each_label, count_labels
from support.browser import Browser, chromium
from support.evaluations import bundle, pictures, png, shades

PHONE = (390, 844)


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    wrong = [(0.05, 0.9, 0.05), (0.3, 0.05, 0.05), (0.5, 0.85, 0.1)]
    shown = {label: shades(label, 12, 0.4) for label in ("green", "blue")} | {"red": shades("red", 9, 0.4) + wrong}
    background = {"x": [(0.9, 0.8, 0.1), (0.6, 0.1, 0.1), (0.2, 0.2, 0.2), (0.1, 0.1, 0.1)]}
    model = bundle(
        folder / "model", name="paint", version="1.0", confidenceThreshold=0.45, labelThresholds={"blue": 0.8}
    )
    old = bundle(folder / "old", labels="red blue green", name="old")
    return evaluate(
        EvaluationRequest(model, pictures(folder / "colours", shown), pictures(folder / "others", background), old)
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not chromium():
        pytest.skip("chromium and chromedriver are not installed (scripts/install-test-tools)")
    started = Browser(tmp_path_factory.mktemp("browser"))
    yield started
    started.close()


@pytest.fixture
def page(browser, evaluation, tmp_path):
    """The report, open in a window of a desktop."""
    file = write_report(evaluation, compare_models(evaluation), tmp_path / "report")
    browser.open(file)
    browser.wait("document.querySelector('#figure-precision')")
    return file


def text(browser, selector: str) -> str:
    return browser.run("return document.querySelector(arguments[0]).textContent", selector)


def move(browser, threshold: float) -> None:
    """Drags the slider there."""
    browser.run(
        "const slider = document.querySelector('#threshold'); slider.value = arguments[0];"
        "slider.dispatchEvent(new Event('input', {bubbles: true}))", threshold
    )  # fmt: skip


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def moving(browser) -> dict[str, str]:
    """Everything on the page that a threshold changes."""
    charts = {
        f"{chart} {mark}": browser.run(
            "const mark = document.querySelector(arguments[0]); return mark.getAttribute('cx') + ' ' + mark.getAttribute('cy')",
            f"#chart-{chart} .dot.{mark}",
        )
        for chart, mark in (("pr", "precision"), ("threshold", "recall"), ("false", "false"))
    }
    # In the label column the fields are left out: their hint is not text.
    return charts | {
        part: text(browser, f"#{part}")
        for part in ("figures", "labels tbody", "confusion", "mistakes", "command", "summary")
    }


def test_it_opens_from_a_file_and_asks_nobody_for_anything(browser, page):
    browser.run("location.href = 'about:blank'")
    browser.requests(), browser.complaints()
    browser.open(page)
    browser.wait("document.querySelector('#figure-precision')")
    asked = [url for url in browser.requests() if not url.startswith("data:")]
    assert asked == [page.resolve().as_uri()]
    assert browser.complaints() == []
    assert text(browser, "h1") == "paint"
    assert browser.run("return document.title") == "Evaluation of paint"
    assert browser.run("return [...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert len(list(page.parent.iterdir())) == 1


@pytest.mark.parametrize("threshold", [0.01, 0.3, 0.45, 0.62, 0.85, 1.0])
def test_the_slider_gives_the_figures_that_the_command_gives(browser, page, evaluation, threshold):
    move(browser, threshold)
    at = evaluation.model.replace_thresholds(threshold, {"blue": 0.8})
    counts = count_labels(at.predictions, at.thresholds)
    assert text(browser, "#threshold-value") == f"{threshold:.2f}"
    assert text(browser, "#figure-precision") == percent(counts.precision)
    assert text(browser, "#figure-recall") == percent(counts.recall)
    assert text(browser, "#figure-false") == f"{1000 * count_labels(at.background, at.thresholds).given / 4:.0f}"
    for label, one in zip(at.predictions.labels, count_each_label(at.predictions, at.thresholds), strict=True):
        assert text(browser, f"#labels tr[data-label={label}] td:nth-child(4)") == percent(one.precision)
        assert text(browser, f"#labels tr[data-label={label}] td:nth-child(5)") == percent(one.recall)


def test_the_command_takes_the_pictures_that_the_page_shows(browser, evaluation, tmp_path):
    """Without --split it would choose on pictures that the model was trained on."""
    subject = evaluation.model.bundle.source
    chosen = evaluate(EvaluationRequest(subject, evaluation.dataset, subset="train", seed=3, gs_folders={"gs://b": tmp_path}))
    browser.open(write_report(chosen, None, tmp_path / "report"))
    browser.wait("document.querySelector('#figure-precision')")
    assert f"{evaluation.dataset} --split train --seed 3 --gs gs://b={tmp_path} " in text(browser, "#command")


def test_one_slider_moves_every_figure_at_once(browser, page):
    move(browser, 0.45)
    before = moving(browser)
    move(browser, 0.88)
    after = moving(browser)
    assert {name for name in before if before[name] == after[name]} == set()


def test_the_slider_moves_by_keyboard(browser, page):
    browser.press("#threshold", "\ue014\ue014")  # twice the arrow to the right
    assert text(browser, "#threshold-value") == "0.47"


def test_a_label_may_have_a_threshold_of_its_own(browser, page, evaluation):
    assert browser.run("return document.querySelector('#labels tr[data-label=blue] input').value") == "0.80"
    browser.press("#labels tr[data-label=red] input", "0.6")
    at = evaluation.model.replace_thresholds(0.45, {"blue": 0.8, "red": 0.6})
    assert text(browser, "#figure-recall") == percent(count_labels(at.predictions, at.thresholds).recall)
    assert "--set-threshold 0.45" in text(browser, "#command")
    assert "--set-threshold red=0.6" in text(browser, "#command")
    browser.click("#reset")
    assert browser.run("return document.querySelector('#labels tr[data-label=red] input').value") == ""
    at = evaluation.model
    assert text(browser, "#figure-recall") == percent(count_labels(at.predictions, at.thresholds).recall)


def test_the_curves_can_be_those_of_one_label(browser, page):
    whole = browser.run("return document.querySelector('#chart-pr path').getAttribute('d')")
    browser.run("const of = document.querySelector('#curve-of'); of.value = '0'; of.dispatchEvent(new Event('change'))")
    assert browser.run("return document.querySelector('#chart-pr path').getAttribute('d')") != whole
    assert "red at 0.45" in browser.run("return document.querySelector('#chart-pr svg').getAttribute('aria-label')")


def test_the_worst_mistakes_are_pictures_and_only_those_at_the_threshold_are_seen(browser, page):
    def seen(kind):
        selector = f".pictures[data-kind={kind}] figure:not([hidden])"
        return browser.run("return [...document.querySelectorAll(arguments[0])].map(one => one.textContent)", selector)

    move(browser, 0.45)
    assert seen("wrong") == ["green 0.90, shows redred/009.png", "green 0.85, shows redred/011.png"]
    assert seen("background") == ["red 0.90x/000.png", "red 0.60x/001.png"]
    assert any("red only 0.30" in one for one in seen("missed"))
    move(browser, 0.88)
    assert seen("wrong") == ["green 0.90, shows redred/009.png"]
    move(browser, 1.0)
    assert seen("wrong") == []
    assert "None at this threshold" in text(browser, "#mistakes")


def test_the_comparison_is_in_it(browser, page):
    assert "better in accuracy" in text(browser, "#comparison")
    assert text(browser, "#comparison-table tbody tr:first-child th") == "accuracy"


def test_on_a_phone_nothing_is_wider_than_the_screen_and_the_slider_stays(browser, page):
    browser.open(page, *PHONE)
    browser.wait("document.querySelector('#figure-precision')")
    assert browser.run("return [innerWidth, document.documentElement.scrollWidth]") == [PHONE[0], PHONE[0]]
    assert browser.run("return parseFloat(getComputedStyle(document.body).fontSize)") >= 16
    browser.run("window.scrollTo(0, 2000)")
    assert browser.run("return document.querySelector('#bar').getBoundingClientRect().top") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_in_dark(browser, page, scheme):
    browser.chrome("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.open(page)
    browser.wait("document.querySelector('#figure-precision')")
    colours = browser.run(
        "const style = getComputedStyle(document.body), soft = getComputedStyle(document.querySelector('#about'));"
        "return [style.backgroundColor, style.color, soft.color]"
    )
    paper, *inks = ([int(part) for part in re.findall(r"\d+", colour)[:3]] for colour in colours)
    assert (sum(paper) < 3 * 128) == (scheme == "dark")
    assert all(_contrast(paper, ink) >= 4.5 for ink in inks)
    browser.chrome("Emulation.setEmulatedMedia", features=[])


def _contrast(one: list[int], other: list[int]) -> float:
    """By WCAG 2.2, success criterion 1.4.3."""

    def light(colour):
        parts = [part / 255 for part in colour]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_everything_has_a_name_for_those_who_cannot_see_it(browser, page):
    assert browser.run(
        "return [...document.querySelectorAll('svg[role=img]')].every(one => one.getAttribute('aria-label'))"
    )
    assert browser.run("return [...document.images].filter(one => !one.closest('[hidden]')).every(one => one.alt)")
    assert browser.run(
        "return [...document.querySelectorAll('input, select')].every(one => one.labels.length || one.getAttribute('aria-label'))"
    )
    assert browser.run("return document.querySelector('#summary').getAttribute('aria-live')") == "polite"
    assert browser.run("return document.documentElement.lang") == "en"


def test_names_are_text_and_never_markup(browser, tmp_path):
    evil = "<img src=x onerror=document.title=1>"
    some = pictures(tmp_path / "some", {evil: [(0.9, 0.1, 0.1)], "green": [(0.9, 0.1, 0.1)]})
    (some / "green" / "<b>bold.png").write_bytes(png(0.9, 0.1, 0.1))
    model = bundle(tmp_path / "model", name="</script><script>document.title='taken'</script>{{page}}")
    (model / "dict.txt").write_text(f"{evil}\ngreen\nblue\n")
    assert main(["evaluate", str(model), str(some), "--report", str(tmp_path / "report")]) == 0
    browser.open(tmp_path / "report" / "index.html")
    browser.wait("document.querySelector('#figure-precision')")
    assert browser.run("return document.title").startswith("Evaluation of </script>")
    assert text(browser, "h1").endswith("{{page}}")
    assert evil in text(browser, "#labels")
    assert browser.run("return document.querySelectorAll('b b, img[src=x]').length") == 0
    assert browser.complaints() == []


def test_a_report_without_background_and_with_hundreds_of_labels_opens_too(browser, tmp_path):
    shown = {"red": shades("red", 3)} | {f"other_{number}": [(0.1, 0.9, 0.1)] for number in range(200)}
    evaluation = evaluate(EvaluationRequest(bundle(tmp_path / "model"), pictures(tmp_path / "some", shown)))
    browser.open(write_report(evaluation, None, tmp_path / "report"))
    browser.wait("document.querySelector('#figure-precision')")
    assert text(browser, "#figure-recall") == percent(3 / 203)
    assert "are not listed" in text(browser, "#labels-more")
    assert browser.run(
        "return document.querySelector('#false-figure').hidden && document.querySelector('#comparison').hidden"
    )
    assert browser.complaints() == []


def test_the_same_evaluation_gives_the_same_page_without_any_address(evaluation):
    page = render_report(evaluation, compare_models(evaluation))
    assert page == render_report(evaluation, compare_models(evaluation))
    # The one address in it is the name of a namespace.
    assert set(re.findall(r"https?://[\w./]+", page)) == {"http://www.w3.org/2000/svg"}


def test_a_folder_that_cannot_be_written_is_said(tmp_path, capsys):
    model, some = bundle(tmp_path / "model"), pictures(tmp_path / "some", {"red": shades("red", 2)})
    (tmp_path / "taken").write_text("a file")
    assert main(["evaluate", str(model), str(some), "--report", str(tmp_path / "taken")]) == 1
    assert "the report cannot be written" in capsys.readouterr().err
