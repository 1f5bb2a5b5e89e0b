"""The result of a training for the page."""

from types import SimpleNamespace

from appliance.daemon.teaching.training_result import describe_result
from appliance.workshop.evaluation.quality import warn_of_sole_recordings, warn_of_weak_labels

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


def make_weak(label, recall):
    share = SimpleNamespace(value=recall)
    point = SimpleNamespace(recall_share=share, threshold=0.5)
    return list(warn_of_weak_labels(SimpleNamespace(labels=[SimpleNamespace(label=label, recall=share)], point=point)))


def test_warnings_are_about_the_figures_that_are_shown():
    trained = TRAINED | {"warnings": ["few", *warn_of_sole_recordings(["cup"]), *make_weak("cup", 0.1)]}
    evaluated = {"pictures": 5, "warnings": make_weak("mug", 0.2), "against": {"says": "x"}}
    warnings = describe_result(trained, evaluated, (), 20)["warnings"]
    assert warnings[0] == "few" and len(warnings) == 3
    assert "mug (20 %)" in warnings[1] and "only 20 %" in warnings[2]
    assert len(describe_result(trained, None, (), 20)["warnings"]) == 4


def test_advice_is_for_the_page_and_not_for_the_command_line():
    trained = TRAINED | {"warnings": [*make_weak("cup", 0.1), "fewer than 100 pictures of cup, background; more"]}
    says = "Too few to tell: 5 pictures may hide a loss; evaluate on about 50 pictures or more."
    result = describe_result(trained, {"pictures": 5, "against": {"says": says}}, (), 20)
    texts = " ".join([*result["warnings"], *describe_result(trained, None, (), 20)["warnings"], result["sentence"]])
    assert "evaluate" not in texts and "--" not in texts and "background" not in texts
    assert "about 50 held-out pictures are needed; record more." in result["sentence"]
    assert "fewer than 100 pictures of cup, none of these; more" in texts
