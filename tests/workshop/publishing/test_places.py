"""Read a site at its address and in its folder."""

import pytest

from appliance.errors import HttpStatusError, PublishError, SourceError
from appliance.workshop.publishing.places import SitePlace
from support.model_server import ModelServer


def test_folder_and_address_give_the_same(tmp_path):
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata/a.json").write_bytes(b"abc")
    with ModelServer(tmp_path) as server:
        for name in (str(tmp_path), server.url()):
            with SitePlace(name) as place:
                assert place.find("metadata/a.json", 10) == b"abc" and place.find("metadata/b.json", 10) is None
                with pytest.raises(HttpStatusError):
                    place.fetch(f"{place.url}/metadata/b.json", 10)
                with pytest.raises(SourceError):
                    place.find("metadata/a.json", 2)
        assert all(
            {name.lower(): value for name, value in request.headers.items()}.get("cache-control") == "no-cache"
            for request in server.requests
        )


@pytest.mark.parametrize("address", ["https://", "https:///", "https://me:secret@example.org/x"])
def test_impossible_address_is_refused_without_its_secrets(address):
    with pytest.raises(PublishError) as caught:
        SitePlace(address)
    assert "secret" not in str(caught.value)
