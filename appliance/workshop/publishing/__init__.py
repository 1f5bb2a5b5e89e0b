"""Publish models in a folder of signed files that any static host can serve.

`SitePublisher` changes a site, `check_site` checks it as a device would, and `read_site_status` reports when its
signatures expire. Devices never need this package; they verify a site with appliance/repository/client.py.
"""

from typing import TYPE_CHECKING, Any

from appliance.system.lazy import load_member

if TYPE_CHECKING:
    from appliance.workshop.publishing.channels import RolloutChange, describe_entries
    from appliance.workshop.publishing.firebase_ml import FirebasePush, push_to_firebase
    from appliance.workshop.publishing.inspection import SiteFinding, SiteStatus, check_site, read_site_status
    from appliance.workshop.publishing.keys import ROLES, ROOT, KeyFolder
    from appliance.workshop.publishing.publisher import SitePublisher
    from appliance.workshop.publishing.results import (
        ChannelResult,
        PruneResult,
        PushResult,
        RollbackResult,
        WithdrawResult,
    )

__all__ = [
    "ROLES",
    "ROOT",
    "ChannelResult",
    "FirebasePush",
    "KeyFolder",
    "PruneResult",
    "PushResult",
    "RollbackResult",
    "RolloutChange",
    "SiteFinding",
    "SitePublisher",
    "SiteStatus",
    "WithdrawResult",
    "check_site",
    "describe_entries",
    "push_to_firebase",
    "read_site_status",
]

_MODULES = {
    "ROLES": "keys",
    "ROOT": "keys",
    "ChannelResult": "results",
    "FirebasePush": "firebase_ml",
    "KeyFolder": "keys",
    "PruneResult": "results",
    "PushResult": "results",
    "RollbackResult": "results",
    "RolloutChange": "channels",
    "SiteFinding": "inspection",
    "SitePublisher": "publisher",
    "SiteStatus": "inspection",
    "WithdrawResult": "results",
    "check_site": "inspection",
    "describe_entries": "channels",
    "push_to_firebase": "firebase_ml",
    "read_site_status": "inspection",
}


def __getattr__(name: str) -> Any:
    return load_member(__name__, _MODULES, name)
