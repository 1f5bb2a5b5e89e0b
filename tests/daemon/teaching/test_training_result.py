"""The result of a training for the page."""

from appliance.daemon.teaching.training_result import describe_result

TRAINED = {
    "model": {"name": "n", "version": "1"}, "labels": ["cup"], "at_threshold": {"threshold": 0.5},
    "warnings": ["a\x1b[31mb"],
}  # fmt: skip


def test_texts_are_clean_and_bounded():
    result = describe_result(TRAINED | {"warnings": ["x" * 900, "a\x1b[31mb"] * 30}, None, (), 20)
    assert len(result["warnings"]) == 20 and max(map(len, result["warnings"])) <= 500
    assert "\x1b" not in str(result)


def test_labels_that_were_not_measured_are_named():
    evaluated = {"pictures": 5, "accuracy": 1.0, "against": {"says": "x"}}
    result = describe_result(TRAINED, evaluated, ("mug",), 20)
    assert any("mug" in warning for warning in result["warnings"])


def test_cost_of_rejection_is_one_sentence():
    rejection = {"recall": 0.89, "recall_without": 0.91, "passed": 0.008, "passed_without": 0.41}
    sentence = describe_result(TRAINED | {"rejection": rejection}, None, (), 20)["rejection"]
    assert "0.8 % instead of 41 %" in sentence and "89 % instead of 91 %" in sentence
    assert describe_result(TRAINED | {"rejection": {"recall": 1}}, None, (), 20)["rejection"] is None


def test_background_is_none_of_the_labels():
    mistake = {"picture": "background/a.jpg", "shows": "background", "label": "cup", "score": 0.9}
    result = describe_result(TRAINED, {"pictures": 1, "mistakes": [mistake]}, (), 20)
    assert result["mistakes"] == [{"picture_id": "a", "label": None, "guess": "cup", "score": 0.9}]
