"""The greatest sizes of request bodies."""

MAX_PICTURE_BODY = 20_000_000
MAX_PREDICT_BODY = 28_000_000
"""20 MB of pictures in base64."""
_MAX_BODY = 65_536
_MAX_IDS_BODY = 262_144
"""The ids of the most pictures that may change at once."""
LARGE_BODY, MAX_LARGE = 1_000_000, 3
"""At most so many bodies larger than this are received at once, because each may be held in memory."""


def find_body_limit(method: str, path: str, max_model_bytes: int) -> int:
    """Return the greatest size of the body of a request in bytes.

    Args:
        method: The HTTP method.
        path: The path.
        max_model_bytes: The greatest size of an uploaded model or dataset.
    """
    if method == "POST":
        if path in ("/api/model", "/api/dataset/import"):
            return max_model_bytes
        if path == "/api/model/try":
            return MAX_PICTURE_BODY
        if path.startswith("/v1/"):
            return MAX_PREDICT_BODY
    return _MAX_IDS_BODY if path == "/api/dataset/pictures" else _MAX_BODY
