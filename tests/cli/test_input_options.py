"""The options that state a model's input: what they accept, and what `label` and `model install` do with them."""

import argparse
import json

import pytest

from appliance.cli import main
from appliance.cli.input_options import add_input_arguments, parse_declared_input
from appliance.errors import UsageError
from support.evaluations import make_png
from support.tiny_models import tiny_model, write_tiny


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def model(tmp_path):
    """Make a float bundle without a range; its logits are the mean colors."""
    return str(write_tiny(tmp_path / "colors", tiny_model()))


@pytest.fixture
def picture(tmp_path):
    (tmp_path / "red.png").write_bytes(make_png(1.0, 0.5, 0.0))
    return str(tmp_path / "red.png")


def parse(*words):
    parser = argparse.ArgumentParser()
    add_input_arguments(parser)
    return parse_declared_input(parser.parse_args(words))


def test_options_state_range_order_and_resize():
    declared = parse("--input-range=-1..1", "--channel-order", "BGR", "--resize", "crop")
    assert (declared.mean, declared.std) == ((127.5,), (127.5,))
    assert (declared.channel_order, declared.resize, declared.source) == ("BGR", "crop", "manifest")
    assert parse("--input-mean", "1,2,3", "--input-std", "4").mean == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--input-mean", "1"], "together"),
        (["--input-mean", "1", "--input-std", "1", "--input-range", "0..1"], "exclusive"),
        (["--input-mean", "1", "--input-std", "0"], "std not 0"),
        (["--input-mean", "1,2", "--input-std", "1"], "1 or 3 numbers"),
    ],
)
def test_contradicting_options_are_wrong_usage(words, reason):
    with pytest.raises(UsageError, match=reason):
        parse(*words)


@pytest.mark.parametrize("text", ["255", "0..", "1..1", "a..b", "0..inf"])
def test_range_that_is_none_is_wrong_usage(text, capsys):
    with pytest.raises(SystemExit) as exit_:
        parse(f"--input-range={text}")
    assert exit_.value.code == 2 and "range such as 0..255" in capsys.readouterr().err


def test_label_uses_the_stated_range(model, picture, capsys):
    scores = {}
    for limits in ("0..1", "0..10"):
        words = ["label", picture, "--model", model, "--json", "--threshold", "0", f"--input-range={limits}"]
        assert main(words) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        scores[limits] = json.loads(captured.out)[0]["labels"][0]["score"]
    assert scores["0..1"] == pytest.approx(0.506, abs=0.01) and scores["0..10"] > 0.98


def test_label_warns_of_an_assumed_range_with_commands(model, picture, capsys):
    assert main(["label", picture, "--model", model]) == 0
    err = capsys.readouterr().err
    assert "-1..1 is assumed" in err
    assert all(
        f"appliance model install {model} --input-range {limits}" in err for limits in ("0..255", "0..1", "-1..1")
    )


def test_verbose_label_names_the_input(model, picture, capsys):
    assert main(["-v", "label", picture, "--model", model, "--input-range", "0..255"]) == 0
    assert "input 0..255 (from the manifest)" in capsys.readouterr().err


def test_install_writes_the_options_into_the_bundle(model, capsys):
    assert main(["model", "install", model, "--input-range", "0..255", "--resize", "crop", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["input"]["range"] == "0..255"
    assert main(["model", "show", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["input"]["range"], shown["input"]["resize"], shown["input"]["source"]) == (
        "0..255",
        "crop",
        "manifest",
    )
    assert main(["model", "show"]) == 0
    assert "0..255 (from the manifest), resize crop" in capsys.readouterr().out


def test_same_model_with_another_range_is_another_bundle(model, capsys):
    for limits in ("0..255", "0..1"):
        assert main(["model", "install", model, "--input-range", limits, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["input"]["range"] == limits
    assert main(["model", "rollback", "--json"]) == 0
    capsys.readouterr()
    assert main(["model", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["input"]["range"] == "0..255"


def test_install_warns_of_an_assumed_range(model, capsys):
    assert main(["model", "install", model]) == 0
    assert "-1..1 is assumed" in capsys.readouterr().err


def test_refused_install_names_the_given_bundle(tmp_path, capsys):
    folder = write_tiny(tmp_path / "broken", tiny_model(ending="custom"))
    assert main(["model", "install", str(folder)]) == 1
    err = capsys.readouterr().err
    assert str(folder) in err and "appliance-install-" not in err
