"""What a push, a promotion and a way back make of a channel, and how many devices that moves."""

import pytest

from appliance.errors import ChannelError, PublishError
from appliance.repository.channel import Channel, ChannelEntry, choose_entry
from appliance.workshop.publishing.channels import RolloutChange, compare_channels, describe_entries, pick_entry, promote_entry, add_entry

OLD = ChannelEntry("bundles/v1.zip", "1")


def entry(version, percent=None, group=None, variant=None):
    return ChannelEntry(f"bundles/v{version}.zip", str(version), variant, frozenset([group] if group else []), percent)


def channel(*entries):
    return Channel("f00d", entries)


def shown(found):
    return describe_entries(found.entries)


def test_a_push_for_everyone_is_for_everyone():
    before = channel(entry(3, group="canary"), entry(2, 20), OLD)
    assert add_entry(before, entry(4)).entries == (entry(4),)


def test_a_slice_goes_before_what_the_others_have():
    assert (
        shown(add_entry(channel(OLD), entry(2, 20, variant="b")))
        == "2 for 20 % of everyone (variant b); 1 for everyone else"
    )
    assert shown(add_entry(channel(), entry(2, 20))) == "2 for 20 % of everyone"


def test_a_second_slice_lies_after_the_first_and_raising_it_moves_nobody_else():
    two = add_entry(add_entry(channel(OLD), entry(2, 20)), entry(3, 10))
    assert shown(two) == "2 for 20 % of everyone; 3 for 10 % of everyone; 1 for everyone else"
    more = add_entry(two, entry(3, 30))
    assert shown(more) == "2 for 20 % of everyone; 3 for 30 % of everyone; 1 for everyone else"
    assert compare_channels(two, more) == [RolloutChange(None, 20.0)]


def test_a_variant_gets_another_bundle_in_its_place():
    before = add_entry(add_entry(channel(OLD), entry(2, 20, variant="a")), entry(3, 20, variant="b"))
    after = add_entry(before, entry(4, 20, variant="a"))
    assert [each.version for each in after.entries] == ["4", "3", "1"]
    assert compare_channels(before, after) == [RolloutChange(None, 20.0)]


def test_a_group_goes_first_and_is_replaced_by_itself_alone():
    before = add_entry(channel(entry(2, 20), OLD), entry(5, group="canary"))
    assert shown(before) == "5 for group canary; 2 for 20 % of everyone; 1 for everyone else"
    after = add_entry(before, entry(6, group="canary"))
    assert [each.version for each in after.entries] == ["6", "2", "1"]
    half = add_entry(after, entry(7, 50, group="canary"))
    assert shown(half).startswith("7 for 50 % of group canary; 6 for group canary; 2 for 20 %")


def test_a_slice_for_everyone_stays_behind_the_groups():
    before = channel(entry(5, group="canary"))
    assert [each.version for each in add_entry(before, entry(2, 20)).entries] == ["5", "2"]


def test_slices_wider_than_everybody_are_refused():
    with pytest.raises(ChannelError, match="120 percent together"):
        add_entry(channel(entry(2, 60), OLD), entry(3, 60))


def test_how_many_devices_change_is_said_for_each_group_that_fares_otherwise():
    before = channel(OLD)
    assert compare_channels(before, add_entry(before, entry(2, 20))) == [RolloutChange(None, 20.0)]
    assert compare_channels(before, add_entry(before, entry(2, group="canary"))) == [
        RolloutChange(None, 0.0),
        RolloutChange("canary", 100.0),
    ]
    assert compare_channels(before, add_entry(before, entry(1))) == [RolloutChange(None, 0.0)]
    canary = add_entry(before, entry(2, group="canary"))
    assert compare_channels(canary, add_entry(canary, entry(2))) == [RolloutChange(None, 100.0), RolloutChange("canary", 0.0)]
    assert compare_channels(channel(OLD), channel()) == [RolloutChange(None, 0.0)], "who is offered nothing keeps what it has"


def test_how_many_devices_change_is_what_devices_do():
    before = channel(entry(2, 20, variant="a"), entry(3, 15, variant="b"), OLD)
    after = channel(entry(2, 35, variant="a"), entry(3, 15, variant="b"), entry(4, 5), OLD)
    devices = [f"pi-{number}" for number in range(4000)]
    moved = sum(choose_entry(before, device).bundle != choose_entry(after, device).bundle for device in devices)
    [change] = compare_channels(before, after)
    # 20–35 from b to a, 35–50 from the rest to b, 50–55 from the rest to version 4.
    assert change.percent == 35 and abs(100 * moved / len(devices) - 35) < 2.5


def test_a_promotion_is_wider_or_for_everyone():
    slice_ = entry(2, 20, "canary", "b")
    assert promote_entry(slice_, 50) == entry(2, 50, "canary", "b")
    assert promote_entry(slice_, None) == entry(2)
    assert promote_entry(entry(2, group="canary"), 50) == entry(2, 50)


def test_which_entry_is_meant_must_be_clear():
    one = channel(entry(2, 20, variant="b"), OLD)
    assert pick_entry(one, "stable", None, None, partial=True).version == "2"
    several = channel(entry(2, 20, variant="a"), entry(3, 20, variant="b"), OLD)
    assert pick_entry(several, "stable", None, "b", partial=True).version == "3"
    assert pick_entry(several, "stable", "2", None, partial=True).version == "2"
    assert pick_entry(several, "stable", "1", None, partial=False).version == "1"
    for found, version, variant, words in (
        (several, None, None, "several entries .*2 for 20 %"),
        (several, "9", None, "no entry with version 9; it holds"),
        (several, None, "c", "no entry with variant c"),
        (channel(OLD), None, None, "no entry that could be given to more devices; it holds 1 for everyone"),
        (channel(), None, None, "it holds empty|it holds nothing"),
    ):
        with pytest.raises(PublishError, match=words):
            pick_entry(found, "stable", version, variant, partial=True)


@pytest.mark.parametrize("percent", [50, None])
def test_a_bundle_that_went_to_a_group_and_then_to_a_slice_can_be_promoted_on(percent):
    """Both entries are of one version and no variant: nothing could tell them apart, and nothing needs to."""
    staged = channel(entry(2, group="canary"), entry(2, 20), OLD)
    assert pick_entry(staged, "stable", None, None, partial=True, percent=percent) == entry(2, percent)


def test_a_slice_of_a_group_and_one_of_everyone_are_not_the_same():
    two = channel(entry(2, 50, group="canary"), entry(2, 20), OLD)
    with pytest.raises(PublishError, match="several entries .* or push it again"):
        pick_entry(two, "stable", None, None, partial=True, percent=70)
    assert pick_entry(two, "stable", None, None, partial=True) == entry(2)
