"""Parse label files."""

from appliance.errors import BundleError


def parse_labels(text: bytes, where: str) -> tuple[str, ...]:
    """Reads a label file: one label a line, with or without a final newline, LF or CRLF.

    Args:
        text: The file's bytes.
        where: What to call it in errors.

    Raises:
        BundleError: It is empty, not UTF-8 text, or a line is empty.
    """
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BundleError(f"{where} is not a label file: it is not UTF-8 text (byte {error.start}).") from error
    if "\0" in decoded or decoded.lstrip().lower().startswith(("<!doctype", "<html")):
        raise BundleError(
            f"{where} is not a label file: it holds {'binary data' if chr(0) in decoded else 'a web page'}."
        )
    labels = [line.strip() for line in decoded.split("\n")]
    while labels and not labels[-1]:
        labels.pop()
    if not labels:
        raise BundleError(f"{where} is empty; it must have one label a line.")
    if "" in labels:
        raise BundleError(f"{where}: line {labels.index('') + 1} is empty; every output of the model needs a label.")
    return tuple(labels)
