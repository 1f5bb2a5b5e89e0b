"""Index files by their suffix."""

import pytest

from appliance.errors import DatasetError
from appliance.workshop.datasets.index import parse_index


def test_form_follows_the_name():
    (csv,), _ = parse_index("1.jpg,cat", "i.csv", "i.csv")
    (line,), _ = parse_index('{"imageGcsUri": "1.jpg"}', "i.jsonl", "i.jsonl")
    (task,), _ = parse_index('[{"image": "1.jpg", "choice": "cat"}]', "i.json", "i.json")
    assert (csv.label, line.label, task.label) == ("cat", None, "cat")


def test_other_json_is_an_error():
    with pytest.raises(DatasetError, match="neither a Label Studio export"):
        parse_index('{"a": 1}', "i.json", "i.json")
    with pytest.raises(DatasetError, match="is not JSON"):
        parse_index("{", "i.json", "i.json")
