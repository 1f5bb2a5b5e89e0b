"""The identity of a model, and what an error lists for a label that the model does not have."""

from appliance.bundle.identity import ModelIdentity, describe_unknown_label


def test_dict_has_the_three_keys_of_every_output():
    identity = ModelIdentity("flowers", "1.2.0", "ab" * 32, variant="b", experiment="7")
    assert identity.as_dict() == {"name": "flowers", "version": "1.2.0", "sha256": "ab" * 32}
    assert list(identity.as_dict()) == ["name", "version", "sha256"]


def test_unknown_label_lists_similar_labels():
    assert "'Rosen'" in describe_unknown_label("Rosen", ["tulip", "Rose"])
    assert "similar labels are 'Rose'" in describe_unknown_label("rosen", ["tulip", "Rose"])


def test_unknown_label_lists_the_first_labels_if_none_is_similar():
    labels = [f"{letter * 5}" for letter in "abcdefghij"]
    description = describe_unknown_label("zebra-crossing", labels)
    assert "10 labels are 'aaaaa'" in description and "'hhhhh', …" in description and "iiiii" not in description
