"""The store's folder: bundles named by their keys, one state file, and a lock for changes.

    <state>/models/<key>/          a bundle; only its card and report change once it has its name
    <state>/models/state.json      the state of the store (state.py)
    <state>/models/.lock           held during a change

Even if the process is killed or the power is cut at any moment, the following is true: a folder named by a key is
complete, because it is filled under another name, synced, and renamed; the state file is either the old or the new one;
a bundle is on disk before the state file refers to it, and is removed only after the state file no longer refers to it.
Reading writes nothing and takes no lock.

A bundle's key is the SHA-256 of what labeling uses: name, version, the model's own SHA-256, labels and thresholds. The
model's hash alone would not change with the label file, and a hash of all files would differ between a folder and a zip
of the same bundle.
"""

import contextlib
import errno
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from appliance.bundle.bundle import Bundle, read_stored_bundle, write_bundle
from appliance.bundle.documents import read_documents, write_documents
from appliance.bundle.key import bundle_key
from appliance.errors import BundleError, StoreError, describe_os_error
from appliance.system.atomic_files import rename_durably, sync_folder, sync_tree, write_durably
from appliance.system.foreign_text import clean_text
from appliance.system.owner import act_as_caller, act_as_owner
from appliance.system.regular_files import is_foreign, read_regular_file
from appliance.updates.store.state import StateFileError, StoreState, decode_state, encode_state, guess_bundled

STATE_NAME = "state.json"
DAMAGED_NAME = "state.json.damaged"
LOCK_NAME = ".lock"
_NEW_PREFIX = ".new-"
_OWN_NAME = re.compile(r"[0-9a-f]{64}|\.new-.*")
_LOCK_POLL_S = 0.02
_MAX_REASON = 200


class ModelFolder:
    """The folder of a store and its files."""

    def __init__(self, path: Path, lock_wait_s: float):
        """Set the path of the folder, which the first change creates."""
        self.path = path
        self._lock_wait_s = lock_wait_s

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder for one change.

        Raises:
            StoreError: Another command held the lock for too long, or the file system reported an error.
        """
        try:
            with act_as_owner(self.path.parent):
                if not self.path.is_dir():
                    self.path.mkdir(exist_ok=True)
                    sync_folder(self.path.parent)
                with self._hold_lock():
                    yield
        except OSError as error:
            reason, remedy = describe_os_error(error), self._suggest_remedy(error)
            raise StoreError(f"the models in {self.path} cannot be changed: {reason}; {remedy}") from error

    def read_state(self) -> tuple[StoreState, str | None]:
        """Return the state and a description of any damage; the state is empty if the file is missing or damaged.

        Raises:
            StoreError: The file exists and cannot be read.
        """
        file = self.path / STATE_NAME
        try:
            with act_as_owner(self.path.parent):
                content = read_regular_file(file)
            return decode_state(content), None
        except FileNotFoundError:
            return StoreState(), None
        except OSError as error:
            if is_foreign(file) or not self.path.is_dir() or error.errno == errno.EFBIG:
                return StoreState(), self._describe_damage(file, describe_os_error(error))
            raise StoreError(
                f"{file} cannot be read: {describe_os_error(error)}; run the command as root or as the file's owner"
            ) from error
        except StateFileError as error:
            found = self._describe_damage(file, clean_text(str(error), _MAX_REASON))
            return StoreState(bundled=guess_bundled(content)), found

    def write_state(self, state: StoreState) -> None:
        """Replace the state file; the caller holds the lock."""
        write_durably(self.path / STATE_NAME, encode_state(state))

    def _suggest_remedy(self, error: OSError) -> str:
        """Return what to do about an error of a change."""
        if self.path.is_symlink():
            return f"{self.path} is a symbolic link; remove it, and if it was not you who made it, look where it leads"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return "free disk space"
        if error.errno in (errno.EACCES, errno.EPERM):
            return "run the command with sudo, or check that the folder's owner may write there"
        if error.errno == errno.EROFS:
            return "its disk is read-only; check the disk, or mount it for writing"
        return "check the folder and its disk"

    def set_state_aside(self) -> Path:
        """Rename a damaged state file and return its new path; the caller holds the lock."""
        aside, count = self.path / DAMAGED_NAME, 1
        while aside.is_dir():  # a folder was in the file's place before, and nothing can be renamed over it
            aside, count = self.path / f"{DAMAGED_NAME}-{count}", count + 1
        rename_durably(self.path / STATE_NAME, aside)
        return aside

    def read(self, key: str) -> Bundle:
        """Load the bundle with this key, and check that its files still match the key.

        Raises:
            BundleError: The files are missing or damaged.
        """
        with act_as_owner(self.path.parent):
            bundle = read_stored_bundle(self.path / key)
        if bundle_key(bundle) != key:
            raise BundleError(f"{self.path / key} was damaged after it was stored")
        return bundle.clean()  # a bundle that an earlier release stored may contain any text

    def has(self, key: str) -> bool:
        """Return whether the bundle with this key is on disk and undamaged."""
        try:
            self.read(key)
        except BundleError:
            return False
        return True

    def put(self, bundle: Bundle) -> str:
        """Write a bundle, which appears under its key completely or not at all; the caller holds the lock.

        Returns:
            The bundle's key.

        Raises:
            BundleError: The files changed while they were read, or writing would change the bundle.
            OSError: The bundle cannot be written.
        """
        key = bundle_key(bundle)
        with act_as_caller():  # it may be in a folder that only root can read
            documents = read_documents(bundle.folder)
        if self.has(key):
            write_documents(documents, self.path / key)
            return key
        with act_as_caller():
            model = bundle.read_model()
        new = Path(tempfile.mkdtemp(dir=self.path, prefix=_NEW_PREFIX))
        try:
            write_bundle(bundle, new, model, documents)
            if bundle_key(read_stored_bundle(new)) != key:
                raise BundleError(f"{bundle.source} cannot be stored: writing it would change its name or a label")
            new.chmod(0o755)
            sync_tree(new)
            if (self.path / key).exists():  # damaged: `has` returned False
                shutil.rmtree(self.path / key)
            rename_durably(new, self.path / key)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        return key

    def prune(self, keep: set[str]) -> None:
        """Remove all other bundles, and those that a kill left incomplete; the caller holds the lock."""
        for path in self.path.iterdir():
            if _OWN_NAME.fullmatch(path.name) and path.name not in keep:
                shutil.rmtree(path, ignore_errors=True)

    @staticmethod
    def _describe_damage(file: Path, why: str) -> str:
        return (
            f"the store's state file {file} is damaged ({why}); "
            "the bundled model is used until another model is delivered"
        )

    @contextlib.contextmanager
    def _hold_lock(self) -> Iterator[None]:
        path = self.path / LOCK_NAME
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o660)
        try:
            deadline_s = time.monotonic() + self._lock_wait_s
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if time.monotonic() >= deadline_s:
                    raise StoreError(
                        f"another command is changing the models in {self.path}; try again when it has finished"
                    )
                time.sleep(_LOCK_POLL_S)
            yield
        finally:
            os.close(lock)
