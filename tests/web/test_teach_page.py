"""The place Teach in a real browser, against made-up answers: recording, labeling in bulk, training, every state."""

import os
import re

import pytest

from support.broker import wait_until
from support.page_server import PageServer
from support.teach_answers import make_picture, make_result

pytestmark = pytest.mark.browser

NARROW = (360, 740)
WIDE = (1280, 900)


@pytest.fixture
def server(browser):
    browser.read_errors()  # those of the previous test
    started = PageServer()
    started.teach.step_s = 0.1
    yield started
    browser.visit("about:blank")
    started.close()


def open_teach(browser, server, size=WIDE, place="#/teach"):
    browser.visit("about:blank")
    browser.visit(server.url + place, *size)
    browser.wait("document.querySelector('.state')?.textContent.startsWith('live')")
    browser.wait("document.querySelector('teach-view .train-panel')?.childElementCount > 1")


def wait_for_text(browser, selector: str, text: str) -> None:
    browser.wait(f"document.querySelector({selector!r})?.innerText.includes({text!r})")


def find_center(browser, selector: str) -> tuple[float, float]:
    x, y = browser.run(
        "const box = document.querySelector(arguments[0]).getBoundingClientRect();"
        "return [box.x + box.width / 2, box.y + box.height / 2]",
        selector,
    )
    return x, y


def send_mouse(browser, kind: str, at: tuple[float, float], modifiers: int = 0) -> None:
    browser.send_command(
        "Input.dispatchMouseEvent",
        type=kind, x=at[0], y=at[1], button="left", buttons=1, clickCount=1, modifiers=modifiers,
    )  # fmt: skip


def hold(browser, selector: str, until: str) -> None:
    """Hold a button with the mouse until a condition is true."""
    browser.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
    at = find_center(browser, selector)
    send_mouse(browser, "mousePressed", at)
    try:
        browser.wait(until)
    finally:
        send_mouse(browser, "mouseReleased", at)


def count_selected(browser) -> int:
    return browser.run("return document.querySelectorAll('[aria-selected=true]').length")


def choose(browser, selector: str, value: str) -> None:
    browser.run(
        "const field = document.querySelector(arguments[0]); field.value = arguments[1];"
        "field.dispatchEvent(new Event('change'))",
        selector,
        value,
    )


def sent(server, method: str, path: str) -> list:
    return [value for a_method, a_path, value in server.received if (a_method, a_path) == (method, path)]


def test_first_thing_is_named_and_recorded_while_the_button_is_held(browser, server):
    open_teach(browser, server)
    wait_for_text(browser, ".steps", "Name a thing")
    browser.press("record-panel new-label input", "red cup\n")
    browser.wait("!document.querySelector('#record').disabled")
    hold(browser, "#record", "document.querySelectorAll('.marks .drop').length >= 2")
    kept = browser.run("return document.querySelectorAll('.marks .tick').length")
    assert kept >= 3
    titles = browser.run("return [...document.querySelectorAll('.drop')].map((mark) => mark.title)")
    assert titles[:2] == ["dropped: like the one before", "dropped: blurred"]
    browser.wait("!document.querySelector('#record.recording')")
    browser.wait("/dropped \\(.*like the one before.*\\): /.test(document.querySelector('.told').innerText)")
    wait_for_text(browser, "[data-key='label:red_cup']", "needs")
    assert sent(server, "PUT", "/api/dataset/recording")[0] == {"label": "red_cup"}
    wait_until(lambda: len(sent(server, "DELETE", "/api/dataset/recording")) == 1, "the end of the recording")
    browser.wait(f"document.querySelectorAll('.picture-cell').length >= {kept}")


def test_space_records_and_a_window_that_loses_the_focus_stops(browser, server):
    server.teach.fill(cup=3)
    open_teach(browser, server)
    choose(browser, "#record-label", "none")
    browser.run("document.querySelector('#record').focus()")
    browser.send_command("Input.dispatchKeyEvent", type="keyDown", key=" ", code="Space")
    browser.wait("document.querySelectorAll('.marks .tick').length >= 2")
    browser.run("window.dispatchEvent(new Event('blur'))")
    browser.wait("!document.querySelector('#record.recording')")
    browser.send_command("Input.dispatchKeyEvent", type="keyUp", key=" ", code="Space")
    wait_for_text(browser, ".told", "kept")
    assert sent(server, "PUT", "/api/dataset/recording")[0] == {"background": True}
    wait_until(lambda: len(sent(server, "DELETE", "/api/dataset/recording")) == 1, "the end of the recording")


