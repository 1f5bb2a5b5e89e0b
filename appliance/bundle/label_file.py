"""Parse label files."""

from appliance.errors import BundleError


def parse_labels(text: bytes, source: str) -> tuple[str, ...]:
    """Parse a label file: one label per line, with or without a final newline, LF or CRLF.

    Args:
        text: The file's bytes.
        source: How to refer to it in errors.

    Raises:
        BundleError: The file is empty, is not UTF-8 text, or contains an empty line.
    """
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BundleError(f"{source} is not a label file: it is not UTF-8 text (byte {error.start})") from error
    if "\0" in decoded:
        raise BundleError(f"{source} is not a label file: it contains binary data")
    if decoded.lstrip().lower().startswith(("<!doctype", "<html")):
        raise BundleError(f"{source} is not a label file: it is a web page")
    labels = [line.strip() for line in decoded.split("\n")]
    while labels and not labels[-1]:
        labels.pop()
    if not labels:
        raise BundleError(f"{source} is empty; it must have one label per line")
    if "" in labels:
        raise BundleError(f"{source}: line {labels.index('') + 1} is empty; every output of the model needs a label")
    return tuple(labels)
