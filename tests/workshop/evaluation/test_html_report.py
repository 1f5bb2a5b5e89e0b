"""The report in a real browser: it opens from a file, offline, and everything follows the threshold."""

import re

import pytest

from appliance.cli import main
from appliance.workshop.evaluation.compare import compare_models
from appliance.workshop.evaluation.evaluate import EvaluationRequest, evaluate_models
from appliance.workshop.evaluation.html_report import render_report, write_report
from appliance.workshop.evaluation.intervals import MeasuredShare
from appliance.workshop.evaluation.metrics import count_each_label, count_labels
from support.evaluations import make_bundle, make_png, make_shades, write_pictures

PHONE = (390, 844)


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    wrong = [(0.05, 0.9, 0.05), (0.3, 0.05, 0.05), (0.5, 0.85, 0.1)]
    shown = {label: make_shades(label, 12, 0.4) for label in ("green", "blue")} | {
        "red": make_shades("red", 9, 0.4) + wrong
    }
    background = {"x": [(0.9, 0.8, 0.1), (0.6, 0.1, 0.1), (0.2, 0.2, 0.2), (0.1, 0.1, 0.1)]}
    model = make_bundle(
        folder / "model", name="paint", version="1.0", confidenceThreshold=0.45, labelThresholds={"blue": 0.8}
    )
    old = make_bundle(folder / "old", labels="red blue green", name="old")
    return evaluate_models(
        EvaluationRequest(
            model, write_pictures(folder / "colors", shown), write_pictures(folder / "others", background), old
        )
    )


@pytest.fixture
def page(browser, evaluation, tmp_path):
    """The report, open in a desktop window."""
    file = write_report(evaluation, compare_models(evaluation), tmp_path / "report")
    browser.open(file)
    browser.wait("document.querySelector('#figure-precision')")
    return file


def read_text(browser, selector: str) -> str:
    return browser.run("return document.querySelector(arguments[0]).textContent", selector)


def move_slider(browser, threshold: float) -> None:
    """Move the slider to a threshold."""
    browser.run(
        "const slider = document.querySelector('#threshold'); slider.value = arguments[0];"
        "slider.dispatchEvent(new Event('input', {bubbles: true}))", threshold
    )  # fmt: skip


def format_percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def read_moving_parts(browser) -> dict[str, str]:
    """Return everything on the page that depends on a threshold."""
    charts = {
        f"{chart} {mark}": browser.run(
            "const mark = document.querySelector(arguments[0]);"
            "return mark.getAttribute('cx') + ' ' + mark.getAttribute('cy')",
            f"#chart-{chart} .dot.{mark}",
        )
        for chart, mark in (("pr", "precision"), ("threshold", "recall"), ("false", "false"))
    }
    # The input fields of the labels are not included, because a placeholder is not text.
    return charts | {
        part: read_text(browser, f"#{part}")
        for part in ("figures", "labels tbody", "confusion", "mistakes", "command", "summary")
    }