def test_click_of_a_screen_reader_starts_and_stops(browser, server):
    server.teach.fill(cup=3)
    open_teach(browser, server)
    browser.run("document.querySelector('#record').click()")
    wait_for_text(browser, "#record", "Recording")
    browser.wait("document.querySelectorAll('.marks .tick').length >= 1")
    browser.run("document.querySelector('#record').click()")
    wait_for_text(browser, "#record", "Hold to record")


def test_refused_recording_shows_the_sentence_and_stops(browser, server):
    server.teach.fill(cup=3)
    server.answers["PUT /api/dataset/recording"] = 507, {"error": "the dataset is full; delete pictures"}
    open_teach(browser, server)
    hold(browser, "#record", "document.querySelector('record-panel .stack > [role=alert]').innerText")
    assert browser.read("record-panel .stack > [role=alert]") == "The dataset is full; delete pictures"
    wait_for_text(browser, "#record", "Hold to record")


def test_chips_state_what_is_enough_and_filter_the_grid(browser, server):
    server.teach.fill(cup=42, bottle=12, key=3, pen=10, background=7, unlabeled=5)
    open_teach(browser, server)
    browser.wait("document.querySelectorAll('.picture-cell').length === 5")  # what needs a decision comes first
    texts = browser.run(
        "const chips = [...document.querySelectorAll('.chip')];"
        "return Object.fromEntries(chips.map((chip) => [chip.dataset.key, chip.innerText]))"
    )
    notes = {key: re.sub(r"\s+", " ", text) for key, text in texts.items()}
    assert "42 ✓" in notes["label:cup"]
    assert "12 more would help" in notes["label:bottle"]
    assert "3 needs 7 more" in notes["label:key"]
    assert "10 record it once more" in notes["label:pen"]
    assert "7" in notes["none:"]
    browser.click("[data-key='label:key']")
    browser.wait("document.querySelectorAll('.picture-cell').length === 3")
    wait_for_text(browser, "train-panel", "“key” (3) has fewer than 10 pictures and is left out")


def test_clicks_shift_and_a_drag_select_and_keys_label(browser, server):
    server.teach.fill(cup=1, bottle=1, unlabeled=20)
    open_teach(browser, server)
    browser.wait("document.querySelectorAll('.picture-cell').length === 20")
    cell = ".picture-cell:nth-child({})"
    browser.click(cell.format(1))
    browser.wait("document.querySelectorAll('[aria-selected=true]').length === 1")
    fourth = find_center(browser, cell.format(4))
    for kind in ("mousePressed", "mouseReleased"):
        send_mouse(browser, kind, fourth, modifiers=8)  # shift
    browser.wait("document.querySelectorAll('[aria-selected=true]').length === 4")
    browser.press(".pictures", "2")
    browser.wait("document.querySelectorAll('.picture-cell').length === 16")
    change = sent(server, "PATCH", "/api/dataset/pictures")[0]
    assert (change["label"], len(change["ids"])) == ("bottle", 4)
    start, end = find_center(browser, cell.format(1)), find_center(browser, cell.format(6))
    for kind, at in (("mousePressed", start), ("mouseMoved", fourth), ("mouseMoved", end), ("mouseReleased", end)):
        send_mouse(browser, kind, at)
    browser.wait("document.querySelectorAll('[aria-selected=true]').length > 2")
    selected = count_selected(browser)
    wait_for_text(browser, "selection-bar", f"{selected} selected")
    browser.press(".pictures", "0")
    wait_for_text(browser, "#toasts", f"{selected} pictures: none of these")
    wait_for_text(browser, "[data-key='none:']", str(selected))
    assert server.teach.describe()["unlabeled"] == 16 - selected


@pytest.mark.slow
def test_finger_selects_after_a_long_press_and_scrolls_before(browser, server):
    server.teach.fill(cup=1, unlabeled=30)
    open_teach(browser, server, NARROW)
    browser.wait("document.querySelectorAll('.picture-cell').length >= 6")
    browser.run("document.querySelector('.pictures').scrollIntoView({block: 'start'})")
    (x, y), end = find_center(browser, ".picture-cell:nth-child(1)"), find_center(browser, ".picture-cell:nth-child(5)")
    touch = lambda kind, *points: browser.send_command(  # noqa: E731
        "Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": a, "y": b} for a, b in points]
    )
    touch("touchStart", (x, y))
    browser.wait("document.querySelectorAll('[aria-selected=true]').length === 1")
    touch("touchMove", ((x + end[0]) / 2, (y + end[1]) / 2))
    touch("touchMove", end)
    browser.wait("document.querySelectorAll('[aria-selected=true]').length === 4")  # two columns, two rows
    touch("touchEnd")
    before = browser.run("return scrollY")
    touch("touchStart", (x, y + 200))
    for step in range(1, 6):
        touch("touchMove", (x, y + 200 - 40 * step))
    touch("touchEnd")
    browser.wait(f"scrollY > {before}")
    assert count_selected(browser) == 4


