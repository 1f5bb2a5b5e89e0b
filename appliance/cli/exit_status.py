"""The exit statuses of the command line."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """The exit statuses of `appliance`, on which users depend."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    TOO_FEW = 3
    """The pictures of `appliance evaluate --against` are too few for an answer."""
    WRONG_SETTINGS = 78
    """EX_CONFIG in sysexits.h; systemd does not restart the service after this status."""
    INTERRUPTED = 130
