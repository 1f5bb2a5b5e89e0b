"""The value of `evaluate --json`: the keys of before, and an interval for every share."""

from support.evaluations import make_bundle, make_shades, run_evaluate, write_pictures


def test_every_share_has_an_interval_beside_the_keys_of_before(tmp_path, capsys):
    shown = {label: make_shades(label, 20) for label in ("red", "green")} | {"blue": make_shades("green", 4)}
    others = write_pictures(tmp_path / "others", {"gray": [(0.6, 0.1, 0.1)] * 3 + [(0.1, 0.1, 0.1)] * 7})
    status, value, err = run_evaluate(
        capsys, make_bundle(tmp_path / "model"), write_pictures(tmp_path / "some", shown), "--background", others
    )
    assert status == 0
    assert value["accuracy"] == value["intervals"]["accuracy"]["value"] == 0.909091
    at = value["at_threshold"]
    for name in ("precision", "recall"):
        assert at[name] == at["intervals"][name]["value"] == value["intervals"][name]["value"]
        assert 0 < at["intervals"][name]["low"] < at[name] < at["intervals"][name]["high"] < 1
    assert value["intervals"]["area_under_curve"]["value"] == value["area_under_curve"]
    blue = value["per_label"][2]
    assert (blue["recall"], blue["intervals"]["recall"]["low"], blue["pictures"]) == (0.0, 0.0, 4)
    assert value["worst_labels"][0] == "blue"
    assert value["background"]["intervals"]["labeled_pictures"]["value"] == 0.3
    assert value["calibration"]["chance_error"] > 0
    assert all(
        each["low"] is None or each["low"] <= each["accuracy"] <= each["high"] for each in value["calibration"]["bins"]
    )
    assert any("blue (0 %)" in each for each in value["warnings"])
    assert "less than half of the pictures of blue" in err


def test_curve_has_intervals_for_a_slider(tmp_path, capsys):
    some = write_pictures(tmp_path / "some", {"red": make_shades("red", 10), "green": make_shades("red", 2)})
    _, value, _ = run_evaluate(capsys, make_bundle(tmp_path / "model"), some)
    curve = value["threshold_curve"]
    assert [each["threshold"] for each in curve] == [each["threshold"] for each in value["curve"]]
    for one, plain in zip(curve, value["curve"], strict=True):
        assert (one["precision"]["value"], one["recall"]["value"]) == (plain["precision"], plain["recall"])
    assert curve[100]["precision"] == {"value": None, "low": None, "high": None}


def test_recordings_are_counted(tmp_path, capsys):
    some = write_pictures(tmp_path / "some", {"red": make_shades("red", 10), "green": make_shades("green", 10)})
    for index, file in enumerate(sorted((some / "red").iterdir())):
        file.rename(file.with_name(f"20261130-101500-123_rec-{index // 5:08x}_{index}.png"))
    _, value, _ = run_evaluate(capsys, make_bundle(tmp_path / "model"), some)
    assert (value["pictures"], value["recordings"]) == (20, 12)


def test_figures_of_the_other_model_have_intervals_too(tmp_path, capsys):
    some = write_pictures(tmp_path / "some", {label: make_shades(label, 20) for label in ("red", "green", "blue")})
    old = make_bundle(tmp_path / "old", labels="red blue green")
    _, value, _ = run_evaluate(capsys, make_bundle(tmp_path / "model"), some, "--against", old)
    accuracy = value["against"]["intervals"]["accuracy"]
    assert accuracy["low"] < accuracy["value"] == value["against"]["measures"][0]["old"] < accuracy["high"]