def test_bar_labels_moves_deletes_and_undo_takes_it_back(browser, server):
    server.teach.fill(cup=1, unlabeled=8)
    open_teach(browser, server)
    browser.wait("document.querySelectorAll('.picture-cell').length === 8")
    browser.click(".picture-cell")
    choose(browser, "#label-as", "new")
    browser.press("selection-bar new-label input", "wrench\n")
    wait_for_text(browser, "[data-key='label:wrench']", "1")
    browser.click(".picture-cell")
    browser.click("#delete-pictures")
    wait_for_text(browser, "#toasts", "Picture deleted")
    browser.wait("document.querySelectorAll('.picture-cell').length === 6")
    browser.press(".pictures", "\ue009z\ue000")  # control and z
    wait_for_text(browser, "#toasts", "Undone: 1 pictures deleted")
    browser.wait("document.querySelectorAll('.picture-cell').length === 7")
    browser.click("#undo")
    browser.wait("document.querySelectorAll('.picture-cell').length === 8")
    browser.wait("document.querySelector('#undo').hidden")
    browser.click("[data-key='label:cup']")
    browser.wait("document.querySelectorAll('.picture-cell').length === 1")
    browser.click(".picture-cell")
    wait_for_text(browser, "#label-as", "Move to…")
    choose(browser, "#label-as", "unlabeled")
    wait_for_text(browser, "[data-key='unlabeled:']", "9")


@pytest.mark.parametrize("count", [240, pytest.param(2000, marks=pytest.mark.slow)])
def test_many_pictures_keep_the_page_small(browser, server, count):
    server.teach.pictures = [make_picture(number, None) for number in range(count)]
    open_teach(browser, server)
    browser.wait("document.querySelector('.picture-cell')")
    most, deadline = 0, 60
    while not browser.run(f"return document.querySelector('[aria-setsize=\"{count}\"]') !== null") and deadline:
        browser.run("window.scrollTo(0, document.body.scrollHeight)")
        most = max(most, browser.run("return document.querySelectorAll('.picture-cell').length"))
        browser.run("return new Promise((resolve) => setTimeout(resolve, 60))")
        deadline -= 1
    assert deadline, "the last page was never loaded"
    assert most < 200
    # Drawing the part that a scroll brings into view fits into a few frames.
    took_ms = browser.run("""
        const next = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
        const start = performance.now();
        for (let step = 0; step < 10; step += 1) { window.scrollTo(0, step * 4000); await next(); }
        return (performance.now() - start) / 10;
    """)
    if os.getloadavg()[0] < 2 * (os.cpu_count() or 1):  # else the time means nothing
        assert took_ms < 150
    browser.press(".pictures", "\ue009a\ue000")  # control and a
    wait_for_text(browser, "selection-bar", f"{count} selected")


@pytest.mark.slow
def test_arrow_keys_and_digits_label_one_picture_after_the_other(browser, server):
    server.teach.fill(cup=1, bottle=1, unlabeled=6)
    open_teach(browser, server)
    browser.wait("document.querySelectorAll('.picture-cell').length === 6")
    browser.press(".pictures", "1")
    browser.wait("document.querySelectorAll('.picture-cell').length === 5")
    browser.press(".pictures", "\ue0142")  # the arrow to the right
    browser.wait("document.querySelectorAll('.picture-cell').length === 4")
    assert [change["label"] for change in sent(server, "PATCH", "/api/dataset/pictures")] == ["cup", "bottle"]
    active = browser.run(
        "return document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).role"
    )
    assert active == "option"


@pytest.mark.slow
def test_label_is_renamed_and_removed(browser, server):
    server.teach.fill(cup=12, bottle=3)
    open_teach(browser, server)
    browser.click("[data-key='label:cup']")
    browser.click("#rename-label")
    browser.run("document.querySelector('.label-head input').value = 'mug'")
    browser.press(".label-head input", "\n")
    browser.wait("document.querySelector('[data-key=\"label:mug\"][aria-pressed=true]')")
    browser.wait("document.querySelectorAll('.picture-cell').length === 12")
    browser.click("#remove-label")
    wait_for_text(browser, "[data-key='unlabeled:']", "12")
    browser.wait("!document.querySelector('[data-key=\"label:mug\"]')")
    browser.click("#toasts .toast button")
    browser.wait("document.querySelector('[data-key=\"label:mug\"]')")


