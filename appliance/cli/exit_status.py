"""The exit statuses of the command line."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit status of `appliance`; part of the contract."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    WRONG_SETTINGS = 78
    """EX_CONFIG of sysexits.h; systemd does not restart the service after it."""
    INTERRUPTED = 130
