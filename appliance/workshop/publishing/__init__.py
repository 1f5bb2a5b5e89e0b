"""The operator's side of updates: a folder of signed files that any static host can serve.

`SitePublisher` changes a site, `check_site` looks at one as a device would, `site_status` says when what expires. A device
never needs this; what it believes of it is in appliance/repository/client.py.
"""

from appliance.workshop.publishing.channels import described
from appliance.workshop.publishing.inspection import SiteFinding, SiteStatus, check_site, site_status
from appliance.workshop.publishing.keys import ROLES, ROOT, KeyFolder
from appliance.workshop.publishing.publisher import Published, PushResult, RolledBack, SitePublisher

__all__ = [
    "ROLES",
    "ROOT",
    "KeyFolder",
    "Published",
    "PushResult",
    "RolledBack",
    "SiteFinding",
    "SitePublisher",
    "SiteStatus",
    "check_site",
    "described",
    "site_status",
]
