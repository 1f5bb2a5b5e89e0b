"""The store's folder: bundles under the names of their keys, one state file, and a lock for whoever changes either.

    <state>/models/<key>/          a bundle, never changed once it has its name
    <state>/models/state.json      what the store remembers (state.py)
    <state>/models/.lock           held during a change

What always holds, after a kill or a power cut at any moment: a folder with a key for a name was written whole, because
it is filled under another name, synced, and renamed; the state file is the old one or the new one; a bundle is on disk
before the state file names it, and is removed only after it no longer does. Reading writes nothing and takes no lock.

A bundle's key is the SHA-256 of what labeling makes of it: name, version, the model's own SHA-256, labels and
thresholds. The model's hash alone could not tell two label files apart, and a hash of all files could not tell that a
folder and a zip hold the same bundle.
"""

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from appliance.bundle.bundle import Bundle, read_bundle, write_bundle
from appliance.bundle.key import bundle_key
from appliance.errors import BundleError, StoreError
from appliance.system.atomic_files import rename_durably, sync_folder, sync_tree, write_durably
from appliance.system.paths import give_to_owner
from appliance.updates.store.state import StateFileError, StoreState, pack, unpack

STATE_NAME = "state.json"
DAMAGED_NAME = "state.json.damaged"
LOCK_NAME = ".lock"
_NEW_PREFIX = ".new-"
_OURS = re.compile(r"[0-9a-f]{64}|\.new-.*")


class ModelFolder:
    """The folder and what is in it."""

    def __init__(self, folder: Path, lock_wait_s: float):
        self.folder = folder
        self._lock_wait_s = lock_wait_s

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Holds the folder for one change.

        Raises:
            StoreError: Another command holds it for longer than the wait, or the file system refused something within.
        """
        try:
            if not self.folder.is_dir():
                self.folder.mkdir(exist_ok=True)
                give_to_owner(self.folder, self.folder.parent)
                sync_folder(self.folder.parent)
            with self._locked():
                yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise StoreError(
                f"the models in {self.folder} cannot be changed: {reason}; "
                "see that the disk has room and that this account may write there"
            ) from error

    def read_state(self) -> tuple[StoreState, str | None]:
        """The state, and what is wrong with its file; an empty state where it is missing or damaged.

        Raises:
            StoreError: The file is there and may not be read.
        """
        file = self.folder / STATE_NAME
        try:
            return unpack(file.read_bytes()), None
        except FileNotFoundError:
            return StoreState(), None
        except OSError as error:
            raise StoreError(
                f"{file} cannot be read: {error.strerror}; run the command as root or as its owner"
            ) from error
        except StateFileError as error:
            trouble = f"the store's memory {file} is damaged ({error}): the bundled model is used until one is delivered again"
            return StoreState(), trouble

    def write_state(self, state: StoreState) -> None:
        """Replaces the state file; call it within `changing`."""
        write_durably(self.folder / STATE_NAME, pack(state))

    def set_state_aside(self) -> Path:
        """Moves a damaged state file out of the way; call it within `changing`."""
        aside = self.folder / DAMAGED_NAME
        rename_durably(self.folder / STATE_NAME, aside)
        return aside

    def read(self, key: str) -> Bundle:
        """The bundle with this key, which is checked against its files.

        Raises:
            BundleError: It is not there, or was damaged since it was put there.
        """
        bundle = read_bundle(self.folder / key)
        if bundle_key(bundle) != key:
            raise BundleError(f"{self.folder / key} was damaged since it was put there")
        return bundle

    def holds(self, key: str) -> bool:
        """Whether the bundle with this key is there and whole."""
        try:
            self.read(key)
        except BundleError:
            return False
        return True

    def put(self, bundle: Bundle) -> str:
        """Writes a bundle, which appears under its key whole or not at all; call it within `changing`.

        Returns:
            Its key.

        Raises:
            BundleError: Its files changed while they were read, or it does not stay the same when written.
            OSError: It cannot be written.
        """
        key = bundle_key(bundle)
        if self.holds(key):
            return key
        new = Path(tempfile.mkdtemp(dir=self.folder, prefix=_NEW_PREFIX))
        try:
            write_bundle(bundle, new)
            if bundle_key(read_bundle(new)) != key:
                raise BundleError(
                    f"{bundle.source} cannot be kept as it is: its name or a label changes when it is written"
                )
            new.chmod(0o755)
            give_to_owner(new, self.folder)
            sync_tree(new)
            if (self.folder / key).exists():  # damaged, since it is not held
                shutil.rmtree(self.folder / key)
            rename_durably(new, self.folder / key)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        return key

    def prune(self, keep: set[str]) -> None:
        """Removes every bundle but those, and what a kill left half written; call it within `changing`."""
        for path in self.folder.iterdir():
            if _OURS.fullmatch(path.name) and path.name not in keep:
                shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        path = self.folder / LOCK_NAME
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o660)
        try:
            deadline_s = time.monotonic() + self._lock_wait_s
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if time.monotonic() >= deadline_s:
                    raise StoreError(
                        f"another command is changing the models in {self.folder}; try again when it is done"
                    )
                time.sleep(0.02)
            give_to_owner(path, self.folder)
            yield
        finally:
            os.close(lock)
