"""Compute the key that identifies the contents of a bundle."""

import hashlib
import json

from appliance.bundle.bundle import Bundle


def bundle_key(bundle: Bundle) -> str:
    """Return the SHA-256, in hex, of everything in a bundle that affects labeling, and of its name and version."""
    contents = {
        "name": bundle.identity.name,
        "version": bundle.version,
        "model": bundle.identity.sha256,
        "labels": list(bundle.labels),
        "confidenceThreshold": bundle.confidence_threshold,
        "labelThresholds": dict(bundle.label_thresholds),
        "backgroundLabel": bundle.background_label,
    }
    return hashlib.sha256(json.dumps(contents, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
