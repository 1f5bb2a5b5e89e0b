"""Tries a bundle out in a process of its own, before it may come near the daemon.

A .tflite file is a program for native code, and one bad file in a hundred ends the process that loads it, by a crash,
a loop without end or all the memory there is. So a fresh interpreter (never a fork: the daemon has threads) loads the
bundle and labels a few pictures, under limits on time, processor, memory and what it may write, without core dump,
without descriptors or secrets of the daemon, at a low priority, and first in line when the system runs out of memory.

Three ends are told apart: the bundle is good; the bundle is at fault (BundleError: it should be refused); it could not
be tried (ProbeError, RuntimeMissingError: nothing is known about it, and it may be tried again).
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
from appliance.errors import ApplianceError, BundleError, ProbeError, RuntimeMissingError

log = logging.getLogger(__name__)

MIB = 1024 * 1024
RUNS = 5
MAX_WRITTEN_BYTES = MIB  # what native code says on stderr; nothing else is written while the model is at work
# What the runtime needs to be found; nothing that could hold a secret.
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
# Signals by which a process dies of itself; any other came from outside and says nothing about the model.
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS}
_TOO_LONG = {signal.SIGXCPU, signal.SIGALRM}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a bundle may use up while it is tried.

    Attributes:
        time_s: For everything, the start of the interpreter included.
        memory_bytes: Beyond what Python, numpy and OpenCV take by themselves (which differs between machines). The models
            in common use need 5 to 15 MB of it.
    """

    time_s: float = 30.0
    memory_bytes: int = 512 * MIB


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """A bundle that is good: it gave a score from 0 to 1 for each label on every picture.

    Attributes:
        identity: The model.
        invoke_ms: The median wall time of one inference in the probe.
        runtime: The runtime it was tried with.
    """

    identity: ModelIdentity
    invoke_ms: float
    runtime: str


def probe(bundle: Path, limits: Limits = Limits(), runtime: str = "auto", threads: int = 1) -> ProbeResult:
    """Loads a bundle and runs it, in a child process.

    Args:
        bundle: A folder, a .zip or a .tflite.
        limits: What it may use up.
        runtime, threads: As for the Labeler.

    Raises:
        BundleError: The bundle is at fault, and how.
        RuntimeMissingError: No TFLite runtime works here.
        ProbeError: It could not be tried; that is not the bundle's fault.
    """
    request = {"bundle": str(bundle.absolute()), "runtime": runtime, "threads": threads, **asdict(limits)}
    command = [sys.executable, "-P", "-m", "appliance.labeling.probe", json.dumps(request)]
    try:
        with tempfile.TemporaryDirectory(prefix="appliance-probe-") as folder, tempfile.TemporaryFile() as said:
            status, answer = _run(command, folder, said, limits.time_s)
            said.seek(0)
            words = said.read(MAX_WRITTEN_BYTES).decode(errors="replace")
    except OSError as error:
        raise ProbeError(
            f"{bundle} could not be tried: no process can be started ({error.strerror or error})"
        ) from error
    if words.strip():
        log.debug("While %s was tried: %s", bundle, words.strip()[-2000:])
    return _judged(bundle, limits, status, answer, words)


def _run(command: list[str], folder: str, said: IO[bytes], time_s: float) -> tuple[int | None, bytes]:
    """The child's exit status, None where it had to be ended, and its answer."""
    environ = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    package = str(Path(__file__).parents[2])
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, (package, environ.get("PYTHONPATH"))))
    # One thread each: OpenBLAS otherwise takes memory for every core. And its temporary files go with the folder.
    environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": folder}
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=said,
        env=environ,
        cwd=folder,
        start_new_session=True,
    )
    with child:
        try:
            answer, _ = child.communicate(timeout=time_s)
            return child.returncode, answer
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                return None, b""
            raise