def test_training_shows_its_result_and_the_chosen_threshold_is_used(browser, server):
    server.teach.fill(cup=40, bottle=30)
    server.status["model"]["labels"] = ["cup", "bottle"]
    open_teach(browser, server)
    wait_for_text(browser, "train-panel", "70 pictures, about 40 s")
    browser.click("#train")
    wait_for_text(browser, "train-panel", "Computing features")
    browser.wait("document.querySelector('train-panel .progress').getAttribute('aria-valuenow')")
    wait_for_text(
        browser, "train-panel", "Right in 95 % (88–98) of 60 pictures it had not seen; the running model: 71 %."
    )
    assert browser.run("return document.activeElement.textContent") == "Train"
    wait_for_text(browser, "train-panel", "By label")
    browser.click(".mistakes select")
    choose(browser, ".mistakes select", "=bottle")
    wait_for_text(browser, ".mistakes", "now: bottle")
    assert sent(server, "PATCH", "/api/dataset/pictures")[0]["label"] == "bottle"
    browser.press("#new-threshold", "\ue014\ue014")
    wait_for_text(browser, "threshold-curve", "0.66")
    assert "Right in" not in browser.read("threshold-curve .facts")
    browser.click("#use-model")
    wait_for_text(browser, "#toasts", "general 2 runs now")
    assert sent(server, "POST", "/api/training/use") == [{"threshold": 0.66}]
    browser.wait("document.querySelector('#train')")
    server.change(update={"probation_left_s": 360, "version": "2", "state": "probation"})
    wait_for_text(browser, "train-panel", "on trial, 6 min left")


def test_training_is_canceled_and_a_failure_is_one_sentence(browser, server):
    server.teach.fill(cup=40, bottle=30)
    server.teach.step_s = 5
    open_teach(browser, server)
    browser.click("#train")
    browser.click("#cancel-training")
    wait_for_text(browser, "train-panel", "The last training was canceled")
    server.teach.training = {"state": "failed", "error": "the training ran out of memory; use fewer pictures"}
    server.teach.tell()
    wait_for_text(browser, "train-panel .danger", "The training ran out of memory; use fewer pictures")
    browser.wait("document.querySelector('#train')")


def test_device_that_cannot_train_shows_the_command_or_the_download(browser, server):
    server.teach.fill(cup=12, bottle=12)
    command = "sudo scripts/install.sh --with workshop"
    server.teach.impossible = {"possible": False, "reason": "training is not installed", "command": command}
    open_teach(browser, server)
    browser.wait("document.querySelector('train-panel code')")
    assert browser.read("train-panel code") == command
    assert browser.run("return document.querySelector('#train')") is None
    server.teach.impossible = {"possible": False, "reason": "this device has too little memory", "command": None}
    server.teach.tell()
    wait_for_text(browser, "train-panel", "too little memory")
    browser.run(
        "addEventListener('click', (event) => { if (event.target.download) { window.saved = event.target.href;"
        " event.preventDefault(); } }, true)"
    )
    browser.click("train-panel .note button")
    browser.wait("window.saved?.endsWith('/api/dataset/export/made.zip')")


@pytest.mark.slow
def test_zip_is_added_and_a_wrong_file_is_refused(browser, server, tmp_path):
    server.teach.fill(cup=1)
    open_teach(browser, server)
    browser.click("dataset-files summary")
    (tmp_path / "things.zip").write_bytes(b"PK\x03\x04")
    browser.press("#dataset-file", str(tmp_path / "things.zip"))
    wait_for_text(browser, "dataset-files", "12 pictures added.")
    wait_for_text(browser, "dataset-files", "Left out (1)")
    wait_for_text(browser, "[data-key='label:key']", "12")
    (tmp_path / "wrong.zip").write_bytes(b"text")
    browser.press("#dataset-file", str(tmp_path / "wrong.zip"))
    wait_for_text(browser, "dataset-files .danger", "This file is no zip; upload a zip")


def test_sign_in_that_may_only_look_has_nothing_that_changes(browser, server):
    server.scope = "read"
    server.teach.fill(cup=40, bottle=30)
    open_teach(browser, server)
    browser.wait("document.querySelector('.picture-cell')")
    wait_for_text(browser, ".teach-half", "may only look")
    browser.click(".picture-cell")
    browser.press(".pictures", "1")
    visible = browser.run(
        "return ['#record', '#train', '#label-as', '#new-label', '#dataset-file', '#delete-pictures']"
        ".filter((id) => document.querySelector(id)?.checkVisibility())"
    )
    assert visible == []
    assert [entry for entry in server.received if entry[0] != "GET"] == []


