"""The effect of pushes, promotions and rollbacks on a channel, and how many devices they move."""

import pytest

from appliance.errors import ChannelError, PublishError
from appliance.repository.channel import Channel, ChannelEntry, choose_entry
from appliance.workshop.publishing.channels import (
    RolloutChange,
    add_entry,
    compare_channels,
    describe_entries,
    pick_entry,
    promote_entry,
)

OLD = ChannelEntry("bundles/v1.zip", "1")


def make_entry(version, percent=None, group=None, variant=None):
    return ChannelEntry(f"bundles/v{version}.zip", str(version), variant, frozenset([group] if group else []), percent)


def make_channel(*entries):
    return Channel("f00d", entries)


def describe(found):
    return describe_entries(found.entries)


def test_push_for_everyone_replaces_all_entries():
    before = make_channel(make_entry(3, group="canary"), make_entry(2, 20), OLD)
    assert add_entry(before, make_entry(4)).entries == (make_entry(4),)


def test_slice_goes_before_the_entry_of_the_others():
    assert (
        describe(add_entry(make_channel(OLD), make_entry(2, 20, variant="b")))
        == "2 for 20 % of everyone (variant b); 1 for everyone else"
    )
    assert describe(add_entry(make_channel(), make_entry(2, 20))) == "2 for 20 % of everyone"


def test_raising_the_last_slice_moves_no_other_device():
    two = add_entry(add_entry(make_channel(OLD), make_entry(2, 20)), make_entry(3, 10))
    assert describe(two) == "2 for 20 % of everyone; 3 for 10 % of everyone; 1 for everyone else"
    more = add_entry(two, make_entry(3, 30))
    assert describe(more) == "2 for 20 % of everyone; 3 for 30 % of everyone; 1 for everyone else"
    assert compare_channels(two, more) == [RolloutChange(None, 20.0)]


def test_variant_gets_another_bundle_in_its_position():
    before = add_entry(add_entry(make_channel(OLD), make_entry(2, 20, variant="a")), make_entry(3, 20, variant="b"))
    after = add_entry(before, make_entry(4, 20, variant="a"))
    assert [each.version for each in after.entries] == ["4", "3", "1"]
    assert compare_channels(before, after) == [RolloutChange(None, 20.0)]


def test_group_goes_first_and_replaces_only_itself():
    before = add_entry(make_channel(make_entry(2, 20), OLD), make_entry(5, group="canary"))
    assert describe(before) == "5 for group canary; 2 for 20 % of everyone; 1 for everyone else"
    after = add_entry(before, make_entry(6, group="canary"))
    assert [each.version for each in after.entries] == ["6", "2", "1"]
    half = add_entry(after, make_entry(7, 50, group="canary"))
    assert describe(half).startswith("7 for 50 % of group canary; 6 for group canary; 2 for 20 %")


def test_slice_for_everyone_stays_behind_the_groups():
    before = make_channel(make_entry(5, group="canary"))
    assert [each.version for each in add_entry(before, make_entry(2, 20)).entries] == ["5", "2"]


def test_slices_wider_than_100_percent_are_refused():
    with pytest.raises(ChannelError, match="add up to 120 percent"):
        add_entry(make_channel(make_entry(2, 60), OLD), make_entry(3, 60))


def test_changes_are_listed_for_groups_that_differ():
    before = make_channel(OLD)
    assert compare_channels(before, add_entry(before, make_entry(2, 20))) == [RolloutChange(None, 20.0)]
    assert compare_channels(before, add_entry(before, make_entry(2, group="canary"))) == [
        RolloutChange(None, 0.0),
        RolloutChange("canary", 100.0),
    ]
    assert compare_channels(before, add_entry(before, make_entry(1))) == [RolloutChange(None, 0.0)]
    canary = add_entry(before, make_entry(2, group="canary"))
    assert compare_channels(canary, add_entry(canary, make_entry(2))) == [
        RolloutChange(None, 100.0),
        RolloutChange("canary", 0.0),
    ]
    assert compare_channels(make_channel(OLD), make_channel()) == [RolloutChange(None, 0.0)], (
        "devices without an offer keep their bundle"
    )


def test_changed_percentage_agrees_with_devices():
    before = make_channel(make_entry(2, 20, variant="a"), make_entry(3, 15, variant="b"), OLD)
    after = make_channel(make_entry(2, 35, variant="a"), make_entry(3, 15, variant="b"), make_entry(4, 5), OLD)
    devices = [f"pi-{number}" for number in range(4000)]
    moved = sum(choose_entry(before, device).bundle != choose_entry(after, device).bundle for device in devices)
    [change] = compare_channels(before, after)
    # 20–35 from b to a, 35–50 from the rest to b, 50–55 from the rest to version 4.
    assert change.percent == 35 and abs(100 * moved / len(devices) - 35) < 2.5


def test_promotion_is_wider_or_for_everyone():
    slice_ = make_entry(2, 20, "canary", "b")
    assert promote_entry(slice_, 50) == make_entry(2, 50, "canary", "b")
    assert promote_entry(slice_, None) == make_entry(2)
    assert promote_entry(make_entry(2, group="canary"), 50) == make_entry(2, 50)


def test_entry_to_promote_must_be_unique():
    one = make_channel(make_entry(2, 20, variant="b"), OLD)
    assert pick_entry(one, "stable", None, None, partial=True).version == "2"
    several = make_channel(make_entry(2, 20, variant="a"), make_entry(3, 20, variant="b"), OLD)
    assert pick_entry(several, "stable", None, "b", partial=True).version == "3"
    assert pick_entry(several, "stable", "2", None, partial=True).version == "2"
    assert pick_entry(several, "stable", "1", None, partial=False).version == "1"
    for found, version, variant, words in (
        (several, None, None, "several entries .*2 for 20 %"),
        (several, "9", None, r"no entry with version 9 \(contents:"),
        (several, None, "c", "no entry with variant c"),
        (make_channel(OLD), None, None, r"no entry that could be given to more devices \(contents: 1 for everyone"),
        (make_channel(), None, None, "contents: empty"),
    ):
        with pytest.raises(PublishError, match=words):
            pick_entry(found, "stable", version, variant, partial=True)


@pytest.mark.parametrize("percent", [50, None])
def test_same_bundle_for_a_group_and_a_slice_counts_once(percent):
    """Both entries are of one version and no variant: nothing could tell them apart, and nothing needs to."""
    staged = make_channel(make_entry(2, group="canary"), make_entry(2, 20), OLD)
    assert pick_entry(staged, "stable", None, None, partial=True, percent=percent) == make_entry(2, percent)


def test_slices_of_a_group_and_of_everyone_are_distinct():
    two = make_channel(make_entry(2, 50, group="canary"), make_entry(2, 20), OLD)
    with pytest.raises(PublishError, match="several entries .* or push it again"):
        pick_entry(two, "stable", None, None, partial=True, percent=70)
    assert pick_entry(two, "stable", None, None, partial=True) == make_entry(2)
