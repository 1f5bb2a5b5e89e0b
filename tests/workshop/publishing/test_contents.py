"""Channels of a site, their earlier contents, and the bundles of their versions."""

import pytest

from appliance.errors import PublishError
from appliance.workshop.publishing.contents import (
    describe_bundle,
    find_bundle,
    list_channels,
    read_channel,
    read_previous,
)
from appliance.workshop.publishing.signed_site import SignedSite


def test_channel_and_its_previous_content_are_read(operator, bundles):
    publisher = operator.publisher()
    publisher.push(bundles["1.0"])
    publisher.push(bundles["2.0"])
    with SignedSite(operator.site) as site:
        assert list_channels(site) == ["stable"]
        assert read_channel(site, "beta") is None
        channel = read_channel(site, "stable")
        assert [entry.version for entry in channel.entries] == ["2.0"]
        previous = read_previous(site, "stable", channel)
        assert [entry.version for entry in previous.channel.entries] == ["1.0"]
        assert describe_bundle(find_bundle(site, "stable", channel, "1.0")) == "colours 1.0"
        with pytest.raises(PublishError, match="has no earlier contents"):
            read_previous(site, "stable", previous.channel)


def test_modified_or_missing_channel_files_are_errors(operator, bundles):
    publisher = operator.publisher()
    publisher.push(bundles["1.0"])
    publisher.push(bundles["2.0"])
    with SignedSite(operator.site) as site:
        channel = read_channel(site, "stable")
        previous = site.get_target_file("channels/stable.json", channel.before)
        previous.write_bytes(previous.read_bytes() + b" ")
        with pytest.raises(PublishError, match="was modified"):
            read_previous(site, "stable", channel)
        previous.unlink()
        with pytest.raises(PublishError, match="cannot be read: No such file"):
            read_previous(site, "stable", channel)
        site.get_target_file("channels/stable.json", site.find_target("channels/stable.json").sha256).unlink()
        with pytest.raises(PublishError, match="incomplete: No such file"):
            read_channel(site, "stable")
