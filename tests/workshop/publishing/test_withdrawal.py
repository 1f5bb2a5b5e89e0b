"""What a channel offers without a withdrawn bundle, and what withdrawing means for devices."""

import pytest

from appliance.errors import PublishError
from support import made_models
from support.bundles import bundle_folder
from support.publishing import list_faults
from support.signed_site import Operator


def test_devices_get_the_entry_before_the_withdrawn_one(operator, device, bundles, tmp_path):
    publisher = operator.publisher()
    publisher.push(bundles["1.0"])
    publisher.push(bundles["2.0"])
    assert device.version() == "2.0"
    result = publisher.withdraw("colours 2.0")
    assert result.bundle == "colours 2.0" and [channel.entries[0].version for channel in result.channels] == ["1.0"]
    assert device.version() == "1.0" and list_faults(operator.site) == []
    assert publisher.rollback().entries == (), "earlier contents do not bring the bundle back"
    assert device.version() is None
    other = bundle_folder(tmp_path / "other", version="2.0", model=made_models.good(99))
    with pytest.raises(PublishError, match="already published with other contents"):
        publisher.push(other)
    assert publisher.push(bundles["2.0"]).was_published is False
    assert device.version() == "2.0"


def test_slice_of_a_withdrawn_bundle_falls_to_everyone_else(operator, device, bundles):
    publisher = operator.publisher()
    publisher.push(bundles["1.0"])
    publisher.push(bundles["2.0"], percent=100, variant="b")
    assert device.version() == "2.0"
    publisher.withdraw("2.0")
    assert device.version() == "1.0"
    assert publisher.withdraw("bundles/colours-1.0.zip").channels[0].entries == ()
    assert device.version() is None


@pytest.mark.parametrize(
    ("text", "part"), [("9.9", "no bundle '9.9'; its bundles are colours 1.0"), ("x\n" * 900, "…")]
)
def test_unknown_bundle_is_one_sentence(tmp_path, text, part):
    operator = Operator(tmp_path)
    operator.put("1.0")
    with pytest.raises(PublishError) as caught:
        operator.publisher().withdraw(text)
    assert part in str(caught.value) and "\n" not in str(caught.value)


def test_paused_channel_keeps_devices_and_continues(operator, device, bundles):
    publisher = operator.publisher()
    publisher.push(bundles["1.0"])
    offer = device.check()
    assert publisher.pause("stable").entries == ()
    source = device.source()
    assert source.check() is None and not source.has_withdrawn(offer.hash), "a pause takes nothing back"
    publisher.withdraw("1.0")
    assert source.check() is None and source.has_withdrawn(offer.hash)
    source.close()
    publisher.push(bundles["1.0"])
    publisher.pause("stable")
    with pytest.raises(PublishError, match="already paused"):
        publisher.pause("stable")
    with pytest.raises(PublishError, match="no channel 'beta'"):
        publisher.pause("beta")
    assert publisher.rollback().entries[0].version == "1.0" and device.version() == "1.0"
