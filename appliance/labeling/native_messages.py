"""Hide the notices that the runtime's native code writes to descriptor 2 while an interpreter is made.

The runtime announces its kernels there ("INFO: Created TensorFlow Lite XNNPACK delegate for CPU."), in the middle of a
command's output or of a log in JSON. It has no option against this. Only such notices are dropped: warnings, errors,
and what other threads write meanwhile, reach standard error afterwards.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

_NOTICE = b"INFO: "
# The redirection applies to the whole process, so two threads must not redirect at once.
_lock = threading.Lock()
_is_kept = False


def keep_notices() -> None:
    """Redirect nothing in this process from now on: if native code crashes, its last words must not be lost."""
    global _is_kept  # noqa: PLW0603 - as descriptor 2, this belongs to the whole process
    _is_kept = True


@contextlib.contextmanager
def hide_notices() -> Iterator[None]:
    """Hold back what is written to descriptor 2, and write it at the end, without the runtime's notices."""
    with _lock, contextlib.ExitStack() as stack:
        try:
            held, original = _redirect(stack)
        except OSError:  # no free descriptors, or standard error is closed: then nothing is hidden
            held = None
        try:
            yield
        finally:
            if held is not None:
                _restore(held, original)


def _redirect(stack: contextlib.ExitStack) -> tuple[int, int]:
    """Redirect descriptor 2 to a file in memory; return that file and the original."""
    if _is_kept:
        raise OSError
    original = os.dup(2)
    stack.callback(os.close, original)
    # A file, not a pipe: native code may hold the interpreter's lock, so no thread could empty a full pipe.
    held = os.memfd_create("native-messages")
    stack.callback(os.close, held)
    _flush()
    os.dup2(held, 2)
    return held, original


def _restore(held: int, original: int) -> None:
    _flush()
    os.dup2(original, 2)
    size = os.lseek(held, 0, os.SEEK_END)
    lines = os.pread(held, size, 0).splitlines(keepends=True)
    if rest := b"".join(line for line in lines if not line.startswith(_NOTICE)):
        with contextlib.suppress(OSError):
            os.write(2, rest)


def _flush() -> None:
    """Write what Python has buffered, so that it goes where it was meant to."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
