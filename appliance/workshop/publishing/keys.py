"""Create and read the operator's ed25519 keys, one file per key, encrypted or readable only by their owner.

The name of a file consists of its role and the beginning of its key's id, so old and new keys coexist during a
rotation. Only the site's root determines which keys are used, so an interruption never leaves a site without its keys.
The root key is in a separate folder, which should be kept offline, because it is needed only once a year and to rotate
keys.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

from appliance.errors import PublishError, describe_os_error, describe_unreadable, suggest_install
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
    from securesystemslib.signer import CryptoSigner, Key, SSlibKey
except ImportError as error:
    raise PublishError(f"publishing needs the extra `publish`; {suggest_install('publish')}") from error

__all__ = ["ROLES", "ROOT", "CryptoSigner", "KeyFolder", "Passphrase"]

ROOT = "root"
RETIRED = "retired"
"""The subfolder for keys that were replaced."""
ROLES = ("targets", "snapshot", "timestamp")
"""The roles whose keys are needed for every push."""

Passphrase = Callable[[], str]


class KeyFolder:
    """The keys of one site."""

    def __init__(
        self, folder: Path, root_folder: Path | None = None, passphrase: Passphrase | None = None, encrypt: bool = False
    ) -> None:
        """Remember the folders of the keys; read nothing yet.

        Args:
            folder: Contains the keys that every push needs.
            root_folder: Contains the root key; None for `root` in `folder`.
            passphrase: Called once, if a key is or must be encrypted; None if no passphrase is available.
            encrypt: Whether to encrypt new keys; they are also encrypted if an old key was.
        """
        self.folder = folder
        self.root_folder = root_folder or folder / ROOT
        self._ask_passphrase, self._encrypt = passphrase, encrypt
        self._passphrase: bytes | None = None

    @property
    def device_root(self) -> Path:
        """The root metadata to install on devices."""
        return self.folder / "root.json"

    def create(self, role: str) -> CryptoSigner:
        """Create a key and its file.

        Raises:
            PublishError: The file cannot be written, or no passphrase is available.
        """
        key = Ed25519PrivateKey.generate()
        signer = CryptoSigner(key)
        protection = BestAvailableEncryption(self._get_passphrase()) if self._encrypt else NoEncryption()
        folder = self._get_folder(role)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
            write_durably(self._get_file(role, signer.public_key.keyid), content, 0o600)
        except OSError as error:
            raise PublishError(f"{folder}: the key for {role} cannot be written: {describe_os_error(error)}") from error
        return signer

    def load_signer(self, role: str, public: Key) -> CryptoSigner:
        """Load the private key of a public key, for signing.

        Raises:
            PublishError: The file is missing, damaged, or readable by others, or the passphrase is wrong.
        """
        file = self._get_file(role, public.keyid)
        try:
            mode = file.stat().st_mode
            content = file.read_bytes()
        except FileNotFoundError:
            raise self._missing_key_error(role, file) from None
        except OSError as error:
            raise PublishError(describe_unreadable(file, error, is_secret=True)) from error
        if mode & 0o077:
            raise PublishError(
                f"{file} can be read by others, who may have copied it; run chmod 600 on it, or rotate the key"
            )
        try:
            key = self._decode(content, file)
        except ValueError as error:
            raise PublishError(f"{file} is not a private key, or the passphrase is wrong") from error
        try:
            return CryptoSigner(key, cast("SSlibKey", public))
        except (
            Exception
        ) as error:  # securesystemslib raises several exceptions, all of which mean that the key is wrong
            raise PublishError(f"{file} is not the key in its name: {error}") from error

    def load_retired(self, role: str, public: Key) -> CryptoSigner | None:
        """Load a key that was replaced; None if it was deleted or cannot be used, because it is not necessary."""
        file = self._get_file(role, public.keyid)
        with contextlib.suppress(PublishError, OSError, ValueError):
            key = self._decode((file.parent / RETIRED / file.name).read_bytes(), file)
            return CryptoSigner(key, cast("SSlibKey", public))
        return None

    @property
    def is_unused(self) -> bool:
        """Whether the keys, if there are any, never signed a site: an init that was interrupted created them."""
        return not self.device_root.exists()

    def has_any(self) -> bool:
        """Return whether the folders contain keys."""
        return any(self.folder.glob("*.pem")) or any(self.root_folder.glob("*.pem"))

    def set_aside(self) -> None:
        """Move all keys into `retired`, and remove what an interrupted write left."""
        for role in (ROOT, *ROLES):
            self.retire(role, set())
            for file in self._get_folder(role).glob(f".{role}-*.pem.*"):
                file.unlink(missing_ok=True)

    def has(self, role: str, public: Key) -> bool:
        """Return whether the key's file exists."""
        return self._get_file(role, public.keyid).is_file()

    def retire(self, role: str, keep: set[str]) -> list[Path]:
        """Move the keys of a role into `retired`, except those with the ids `keep`; return their new paths."""
        moved = []
        for file in sorted(self._get_folder(role).glob(f"{role}-*.pem")):
            if file not in {self._get_file(role, keyid) for keyid in keep}:
                retired = file.parent / RETIRED
                retired.mkdir(mode=0o700, exist_ok=True)
                moved.append(file.replace(retired / file.name))
        return moved

    def keep_device_root(self, content: bytes) -> None:
        """Write the root metadata to install on new devices."""
        write_durably(self.device_root, content, 0o644)

    def _decode(self, content: bytes, file: Path) -> Ed25519PrivateKey:
        encrypted = b"ENCRYPTED" in content
        key = load_pem_private_key(content, self._get_passphrase(file) if encrypted else None)
        if not isinstance(key, Ed25519PrivateKey):
            raise PublishError(f"{file} is not an ed25519 key")
        self._encrypt |= encrypted
        return key

    def _get_passphrase(self, file: Path | None = None) -> bytes:
        if self._passphrase is None:
            if self._ask_passphrase is None:
                reason = f"{file} is encrypted" if file else "the keys are to be encrypted"
                raise PublishError(
                    f"{reason}, but there is no terminal to ask for the passphrase; pass a file with --passphrase-file"
                )
            self._passphrase = self._ask_passphrase().encode()
            if not self._passphrase:
                raise PublishError("the passphrase is empty")
        return self._passphrase

    def _missing_key_error(self, role: str, file: Path) -> PublishError:
        folder = self._get_folder(role)
        others = sorted(folder.glob(f"{role}-*.pem"))
        if others:
            return PublishError(
                f"{folder} contains the keys of another site: this site's {role} key {file.name} is missing "
                f"({others[0].name} exists)"
            )
        if role == ROOT:
            return PublishError(f"{file} is missing; pass the folder of the root key with --root-keys")
        return PublishError(
            f"{file} is missing; pass the folder to which `publish init` wrote this site's keys with --keys"
        )

    def _get_folder(self, role: str) -> Path:
        return self.root_folder if role == ROOT else self.folder

    def _get_file(self, role: str, keyid: str) -> Path:
        return self._get_folder(role) / f"{role}-{keyid[:12]}.pem"
