"""The operator's keys: one file each, ed25519, encrypted or readable by their owner alone.

A file is named by its role and the beginning of its key's id, so new and old keys lie side by side while they are
rotated, and the site's root alone decides which of them is used: an interruption never leaves a site without its keys.
The root key lies in a folder of its own, which is meant to be taken away: it is needed to rotate keys and once a year.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from appliance.errors import PublishError, how_to_install
from appliance.system.atomic_files import write_durably

try:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )
    from securesystemslib.signer import CryptoSigner, SSlibKey
except ImportError as error:
    raise PublishError(f"publishing needs the extra `publish`; {how_to_install('publish')}") from error

log = logging.getLogger(__name__)

ROOT = "root"
ROLES = ("targets", "snapshot", "timestamp")
"""The roles whose keys are needed for every push."""

Passphrase = Callable[[], str]


class KeyFolder:
    """The keys of one site."""

    def __init__(
        self, folder: Path, root_folder: Path | None = None, passphrase: Passphrase | None = None, encrypt: bool = False
    ):
        """Args:
        folder: Of the keys for every push.
        root_folder: Of the root key; None: `root` in `folder`.
        passphrase: Asked once, when a key is encrypted or is to be; None: there is nobody to ask.
        encrypt: Whether new keys are encrypted; they also are where an old one was.
        """
        self.folder = folder
        self.root_folder = root_folder or folder / ROOT
        self._ask, self._encrypt = passphrase, encrypt
        self._passphrase: bytes | None = None

    @property
    def device_root(self) -> Path:
        """The root metadata to install on devices."""
        return self.folder / "root.json"

    def create(self, role: str) -> CryptoSigner:
        """Makes a key and its file.

        Raises:
            PublishError: It cannot be written, or there is nobody to ask for the passphrase.
        """
        key = Ed25519PrivateKey.generate()
        signer = CryptoSigner(key)
        protection = BestAvailableEncryption(self._secret()) if self._encrypt else NoEncryption()
        folder = self._folder(role)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
            write_durably(self._file(role, signer.public_key.keyid), content, 0o600)
        except OSError as error:
            raise PublishError(f"{folder}: the key for {role} cannot be written: {error.strerror or error}") from error
        return signer

    def signer(self, role: str, public: SSlibKey) -> CryptoSigner:
        """Signs with the key that belongs to a public one.

        Raises:
            PublishError: Its file is not here, is readable by others, is damaged, or the passphrase is wrong.
        """
        file = self._file(role, public.keyid)
        try:
            mode = file.stat().st_mode
            content = file.read_bytes()
        except FileNotFoundError:
            raise self._missing(role, file) from None
        except OSError as error:
            raise PublishError(f"{file} cannot be read: {error.strerror or error}") from error
        if mode & 0o077:
            raise PublishError(f"{file} can be read by others, so it may be known to them; chmod 600 it, or rotate it")
        try:
            key = self._load(content, file)
        except ValueError as error:
            raise PublishError(f"{file} is no private key, or the passphrase is wrong") from error
        try:
            return CryptoSigner(key, public)
        except Exception as error:  # securesystemslib raises several kinds, each for "not that key"
            raise PublishError(f"{file} is not the key that its name says: {error}") from error

    def has(self, role: str, public: SSlibKey) -> bool:
        """Whether the key's file is here."""
        return self._file(role, public.keyid).is_file()

    def retire(self, role: str, keep: set[str]) -> list[Path]:
        """Puts the keys of a role that are no longer in force into `retired`; returns where they are now."""
        moved = []
        for file in sorted(self._folder(role).glob(f"{role}-*.pem")):
            if file not in {self._file(role, keyid) for keyid in keep}:
                retired = file.parent / "retired"
                retired.mkdir(mode=0o700, exist_ok=True)
                os.replace(file, retired / file.name)
                moved.append(retired / file.name)
        return moved

    def keep_device_root(self, content: bytes) -> None:
        """Writes the root metadata that new devices are to come with."""
        write_durably(self.device_root, content, 0o644)

    def _load(self, content: bytes, file: Path) -> Ed25519PrivateKey:
        encrypted = b"ENCRYPTED" in content
        key = load_pem_private_key(content, self._secret(file) if encrypted else None)
        if not isinstance(key, Ed25519PrivateKey):
            raise PublishError(f"{file} is not an ed25519 key")
        self._encrypt |= encrypted
        return key

    def _secret(self, file: Path | None = None) -> bytes:
        if self._passphrase is None:
            if self._ask is None:
                what = f"{file} is encrypted" if file else "the keys are to be encrypted"
                raise PublishError(f"{what}, and there is no terminal to ask on: name a file with --passphrase-file")
            self._passphrase = self._ask().encode()
            if not self._passphrase:
                raise PublishError("the passphrase is empty")
        return self._passphrase

    def _missing(self, role: str, file: Path) -> PublishError:
        folder = self._folder(role)
        others = sorted(folder.glob(f"{role}-*.pem"))
        if others:
            return PublishError(
                f"{folder} holds the keys of another site: this one's {role} key is {file.name}, "
                f"which is not there ({others[0].name} is)"
            )
        if role == ROOT:
            return PublishError(f"{file} is not there: bring the folder with the root key and name it with --root-keys")
        return PublishError(
            f"{file} is not there: name the folder that `publish init` put this site's keys into with --keys"
        )

    def _folder(self, role: str) -> Path:
        return self.root_folder if role == ROOT else self.folder

    def _file(self, role: str, keyid: str) -> Path:
        return self._folder(role) / f"{role}-{keyid[:12]}.pem"