def test_page_opens_offline_without_requests(browser, page):
    browser.run("location.href = 'about:blank'")
    browser.read_requests(), browser.read_errors()
    browser.open(page)
    browser.wait("document.querySelector('#figure-precision')")
    asked = [url for url in browser.read_requests() if not url.startswith("data:")]
    assert asked == [page.resolve().as_uri()]
    assert browser.read_errors() == []
    assert read_text(browser, "h1") == "paint"
    assert browser.run("return document.title") == "Evaluation of paint"
    assert browser.run("return [...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert len(list(page.parent.iterdir())) == 1


@pytest.mark.parametrize("threshold", [0.01, 0.3, 0.45, 0.62, 0.85, 1.0])
def test_slider_gives_the_figures_of_the_command(browser, page, evaluation, threshold):
    move_slider(browser, threshold)
    at = evaluation.model.replace_thresholds(threshold, {"blue": 0.8})
    counts = count_labels(at.predictions, at.thresholds)
    assert read_text(browser, "#threshold-value") == f"{threshold:.2f}"
    assert read_text(browser, "#figure-precision") == format_percent(counts.precision)
    assert read_text(browser, "#figure-recall") == format_percent(counts.recall)
    assert read_text(browser, "#figure-false") == f"{1000 * count_labels(at.background, at.thresholds).given / 4:.0f}"
    for label, one in zip(at.predictions.labels, count_each_label(at.predictions, at.thresholds), strict=True):
        assert read_text(browser, f"#labels tr[data-label={label}] td:nth-child(4)") == format_percent(one.precision)
        assert read_text(browser, f"#labels tr[data-label={label}] td:nth-child(5)") == format_percent(one.recall)


def test_command_selects_the_pictures_of_the_page(browser, evaluation, tmp_path):
    """Without --split it would choose on pictures that the model was trained on."""
    source = evaluation.model.bundle.source
    chosen = evaluate_models(
        EvaluationRequest(source, evaluation.dataset, subset="train", seed=3, gs_folders={"gs://b": tmp_path})
    )
    browser.open(write_report(chosen, None, tmp_path / "report"))
    browser.wait("document.querySelector('#figure-precision')")
    assert f"{evaluation.dataset} --split train --seed 3 --gs gs://b={tmp_path} " in read_text(browser, "#command")


def test_slider_updates_every_figure(browser, page):
    move_slider(browser, 0.45)
    before = read_moving_parts(browser)
    move_slider(browser, 0.88)
    after = read_moving_parts(browser)
    assert {name for name in before if before[name] == after[name]} == set()


def test_slider_moves_by_keyboard(browser, page):
    browser.press("#threshold", "\ue014\ue014")  # twice the arrow to the right
    assert read_text(browser, "#threshold-value") == "0.47"


def test_label_may_have_its_own_threshold(browser, page, evaluation):
    assert browser.run("return document.querySelector('#labels tr[data-label=blue] input').value") == "0.80"
    browser.press("#labels tr[data-label=red] input", "0.6")
    at = evaluation.model.replace_thresholds(0.45, {"blue": 0.8, "red": 0.6})
    assert read_text(browser, "#figure-recall") == format_percent(count_labels(at.predictions, at.thresholds).recall)
    assert "--set-threshold 0.45" in read_text(browser, "#command")
    assert "--set-threshold red=0.6" in read_text(browser, "#command")
    browser.click("#reset")
    assert browser.run("return document.querySelector('#labels tr[data-label=red] input').value") == ""
    at = evaluation.model
    assert read_text(browser, "#figure-recall") == format_percent(count_labels(at.predictions, at.thresholds).recall)


def test_intervals_follow_the_threshold_and_are_those_of_the_command(browser, page, evaluation):
    move_slider(browser, 0.62)
    at = evaluation.model.replace_thresholds(0.62, {"blue": 0.8})
    counts = count_labels(at.predictions, at.thresholds)
    share = MeasuredShare.measure(counts.right, counts.content)
    between = f"{100 * share.low:.1f}–{100 * share.high:.1f} %, on {counts.content} pictures"
    assert read_text(browser, "#between-recall") == between
    for label, one in zip(at.predictions.labels, count_each_label(at.predictions, at.thresholds), strict=True):
        own = MeasuredShare.measure(one.right, one.content)
        shown = browser.run(
            "return document.querySelector(arguments[0]).dataset.between",
            f"#labels tr[data-label={label}] td:nth-child(5)",
        )
        assert shown == f"{100 * own.low:.0f}–{100 * own.high:.0f}"
    assert "red (" in read_text(browser, "#worst-labels")
    assert "may be chance" in read_text(browser, "#calibration-text")


def test_comparison_without_an_interval_shows_a_dash(browser, tmp_path):
    good, bad = make_bundle(tmp_path / "good"), make_bundle(tmp_path / "bad", labels="red blue green")
    some = write_pictures(tmp_path / "some", {"green": make_shades("green", 3)})
    assert main(["evaluate", str(bad), str(some), "--against", str(good), "--report", str(tmp_path / "report")]) == 3
    browser.open(tmp_path / "report" / "index.html")
    browser.wait("document.querySelector('#figure-precision')")
    row = read_text(browser, "#comparison-table tbody tr:first-child")
    assert "–" in row and "too few to tell" in row
    assert "Too few to tell: 3 pictures cannot show a difference" in read_text(browser, "#comparison-text")


def test_curves_of_one_label_can_be_selected(browser, page):
    whole = browser.run("return document.querySelector('#chart-pr path').getAttribute('d')")
    browser.run("const of = document.querySelector('#curve-of'); of.value = '0'; of.dispatchEvent(new Event('change'))")
    assert browser.run("return document.querySelector('#chart-pr path').getAttribute('d')") != whole
    assert "red at 0.45" in browser.run("return document.querySelector('#chart-pr svg').getAttribute('aria-label')")


def test_mistakes_at_the_threshold_are_shown(browser, page):
    def seen(kind):
        selector = f".pictures[data-kind={kind}] figure:not([hidden])"
        return browser.run("return [...document.querySelectorAll(arguments[0])].map(one => one.textContent)", selector)

    move_slider(browser, 0.45)
    assert seen("wrong") == ["green 0.90, shows redred/009.png", "green 0.85, shows redred/011.png"]
    assert seen("background") == ["red 0.90x/000.png", "red 0.60x/001.png"]
    assert any("red only 0.30" in one for one in seen("missed"))
    move_slider(browser, 0.88)
    assert seen("wrong") == ["green 0.90, shows redred/009.png"]
    move_slider(browser, 1.0)
    assert seen("wrong") == []
    assert "None at this threshold" in read_text(browser, "#mistakes")


def test_comparison_is_shown(browser, page):
    assert "better in accuracy" in read_text(browser, "#comparison")
    assert read_text(browser, "#comparison-table tbody tr:first-child th") == "accuracy"


def test_page_fits_a_phone_and_the_slider_stays_visible(browser, page):
    browser.open(page, *PHONE)
    browser.wait("document.querySelector('#figure-precision')")
    assert browser.run("return [innerWidth, document.documentElement.scrollWidth]") == [PHONE[0], PHONE[0]]
    assert browser.run("return parseFloat(getComputedStyle(document.body).fontSize)") >= 16
    browser.run("window.scrollTo(0, 2000)")
    assert browser.run("return document.querySelector('#bar').getBoundingClientRect().top") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_light_and_dark(browser, page, scheme):
    browser.visit(page.resolve().as_uri(), dark=scheme == "dark")
    browser.wait("document.querySelector('#figure-precision')")
    colors = browser.run(
        "const style = getComputedStyle(document.body), soft = getComputedStyle(document.querySelector('#about'));"
        "return [style.backgroundColor, style.color, soft.color]"
    )
    paper, *inks = ([int(part) for part in re.findall(r"\d+", color)[:3]] for color in colors)
    assert (sum(paper) < 3 * 128) == (scheme == "dark")
    assert all(_compute_contrast(paper, ink) >= 4.5 for ink in inks)
    browser.send_command("Emulation.setEmulatedMedia", features=[])


def _compute_contrast(one: list[int], other: list[int]) -> float:
    """By WCAG 2.2, success criterion 1.4.3."""

    def light(color):
        parts = [part / 255 for part in color]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_element_has_an_accessible_name(browser, page):
    assert browser.run(
        "return [...document.querySelectorAll('svg[role=img]')].every(one => one.getAttribute('aria-label'))"
    )
    assert browser.run("return [...document.images].filter(one => !one.closest('[hidden]')).every(one => one.alt)")
    assert browser.run(
        "return [...document.querySelectorAll('input, select')]"
        ".every(one => one.labels.length || one.getAttribute('aria-label'))"
    )
    assert browser.run("return document.querySelector('#summary').getAttribute('aria-live')") == "polite"
    assert browser.run("return document.documentElement.lang") == "en"


def test_names_are_text_and_never_markup(browser, tmp_path):
    evil = "<img src=x onerror=document.title=1>"
    some = write_pictures(tmp_path / "some", {evil: [(0.9, 0.1, 0.1)], "green": [(0.9, 0.1, 0.1)]})
    (some / "green" / "<b>bold.png").write_bytes(make_png(0.9, 0.1, 0.1))
    model = make_bundle(tmp_path / "model", name="</script><script>document.title='taken'</script>{{page}}")
    (model / "dict.txt").write_text(f"{evil}\ngreen\nblue\n")
    assert main(["evaluate", str(model), str(some), "--report", str(tmp_path / "report")]) == 0
    browser.open(tmp_path / "report" / "index.html")
    browser.wait("document.querySelector('#figure-precision')")
    assert browser.run("return document.title").startswith("Evaluation of </script>")
    assert read_text(browser, "h1").endswith("{{page}}")
    assert evil in read_text(browser, "#labels")
    assert browser.run("return document.querySelectorAll('b b, img[src=x]').length") == 0
    assert browser.read_errors() == []


def test_report_without_background_and_with_many_labels_opens(browser, tmp_path):
    shown = {"red": make_shades("red", 3)} | {f"other_{number}": [(0.1, 0.9, 0.1)] for number in range(200)}
    evaluation = evaluate_models(
        EvaluationRequest(make_bundle(tmp_path / "model"), write_pictures(tmp_path / "some", shown))
    )
    browser.open(write_report(evaluation, None, tmp_path / "report"))
    browser.wait("document.querySelector('#figure-precision')")
    assert read_text(browser, "#figure-recall") == format_percent(3 / 203)
    assert "are not listed" in read_text(browser, "#labels-more")
    assert browser.run(
        "return document.querySelector('#false-figure').hidden && document.querySelector('#comparison').hidden"
    )
    assert browser.read_errors() == []


def test_same_evaluation_gives_the_same_page_without_urls(evaluation):
    page = render_report(evaluation, compare_models(evaluation))
    assert page == render_report(evaluation, compare_models(evaluation))
    # The only URL is the name of a namespace.
    assert set(re.findall(r"https?://[\w./]+", page)) == {"http://www.w3.org/2000/svg"}


def test_unwritable_folder_is_an_error(tmp_path, capsys):
    model, some = make_bundle(tmp_path / "model"), write_pictures(tmp_path / "some", {"red": make_shades("red", 2)})
    (tmp_path / "taken").write_text("a file")
    assert main(["evaluate", str(model), str(some), "--report", str(tmp_path / "taken")]) == 1
    assert "the report cannot be written" in capsys.readouterr().err


def test_folder_with_something_else_is_refused_before_the_work(evaluation, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["evaluate", "no-model", "no-pictures", "--report", str(tmp_path)]) == 1
    assert "contains something other than a report (notes.txt)" in capsys.readouterr().err
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<h1>my page</h1>")
    assert main(["evaluate", "no-model", "no-pictures", "--report", str(tmp_path / "site")]) == 1
    assert (tmp_path / "site" / "index.html").read_text() == "<h1>my page</h1>"
    write_report(evaluation, None, tmp_path / "report")
    write_report(evaluation, None, tmp_path / "report")


def test_most_confused_labels_are_listed(page, browser):
    rows = browser.run(
        "return [...document.querySelectorAll('#confused-pairs tbody tr')]"
        ".map(row => [...row.children].map(cell => cell.textContent))"
    )
    assert rows[0][:3] == ["red", "green", "2"]


def test_click_on_a_column_sorts_the_labels(page, browser):
    def read_column():
        return browser.run(
            "document.querySelectorAll('#labels th button')[1].click();"
            "return [...document.querySelectorAll('#labels tbody tr')].map(row => Number(row.children[1].textContent))"
        )

    first, second = read_column(), read_column()
    assert first == sorted(first, reverse=True) and second == sorted(second)
