"""Install a bundle that was uploaded, as `appliance model install` does."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.bundle.bundle import Bundle, write_bundle
from appliance.errors import ApplianceError, BundleError, ProbeError, StoreError
from appliance.labeling.probe import probe
from appliance.updates.store.store import Store


def install_uploaded(
    bundle: Bundle, origin: str, store: Store, reload: Callable[[], object], probation: bool = False
) -> dict[str, Any]:
    """Probe a bundle in another process, install it, and swap it in.

    Args:
        bundle: The bundle.
        origin: Where it comes from, for people.
        store: The models on this device.
        reload: Swaps in the store's current model.
        probation: Whether the model is on probation at first, and goes back if it does not work.

    Returns:
        Its name, version, hash and input.

    Raises:
        BundleError, ProbeError: The bundle does not work; nothing changed.
        StoreError: It cannot be stored, or the daemon cannot use it; the previous model is active.
    """
    with tempfile.TemporaryDirectory(prefix="appliance-upload-") as folder:
        copy = Path(folder) / "bundle"
        write_bundle(bundle, copy)
        try:
            probe(copy)
        except (BundleError, ProbeError) as error:
            raise type(error)(str(error).replace(str(copy), origin)) from error
    model = store.install(bundle, origin, probation)
    try:
        reload()
    except ApplianceError as error:
        store.rollback("the running daemon could not use it", refuse=False)
        raise StoreError(f"this model does not fit the settings of this device, so it was removed: {error}") from error
    return {
        "name": model.name,
        "version": model.version,
        "sha256": model.sha256,
        "input": bundle.input.describe(),
        "assumed": bundle.input.is_assumed,
    }
