"""Describe the models in Home Assistant's words, for T/model: what runs, what is offered, and what became of it.

Home Assistant shows an offer only if the offered version is newer by its own comparison or cannot be compared. So the
versions here always differ when the bundles do, and an offered version that is not newer is marked.
"""

import re

from appliance.bundle.bundle import Bundle
from appliance.bundle.key import bundle_key
from appliance.bundle.version import is_newer, is_version
from appliance.daemon.active_model import OWNER_ROLLBACK
from appliance.messaging.device_payloads import ModelPayload
from appliance.system.foreign_text import clean_text
from appliance.updates.steps import UpdateState, UpdateStatus

_KEY_DIGITS = 6
_MAX_SUMMARY = 255  # Home Assistant cuts a longer summary


def describe_model(bundle: Bundle, status: UpdateStatus, *, has_source: bool) -> ModelPayload:
    """Return the payload of T/model.

    Args:
        bundle: The bundle that labels.
        status: The update status.
        has_source: Whether an update source is configured; without one, no version can be installed.
    """
    installed, latest = display_bundle_version(bundle), None
    if has_source and status.latest_version:
        latest = _display_offer(status, bundle, installed)
    return ModelPayload(
        installed, latest, bundle.identity.name, status.in_progress, status.percentage,
        _summarize(bundle, status, has_source),
    )  # fmt: skip


def _summarize(bundle: Bundle, status: UpdateStatus, has_source: bool) -> str:
    """Return the state of the update and its reason; without a reason, the input of the running model."""
    text = f"input {bundle.input.describe()}"
    if status.reason == OWNER_ROLLBACK and not has_source:
        return clean_text(text, _MAX_SUMMARY)  # no update ended: the owner returned to a model that is installed
    text = status.reason or text
    return clean_text(f"{status.state}: {text}" if status.state else text, _MAX_SUMMARY)


def display_bundle_version(bundle: Bundle) -> str:
    """Return the version of a bundle; without one, its hash, followed by digits that depend on the labels too."""
    if bundle.version:
        return bundle.version
    return f"{bundle.identity.version}.{bundle_key(bundle)[:_KEY_DIGITS]}"


def _display_offer(status: UpdateStatus, bundle: Bundle, installed: str) -> str:
    version = status.latest_version or installed
    if status.state in (UpdateState.SWAPPED, UpdateState.PROBATION):
        return installed  # the offered version runs
    if is_newer(bundle.version, version):
        return f"{version} (older)"
    if is_newer(version, bundle.version):
        return version if _is_plain(version) and _is_plain(installed) else f"{version} (newer)"
    is_equal = bundle.version is not None and is_version(version)
    return f"{version} (other files)" if is_equal or version == installed else version


def _is_plain(version: str) -> bool:
    """Return whether Home Assistant orders such versions as PEP 440 does, unlike those with .post, ! or +."""
    return re.fullmatch(r"\d+(\.\d+)*((a|b|rc)\d+)?", version) is not None
