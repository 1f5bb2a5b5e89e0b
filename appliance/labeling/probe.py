"""Test a bundle in a separate process before it can affect the daemon.

A .tflite file is a program for native code, and a bad file can take down the process that loads it: by a crash, an
endless loop, or by using all memory. So a new interpreter (never a fork, because the daemon has threads) loads the
bundle and labels a few pictures. It has limits on time (probe_timer.py), memory and written bytes, no core dump, none
of the daemon's descriptors or secrets, and a low priority. If the system runs out of memory, it is killed first.

There are three outcomes: the bundle is good; the bundle is at fault and should be rejected (BundleError); or the bundle
could not be tested (ProbeError, RuntimeMissingError), which proves nothing about it, so it may be tested again.
"""

import contextlib
import ctypes
import errno
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from appliance.bundle.identity import ModelIdentity
from appliance.errors import ApplianceError, BundleError, ProbeError, RuntimeMissingError, describe_os_error
from appliance.labeling.probe_timer import HELD_UP_FACTOR, POLL_S, ProbeTimer
from appliance.system.foreign_text import clean_text
from appliance.system.leftover_files import make_folder_prefix

log = logging.getLogger("appliance.labeling")

MIB = 1024 * 1024
RUNS = 5
MAX_WRITTEN_BYTES = MIB  # of native code's messages on stderr; nothing else is written while the model runs
# The variables that the runtime needs; none of them can contain a secret.
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
# Signals that a process causes itself; any other signal came from outside and proves nothing about the model.
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS}
_TIMEOUTS = {signal.SIGXCPU, signal.SIGALRM}
_SCORE_TOLERANCE = 1e-3
_MAX_FAULT = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits on a bundle while it is tested.

    Attributes:
        time_s: Time for the whole test, including the start of the interpreter. Time in which the process was stopped,
            or waited for a processor or the disk, counts only up to 20 times as much.
        memory_bytes: Memory beyond what Python, numpy and OpenCV use by themselves (which differs between machines).
            Common models need 5 to 15 MB.
    """

    time_s: float = 30.0
    memory_bytes: int = 512 * MIB


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result for a good bundle, whose model returned a score from 0 to 1 for each label on every picture.

    Attributes:
        identity: The identity of the model.
        invoke_ms: The median wall time of one inference in the probe.
        runtime: The name and version of the runtime that ran the model.
    """

    identity: ModelIdentity
    invoke_ms: float
    runtime: str


@dataclass(frozen=True, slots=True)
class _ChildExit:
    """The end of the child process.

    Attributes:
        status: Its exit status, negative for a signal; None if it was killed after the time limit.
        was_held_up: Whether it was killed although it had used little of its time.
        answer: Its standard output.
        messages: Its standard error.
    """

    status: int | None
    answer: bytes
    messages: str
    was_held_up: bool = False


def probe(bundle: Path, limits: Limits = DEFAULT_LIMITS, runtime: str = "auto", threads: int = 1) -> ProbeResult:
    """Load a bundle and run it in a child process.

    Args:
        bundle: A folder, a .zip or a .tflite.
        limits: The limits on the child process.
        runtime: auto, litert or tflite-runtime.
        threads: The number of threads for the runtime's kernels.

    Raises:
        BundleError: The bundle is at fault; the message states why.
        RuntimeMissingError: No TFLite runtime works on this system.
        ProbeError: The bundle could not be tested; it may be good.
    """
    from appliance.labeling.interpreter import resolve_runtime

    request = {
        "bundle": str(bundle.absolute()),
        "runtime": resolve_runtime(runtime),
        "threads": threads,
        **asdict(limits),
    }
    command = [sys.executable, "-P", "-m", "appliance.labeling.probe", json.dumps(request)]
    try:
        with (
            tempfile.TemporaryDirectory(prefix=make_folder_prefix("probe")) as folder,
            tempfile.TemporaryFile() as output,
        ):
            status, answer, was_held_up = _run(command, folder, output, limits.time_s)
            output.seek(0)
            messages = output.read(MAX_WRITTEN_BYTES).decode(errors="replace")
    except OSError as error:
        raise ProbeError(
            f"{bundle} could not be tested: no process can be started ({describe_os_error(error)})"
        ) from error
    if messages.strip():
        log.debug("output of the test of %s: %s", bundle, messages.strip()[-2000:])
    return _classify(bundle, limits, _ChildExit(status, answer, messages, was_held_up))


def _run(command: list[str], folder: str, output: IO[bytes], time_s: float) -> tuple[int | None, bytes, bool]:
    """Run the child; return the values of _ChildExit: its status, its standard output, and whether it was held up."""
    environ = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    package = str(Path(__file__).parents[2])
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, (package, environ.get("PYTHONPATH"))))
    # One thread each, because OpenBLAS otherwise allocates memory for every core. TMPDIR is a folder that is removed.
    environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": folder}
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=output,
        env=environ,
        cwd=folder,
        start_new_session=True,
    )
    with child:
        timer = ProbeTimer(child.pid, time_s)
        try:
            while timer.used_s < time_s and not timer.is_held_up:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    answer, _ = child.communicate(timeout=min(POLL_S, time_s))
                    return child.returncode, answer, False
                timer.update()
        except BaseException:
            _kill(child)
            raise
        _kill(child)
        return None, b"", timer.is_held_up


