"""The topics of the manual as files."""

from appliance.system.manual import TOPICS, installed_topics, read_topic_text, summarize_topics, without_comments


def test_every_topic_has_a_title_and_a_summary():
    topics = summarize_topics()
    assert [name for name, _, _ in topics] == installed_topics() == [each for each in TOPICS if read_topic_text(each)]
    assert all(title and summary and not title.startswith("#") for _, title, summary in topics)


def test_unknown_topic_has_no_text():
    assert read_topic_text("nothing") is None and read_topic_text("../README") is None


def test_comments_are_left_out():
    assert without_comments("a\n<!-- needs: x\ny -->\nb") == "a\nb"
