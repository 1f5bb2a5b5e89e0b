"""Model bundles as files: a TFLite model with its labels and its manifest."""

from typing import TYPE_CHECKING, Any

from appliance.system.lazy import load_member

if TYPE_CHECKING:
    from appliance.bundle.bundle import Bundle, read_bundle, write_bundle
    from appliance.bundle.identity import ModelIdentity

__all__ = ["Bundle", "ModelIdentity", "read_bundle", "write_bundle"]

_MODULES = {"Bundle": "bundle", "ModelIdentity": "identity", "read_bundle": "bundle", "write_bundle": "bundle"}


def __getattr__(name: str) -> Any:
    return load_member(__name__, _MODULES, name)
