"""Open a site and its keys from the command-line arguments."""

import argparse
import getpass
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import PublishError, UsageError

if TYPE_CHECKING:
    from appliance.workshop.publishing.keys import KeyFolder
    from appliance.workshop.publishing.publisher import SitePublisher


def open_publisher(arguments: argparse.Namespace, encrypt: bool = False) -> "SitePublisher":
    """Return a publisher for --site.

    Args:
        arguments: Includes those of `make_site_parser` and `make_signing_parser`.
        encrypt: Whether new keys are encrypted with a passphrase.

    Raises:
        UsageError: --site is an address, or --days is out of range.
    """
    require_folder(arguments)
    if not 1 <= arguments.days <= 3650:
        raise UsageError(f"--days must be from 1 to 3650, not {arguments.days}")
    from appliance.workshop.publishing.publisher import SitePublisher

    keys = open_keys(arguments, encrypt)
    return SitePublisher(
        Path(arguments.site),
        keys,
        lifetime=timedelta(days=arguments.days),
        served=arguments.served,
        trust_clock=arguments.trust_clock,
    )


def require_folder(arguments: argparse.Namespace) -> Path:
    """Return the folder of --site.

    Raises:
        UsageError: --site is an address.
    """
    if "://" in arguments.site:
        raise UsageError("--site must be a folder for this action; change the site on disk and upload it afterwards")
    return Path(arguments.site)


def open_keys(arguments: argparse.Namespace, encrypt: bool = False) -> "KeyFolder":
    """Return the folder of keys; read the passphrase from --passphrase-file, else from the terminal.

    Args:
        arguments: Includes those of `make_site_parser`; --passphrase-file is optional.
        encrypt: Whether new keys are encrypted with a passphrase.
    """
    from appliance.workshop.publishing.keys import KeyFolder

    return KeyFolder(arguments.keys, arguments.root_keys, _make_passphrase_reader(arguments, encrypt), encrypt)


def _make_passphrase_reader(arguments: argparse.Namespace, encrypt: bool) -> Callable[[], str] | None:
    file: Path | None = getattr(arguments, "passphrase_file", None)
    if file is not None:
        return lambda: _read_first_line(file)
    if sys.stdin.isatty():
        return lambda: _ask_passphrase(twice=encrypt)
    return None


def _read_first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").split("\n")[0].strip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise PublishError(f"{file} cannot be read: {error}") from error


def _ask_passphrase(twice: bool) -> str:
    passphrase = getpass.getpass("Passphrase of the keys: ")
    if twice and getpass.getpass("Repeat the passphrase: ") != passphrase:
        raise PublishError("the two passphrases differ; nothing was done")
    return passphrase