def _judged(bundle: Path, limits: Limits, status: int | None, answer: bytes, words: str) -> ProbeResult:
    """Makes of a child's end what it means for the bundle."""
    memory = f"{bundle} needs more memory than {limits.memory_bytes // MIB} MB"
    if status is None or -status in _TOO_LONG:
        raise BundleError(f"{bundle} took longer than {limits.time_s:g} s to load and run")
    if -status in _CRASHES:
        if "bad_alloc" in words:
            raise BundleError(memory)
        raise BundleError(f"{bundle} crashed the process that tried it (signal {signal.Signals(-status).name})")
    if status < 0:
        raise ProbeError(
            f"{bundle} could not be tried: the process was ended from outside (signal {-status}); try again"
        )
    try:
        found: dict[str, Any] = json.loads(answer)
    except ValueError:
        last = (words.strip().splitlines() or [f"status {status}"])[-1]
        raise ProbeError(f"{bundle} could not be tried: {last}") from None
    if found.get("memory"):
        raise BundleError(memory)
    if "refused" in found:
        raise BundleError(found["refused"])
    if "missing" in found:
        raise RuntimeMissingError(found["missing"])
    if "failed" in found:
        raise ProbeError(found["failed"])
    return ProbeResult(ModelIdentity(**found["identity"]), found["invoke_ms"], found["runtime"])


# In the child


def _main(request: dict[str, Any]) -> dict[str, Any]:
    """Tries the bundle in this process, which is confined first; what it found, for _judged."""
    _confine_time(request["time_s"], request["threads"])
    from appliance.bundle.bundle import read_bundle
    from appliance.labeling.labeler import Labeler

    raw_errno = ctypes.CDLL(None)["__errno_location"]
    raw_errno.restype = ctypes.POINTER(ctypes.c_int)
    try:
        bundle = read_bundle(Path(request["bundle"]))
        _confine_memory(request["memory_bytes"])
        # The runtime does not say why it gave up. Where the C library refused it memory, errno still says so.
        raw_errno().contents.value = 0
        labeler = Labeler(bundle, runtime=request["runtime"], threads=request["threads"])
        invoke_ms = _labels_pictures(labeler, request["bundle"])
        return {"identity": asdict(labeler.identity), "invoke_ms": invoke_ms, "runtime": labeler.runtime}
    except BundleError as error:
        return {"refused": str(error), "memory": raw_errno().contents.value == errno.ENOMEM}
    except MemoryError:
        return {"memory": True}
    except RuntimeMissingError as error:
        return {"missing": str(error)}
    except (ApplianceError, OSError) as error:
        return {"failed": str(error)}


def _labels_pictures(labeler: Any, shown: str) -> float:
    """Labels pictures that every model must bear; the median time of an inference in milliseconds.

    Raises:
        BundleError: A score is missing, is not a number, or is outside 0–1.
    """
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    plain = {kind: np.full_like(noise, level) for kind, level in (("grey", 127), ("black", 0), ("white", 255))}
    for kind, pixels in {"noisy": noise, **plain}.items():
        scores = labeler.score(pixels)
        if scores.shape != (len(labeler.labels),):
            raise BundleError(f"{shown} gives {scores.size} scores for {len(labeler.labels)} labels")
        if not np.isfinite(scores).all():
            raise BundleError(f"{shown} gives scores that are not numbers, for a {kind} picture")
        if scores.min() < -1e-3 or scores.max() > 1 + 1e-3:
            wrong = scores.min() if scores.min() < -1e-3 else scores.max()
            raise BundleError(f"{shown} gives a score of {wrong:.3g} for a {kind} picture; scores lie from 0 to 1")
    times_ms = []
    for _ in range(RUNS):
        labeler.score(noise)
        times_ms.append(labeler.inference_ms)
    return float(np.median(times_ms))


def _confine_time(time_s: float, threads: int) -> None:
    """Limits that hold from the first moment, also after the parent was killed."""
    signal.alarm(int(time_s) + 5)  # ends the process by itself, in native code too
    cpu_s = int(time_s * threads) + 1
    _limit(resource.RLIMIT_CPU, cpu_s)
    _limit(resource.RLIMIT_CORE, 0)
    os.nice(10)
    with contextlib.suppress(OSError):  # the system's own wish; without it the daemon is as likely to be chosen
        Path("/proc/self/oom_score_adj").write_text("1000")


def _confine_memory(memory_bytes: int) -> None:
    """Limits for the time in which the model is at work. The data limit counts what is private and writable, setrlimit(2)."""
    status = Path("/proc/self/status").read_text().splitlines()
    used_bytes = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))
    _limit(resource.RLIMIT_DATA, used_bytes + memory_bytes)
    _limit(resource.RLIMIT_FSIZE, MAX_WRITTEN_BYTES)


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value if kind != resource.RLIMIT_CPU else hard))


if __name__ == "__main__":
    # The answer has a descriptor of its own: what native code prints must not get between.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        json.dump(_main(json.loads(sys.argv[1])), out)
