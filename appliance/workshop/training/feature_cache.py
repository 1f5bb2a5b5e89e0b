"""Cache the features of pictures between training runs, in one SQLite file of limited size.

The file is in `$XDG_CACHE_HOME/appliance` (~/.cache/appliance). It is only a cache: if it fails, training continues
without it. The least recently used features are removed first. Each entry ends with a checksum; if one is wrong, the
cache begins anew.
"""

import contextlib
import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from appliance.errors import describe_os_error

log = logging.getLogger("appliance")

MAX_BYTES = 256 * 1024 * 1024
_BATCH = 200
_CHECKSUM_BYTES = 8
# The version of the entries' form, in the file's user_version.
_FORM = 2
_TABLE = """
CREATE TABLE IF NOT EXISTS features (
    base TEXT NOT NULL, picture BLOB NOT NULL, stored BLOB NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (base, picture)
) WITHOUT ROWID
"""


def default_cache_file() -> Path:
    """Return the cache file of this user."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "appliance" / "features.sqlite"


class FeatureCache:
    """The cache file, whose features take at most `max_bytes`."""

    def __init__(self, file: Path | None, max_bytes: int = MAX_BYTES) -> None:
        """Refer to a cache file without opening it.

        Args:
            file: The cache file, which is created if it does not exist; None caches nothing.
            max_bytes: The limit for the cached features.
        """
        self._file = file
        self._max_bytes = max_bytes

    @property
    def folder(self) -> Path | None:
        """The folder of the cache file, also for other large files; None if nothing is cached."""
        return None if self._file is None else self._file.parent

    @contextlib.contextmanager
    def open_store(self, base: str) -> Iterator["FeatureStore"]:
        """Open the features of one base; stored features are kept even if Ctrl-C ends the block."""
        store = FeatureStore(self._connect(), base)
        try:
            yield store
        finally:
            store.close(self._max_bytes)

    def _connect(self) -> sqlite3.Connection | None:
        if self._file is None:
            return None
        try:
            return _open(self._file)
        except sqlite3.OperationalError as error:
            log.warning("features are not cached: %s cannot be used (%s)", self._file, error)
        except sqlite3.DatabaseError as error:
            log.warning("the feature cache %s is damaged (%s); a new one is created", self._file, error)
            with contextlib.suppress(OSError, sqlite3.Error):
                self._file.unlink()
                return _open(self._file)
        except OSError as error:
            log.warning("features are not cached: %s cannot be used (%s)", self._file, describe_os_error(error))
        return None


class FeatureStore:
    """The features of one base in an open cache; only the thread that opened it may use it."""

    def __init__(self, connection: sqlite3.Connection | None, base: str) -> None:
        self._connection = connection
        self._base = base
        self._new: list[tuple[str, bytes, bytes, int]] = []

    def get(self, pictures: Sequence[bytes], dtype: np.dtype, size: int) -> dict[bytes, np.ndarray]:
        """Return the cached features of these pictures by their hashes: (size,) of the given dtype."""
        found: dict[bytes, np.ndarray] = {}

        def query(connection: sqlite3.Connection) -> None:
            for picture in set(pictures):
                row = connection.execute(
                    "SELECT CAST(stored AS BLOB) FROM features WHERE base = ? AND picture = ?", (self._base, picture)
                )
                stored = row.fetchone()
                if stored is None:
                    continue
                values = self._check(picture, stored[0])
                if len(values) == size * dtype.itemsize:
                    found[picture] = np.frombuffer(values, dtype)
            connection.executemany(
                "UPDATE features SET used = ? WHERE base = ? AND picture = ?",
                [(int(time.time()), self._base, picture) for picture in found],
            )
            connection.commit()

        self._try(query)
        return found

    def list_pictures(self) -> frozenset[bytes]:
        """Return the hashes of the pictures whose features are cached."""
        hashes: set[bytes] = set()

        def query(connection: sqlite3.Connection) -> None:
            rows = connection.execute("SELECT picture FROM features WHERE base = ?", (self._base,))
            hashes.update(bytes(picture) for (picture,) in rows)

        self._try(query)
        return frozenset(hashes)

    def put(self, picture: bytes, stored: np.ndarray) -> None:
        """Store the features of one picture."""
        values = stored.tobytes()
        self._new.append((self._base, picture, values + self._sum(picture, values), int(time.time())))
        if len(self._new) >= _BATCH:
            self._write()

    def close(self, max_bytes: int) -> None:
        """Write the pending features, prune the cache, and close the file."""
        self._write()
        self._try(lambda connection: _prune(connection, max_bytes))
        if self._connection is not None:
            self._connection.close()

    def _sum(self, picture: bytes, values: bytes) -> bytes:
        """Return the checksum of an entry, which includes its key."""
        return hashlib.blake2b(self._base.encode() + picture + values, digest_size=_CHECKSUM_BYTES).digest()

    def _check(self, picture: bytes, stored: bytes) -> bytes:
        """Return the values of an entry.

        Raises:
            DatabaseError: The checksum is wrong.
        """
        values, checksum = stored[:-_CHECKSUM_BYTES], stored[-_CHECKSUM_BYTES:]
        if checksum != self._sum(picture, values):
            raise sqlite3.DatabaseError("the checksum of an entry is wrong")
        return values

    def _write(self) -> None:
        new, self._new = self._new, []

        def insert(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?, ?)", new)
            connection.commit()

        if new:
            self._try(insert)

    def _try(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Run `work`; if the cache fails (disk full, damaged), log one warning and stop using it for this run."""
        if self._connection is None:
            return
        try:
            work(self._connection)
        except sqlite3.OperationalError as error:
            log.warning("the feature cache failed (%s); continuing without it", error)
            self._stop()
        except sqlite3.Error as error:
            log.warning("the feature cache is damaged (%s); it begins anew", error)
            # The next run creates a new one.
            with contextlib.suppress(sqlite3.Error):
                self._connection.rollback()
                self._connection.execute("DELETE FROM features")
                self._connection.commit()
                return
            self._stop()

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _open(file: Path) -> sqlite3.Connection:
    file.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(file, timeout=5)
    try:
        # This returns freed pages to the disk; it has an effect only before the first table is created.
        connection.execute("PRAGMA auto_vacuum = FULL")
        connection.execute("PRAGMA synchronous = OFF")  # features lost in a power cut are computed again
        (form,) = connection.execute("PRAGMA user_version").fetchone()
        if form != _FORM:
            connection.execute("DROP TABLE IF EXISTS features")
            connection.execute(f"PRAGMA user_version = {_FORM}")
        connection.execute(_TABLE)
        connection.commit()
        connection.execute("SELECT count(*) FROM features").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _prune(connection: sqlite3.Connection, max_bytes: int) -> None:
    (total,) = connection.execute("SELECT coalesce(sum(length(stored) + 128), 0) FROM features").fetchone()
    if total <= max_bytes:
        return
    # Prune to four fifths of the limit, so that not every training run has to prune.
    surplus = total - max_bytes * 4 // 5
    rows = []
    for base, picture, size in connection.execute(
        "SELECT base, picture, length(stored) + 128 FROM features ORDER BY used"
    ):
        if surplus <= 0:
            break
        rows.append((base, picture))
        surplus -= size
    connection.executemany("DELETE FROM features WHERE base = ? AND picture = ?", rows)
    connection.commit()