@pytest.mark.slow
def test_missing_dataset_is_one_sentence_and_comes_back(browser, server):
    server.answers["GET /api/dataset/labels"] = 503, {"error": "the disk is not readable; check it"}
    open_teach(browser, server)
    wait_for_text(browser, ".teach-half .danger", "The disk is not readable; check it")
    del server.answers["GET /api/dataset/labels"]
    browser.click(".teach-half .danger button")
    wait_for_text(browser, ".steps", "Name a thing")
    server.teach.fill(cup=2)
    server.stop()
    wait_for_text(browser, "#banner", "No connection")
    browser.wait("document.querySelector('#record').disabled")
    server.restart()
    wait_for_text(browser, "[data-key='label:cup']", "2")


def test_modules_of_teach_are_loaded_when_it_opens(browser, server):
    browser.visit("about:blank")
    browser.read_requests()
    browser.visit(server.url + "#/now", *NARROW)
    browser.wait("document.querySelector('.label-bars')")
    files = {url.rsplit("/", 1)[-1] for url in browser.read_requests()}
    assert not [name for name in files if re.search(r"teach|train|record|selection|picture-(grid|list)|dataset", name)]
    browser.click("#nav [data-place=teach]")
    browser.wait("document.querySelector('record-panel')")
    browser.run("location.hash = '#/model'")
    browser.wait("document.querySelector('model-view h1')")
    assert browser.read("#nav [aria-current]") == "Teach"
    browser.click(".tabs a")
    browser.wait("document.querySelector('record-panel').checkVisibility()")


def test_full_place_fits_a_narrow_phone_and_names_its_controls(browser, server):
    server.teach.fill(averylongnamewithoutanyspaces0001=12, cup=40, background=3, unlabeled=9)
    mistakes = [picture["id"] for picture in server.teach.pictures[:3]]
    server.teach.training = {"state": "done", "result": make_result(mistakes)}
    open_teach(browser, server, NARROW)
    browser.wait("document.querySelector('.picture-cell')")
    browser.run("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    browser.click(".picture-cell")
    browser.wait("document.querySelector('selection-bar').checkVisibility()")
    assert browser.run("return document.documentElement.scrollWidth") <= NARROW[0]
    faults = browser.run("""
        const isNameless = (control) =>
          !(control.innerText || control.getAttribute("aria-label") || control.labels?.[0]?.innerText);
        const isSmall = (control) => {
          const box = (control.closest("label, .file") ?? control).getBoundingClientRect();
          return box.height < 43.5 || box.width < 43.5;
        };
        return [...document.querySelectorAll("button, select, input, [role=slider], .tabs a, a.button")]
          .filter((control) => control.checkVisibility() && !control.closest("#toasts"))
          .filter((control) => isNameless(control) || isSmall(control))
          .map((control) => control.outerHTML.slice(0, 120));
    """)
    assert faults == []
    assert browser.run("return document.querySelectorAll('main img:not([alt])').length") == 0
    assert browser.read_errors() == []


def test_another_model_takes_the_old_guesses_away(browser, server):
    server.teach.fill(cup=1)
    server.teach.pictures[0]["guess"] = {"label": "balloon", "score": 0.9}
    open_teach(browser, server)
    wait_for_text(browser, ".picture-cell", "balloon")
    server.teach.pictures[0]["guess"] = None
    server.change(model={"sha256": "f" * 64})
    browser.wait("!document.querySelector('.picture-cell').innerText.includes('balloon')")


@pytest.mark.slow
def test_foreign_text_in_teach_is_never_markup(browser, server):
    evil = "<img src=x onerror=\"document.title='broken'\">"
    server.teach.fill(**{evil: 12, "cup": 12})
    server.teach.pictures[0]["guess"] = {"label": evil, "score": 0.1}
    result = make_result([server.teach.pictures[0]["id"]])
    result |= {"name": evil, "version": evil, "sentence": evil, "rejection": evil, "warnings": [evil]}
    result["mistakes"][0] |= {"label": evil, "guess": evil}
    result["per_label"][0]["label"] = evil
    for training in ({"state": "done", "result": result}, {"state": "failed", "error": evil}):
        server.teach.training = training
        open_teach(browser, server)
        browser.wait("document.querySelector('.picture-cell')")
        assert browser.run("return document.querySelectorAll('main [onerror]').length") == 0
        assert browser.run("return document.title") != "broken"
    server.teach.training = {"state": "none"}
    server.teach.impossible = {"possible": False, "reason": evil, "command": evil}
    server.teach.tell()
    browser.wait("document.querySelector('train-panel code')")
    assert browser.run("return document.title") != "broken"
