"""Test the display name of an offer, and which offers are equal."""

from hashlib import sha256

import pytest

from appliance.updates.sources.firebase_ml import FirebaseMlSource
from appliance.updates.sources.remote_config import ConfiguredSource
from appliance.updates.sources.repository import RepositorySource
from appliance.updates.sources.source import Offer, Source, display_version
from appliance.updates.sources.url import UrlSource


def test_version_is_how_an_offer_is_called():
    assert display_version(Offer("hash", version="2.0", sha256="ab" * 32)) == "2.0"


def test_offer_without_version_is_called_by_its_model():
    assert display_version(Offer("hash", sha256="ab" * 32)) == "sha256:abababababab"


def test_offer_without_both_is_called_by_a_hash_of_its_hash():
    """The hash of an offer is opaque and may be long, or contain an address."""
    name = display_version(Offer("https://example.org/secret"))
    assert name == f"offer:{sha256(b'https://example.org/secret').hexdigest()[:12]}"
    assert "secret" not in name


def test_what_only_the_source_needs_does_not_count_or_show():
    offer, other = Offer("hash", private="a token"), Offer("hash", private="another")
    assert offer == other
    assert hash(offer) == hash(other)
    assert "token" not in repr(offer)


@pytest.mark.parametrize("field", ["version", "name", "sha256", "variant", "experiment"])
def test_everything_else_makes_another_offer(field):
    assert Offer("hash", **{field: "x"}) != Offer("hash")


@pytest.mark.parametrize("source", [FirebaseMlSource, ConfiguredSource, RepositorySource, UrlSource])
def test_every_source_has_the_calls_of_the_protocol(source):
    wanted = {name for name in vars(Source) if not name.startswith("_")}
    assert wanted == {"check", "forget", "is_unchanged", "has_withdrawn", "fetch", "close"}
    assert all(callable(getattr(source, name)) for name in wanted)