def _kill(child: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _classify(bundle: Path, limits: Limits, exit_: _ChildExit) -> ProbeResult:
    """Return the result for a good bundle, or raise the error that the child's exit indicates."""
    too_much_memory = f"{bundle} needs more memory than {limits.memory_bytes // MIB} MB"
    status = exit_.status
    if exit_.was_held_up:
        raise ProbeError(
            f"{bundle} could not be tested: this device was too busy, or was suspended; it will be tested again"
        )
    if status is None or -status in _TIMEOUTS:
        raise BundleError(f"{bundle} took longer than {limits.time_s:g} s to load and run")
    if -status in _CRASHES:
        if "bad_alloc" in exit_.messages:
            raise BundleError(too_much_memory)
        raise BundleError(f"{bundle} crashed the process that tested it (signal {signal.Signals(-status).name})")
    if status < 0:
        raise ProbeError(
            f"{bundle} could not be tested: its process was killed from outside (signal {-status}); try again"
        )
    try:
        answer: dict[str, Any] = json.loads(exit_.answer)
    except ValueError:
        last = (exit_.messages.strip().splitlines() or [f"status {status}"])[-1]
        raise ProbeError(f"{bundle} could not be tested: {last}") from None
    if answer.get("memory"):
        raise BundleError(too_much_memory)
    for key, error in (("refused", BundleError), ("missing", RuntimeMissingError), ("failed", ProbeError)):
        if key in answer:
            raise error(answer[key])
    return ProbeResult(ModelIdentity(**answer["identity"]), answer["invoke_ms"], answer["runtime"])


# In the child


def _test_bundle(request: dict[str, Any]) -> dict[str, Any]:
    """Confine this process, then test the bundle; return the answer for _classify."""
    _limit_time(request["time_s"], request["threads"])
    from appliance.bundle.bundle import read_bundle
    from appliance.labeling.labeler import Labeler
    from appliance.labeling.native_messages import keep_notices

    keep_notices()  # the parent process reads them to find out why this one ended
    raw_errno = ctypes.CDLL(None)["__errno_location"]
    raw_errno.restype = ctypes.POINTER(ctypes.c_int)
    try:
        bundle = read_bundle(Path(request["bundle"]))
        _limit_memory(request["memory_bytes"])
        # The runtime does not report why it failed. If the C library denied it memory, errno still contains the reason.
        raw_errno().contents.value = 0
        labeler = Labeler(bundle, runtime=request["runtime"], threads=request["threads"])
        invoke_ms = _label_pictures(labeler, request["bundle"])
        return {"identity": asdict(labeler.identity), "invoke_ms": invoke_ms, "runtime": labeler.runtime}
    except BundleError as error:
        return {"refused": str(error), "memory": raw_errno().contents.value == errno.ENOMEM}
    except MemoryError:
        return {"memory": True}
    except RuntimeMissingError as error:
        return {"missing": str(error)}
    except (ApplianceError, OSError) as error:
        return {"failed": str(error)}
    except Exception as error:  # noqa: BLE001 - whatever a bundle causes here, it would cause in the daemon
        fault = clean_text(f"{type(error).__name__}: {error}", _MAX_FAULT)
        return {"refused": f"{request['bundle']} cannot be loaded and run ({fault})"}


def _label_pictures(labeler: Any, display_name: str) -> float:
    """Label pictures that every model must accept; return the median time of an inference in milliseconds.

    Raises:
        BundleError: A score is missing, is not a number, or is outside 0–1.
    """
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    plain = {kind: np.full_like(noise, level) for kind, level in (("gray", 127), ("black", 0), ("white", 255))}
    for kind, pixels in {"noisy": noise, **plain}.items():
        scores = labeler.score(pixels)
        if scores.shape != (len(labeler.labels),):
            raise BundleError(f"{display_name} returns {scores.size} scores for {len(labeler.labels)} labels")
        if not np.isfinite(scores).all():
            raise BundleError(f"{display_name} returns scores that are not numbers for a {kind} picture")
        for score in (scores.min(), scores.max()):
            if not -_SCORE_TOLERANCE <= score <= 1 + _SCORE_TOLERANCE:
                raise BundleError(
                    f"{display_name} returns a score of {score:.3g} for a {kind} picture; scores must be from 0 to 1"
                )
    times_ms = []
    for _ in range(RUNS):
        labeler.score(noise)
        times_ms.append(labeler.inference_ms)
    return float(np.median(times_ms))


def _limit_time(time_s: float, threads: int) -> None:
    """Set the limits that apply from the start, and even if the parent is killed."""
    signal.alarm(int(time_s * HELD_UP_FACTOR) + 5)  # ends the process without the parent, also in native code
    cpu_s = int(time_s * threads) + 1
    _set_limit(resource.RLIMIT_CPU, cpu_s)
    _set_limit(resource.RLIMIT_CORE, 0)
    os.nice(10)
    with contextlib.suppress(OSError):  # optional: without it, the kernel may kill the daemon first
        Path("/proc/self/oom_score_adj").write_text("1000")


def _limit_memory(memory_bytes: int) -> None:
    """Set the limits that apply while the model runs; RLIMIT_DATA counts private writable memory, see setrlimit(2)."""
    status = Path("/proc/self/status").read_text().splitlines()
    used_bytes = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))
    _set_limit(resource.RLIMIT_DATA, used_bytes + memory_bytes)
    _set_limit(resource.RLIMIT_FSIZE, MAX_WRITTEN_BYTES)


def _set_limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value if kind != resource.RLIMIT_CPU else hard))


if __name__ == "__main__":
    # The answer is written to a separate descriptor, so that native code's output cannot corrupt it.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        json.dump(_test_bundle(json.loads(sys.argv[1])), out)
