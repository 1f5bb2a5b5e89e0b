"""What is deleted from a site, and when."""

import time

from appliance.workshop.publishing.pruning import find_unused_bundles, find_unused_files
from appliance.workshop.publishing.signed_site import SignedSite
from support.publishing import list_faults

DAY_S = 86_400


def test_files_wait_until_no_device_can_be_fetching_them(operator, device, bundles):
    publisher = operator.publisher()
    publisher.push(bundles["1.0"])
    publisher.push(bundles["2.0"])
    publisher.withdraw("1.0")
    old = operator.target("*colours-1.0.zip")
    result = publisher.prune()
    assert result.deleted == () and str(old.relative_to(operator.site)) in result.waiting and old.exists()
    with SignedSite(operator.site) as site:
        assert old in find_unused_files(site, 24, time.time() + DAY_S + 60).ready
        assert old in find_unused_files(site, 24, time.time() + DAY_S - 60).waiting
    before = device.version()
    pruned = publisher.prune(hours=0)
    assert not old.exists() and pruned.freed_bytes > 1000
    assert device.version() == before == "2.0" and list_faults(operator.site, operator.root) == []


def test_bundles_of_the_last_contents_stay_for_rollbacks(operator, bundles):
    publisher = operator.publisher()
    for version in ("1.0", "2.0", "3.0"):
        publisher.push(bundles[version])
    with SignedSite(operator.site) as site:
        assert find_unused_bundles(site, 2) == []
        assert find_unused_bundles(site, 1) == ["bundles/colours-1.0.zip"]
    assert publisher.prune(keep=1, hours=0).removed == ("bundles/colours-1.0.zip",)
    assert publisher.rollback().entries[0].version == "2.0"
    assert publisher.rollback().entries == (), "what was pruned is not offered again"
    assert list_faults(operator.site, operator.root) == []
