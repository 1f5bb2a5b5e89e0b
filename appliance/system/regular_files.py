"""Read files whose content or kind may have been damaged: never block, and never read without a bound.

After damage to a file system, or a mistake by a person, anything can be in a file's place. Opening a FIFO without a
writer would block for ever, and a device file may have no end.
"""

import errno
import os
import stat
from pathlib import Path

MAX_BYTES = 16 * 1024 * 1024
"""The default limit, far above the size of every file that the program writes as a whole."""

_CHUNK_BYTES = 1024 * 1024


def read_regular_file(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the content of a regular file.

    Args:
        path: The file; symbolic links are followed.
        max_bytes: The greatest size to read.

    Raises:
        OSError: The file is missing, cannot be read, is not a regular file, or is larger than the limit.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        # In one piece if possible: files in /proc require it, and a model of many megabytes is not copied.
        chunk_bytes = min(max(status.st_size, _CHUNK_BYTES), max_bytes) + 1
        chunks: list[bytes] = []
        while chunk := os.read(descriptor, chunk_bytes):
            chunks.append(chunk)
            if sum(map(len, chunks)) > max_bytes:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)
    finally:
        os.close(descriptor)


def is_foreign(path: Path) -> bool:
    """Return whether something other than a regular file, or a link to one, is in the place of a file."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return path.is_symlink()  # a dangling link
