"""Compute the key that identifies the contents of a bundle."""

import hashlib
import json

from appliance.bundle.bundle import Bundle


def bundle_key(bundle: Bundle) -> str:
    """Return the SHA-256, in hex, of a bundle's name, its version, and everything that affects labeling."""
    contents = {
        "name": bundle.identity.name,
        "version": bundle.version,
        "model": bundle.identity.sha256,
        "labels": list(bundle.labels),
        "confidenceThreshold": bundle.confidence_threshold,
        "labelThresholds": dict(bundle.label_thresholds),
        "backgroundLabel": bundle.background_label,
        # Only what the model file itself does not state, so that the keys of stored bundles without it stay the same.
        **bundle.input.as_manifest(),
    }
    return hashlib.sha256(json.dumps(contents, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
