"""Where a new bundle is written: beside its place, and renamed into it when it is whole.

Whatever ends the work before that (Ctrl-C, a full disk, an error) leaves at the place what was there, and nothing
beside it. The folder is made when the work begins, so that a place that cannot be written to is said at once and not
after a minute of training.
"""

import contextlib
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from appliance.bundle.archive import write_zip
from appliance.bundle.manifest import MAX_BYTES, load_json
from appliance.errors import BundleError, TrainingError
from appliance.system.atomic_files import sync_tree

MANIFEST = "manifest.json"


@contextlib.contextmanager
def create_bundle(out: Path) -> Iterator[Path]:
    """A folder to write a bundle into; when the block ends without an error, it stands at `out`.

    Args:
        out: A folder, or a .zip. A bundle that stands there, and nothing beside it, is replaced; anything else is left alone.

    Yields:
        An empty folder on the same file system.

    Raises:
        TrainingError: `out` is something else, or cannot be written to.
    """
    try:
        _require_free(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.partial-"))
    except OSError as error:
        raise TrainingError(f"{out} cannot be written: {error.strerror}.") from error
    try:
        made = work / "bundle"
        made.mkdir()
        yield made
        os.chmod(made, 0o755)
        if out.suffix == ".zip":
            _zip(made, work / "bundle.zip")
            os.replace(work / "bundle.zip", out)
        else:
            sync_tree(made)
            _put(made, out, work / "old")
    except OSError as error:
        raise TrainingError(f"{out} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _require_free(out: Path) -> None:
    if out.name.removesuffix(".zip") in ("", ".."):
        raise TrainingError(f"{out} names no bundle: give the folder or the .zip a name, such as my-model.")
    if out.suffix == ".tflite":
        raise TrainingError(
            f"{out} is the name of a model file: name a folder or a .zip, which holds the model and its labels."
        )
    if out.suffix == ".zip":
        if out.is_dir():
            raise TrainingError(f"{out} is a folder: name another .zip.")
        if out.exists() and not _is_bundle_zip(out):
            raise TrainingError(f"{out} is there and is something else than a model bundle: name another .zip.")
    elif out.exists() and not out.is_dir():
        raise TrainingError(f"{out} is a file: name a folder or a .zip.")
    elif out.is_dir() and any(out.iterdir()) and not _is_bundle_folder(out):
        raise TrainingError(f"{out} holds something else than a model bundle, which would be lost: name a new folder.")


def _is_bundle_folder(out: Path) -> bool:
    manifest = out / MANIFEST
    if not manifest.is_file() or manifest.stat().st_size > MAX_BYTES:
        return False
    return _is_bundle({path.name for path in out.iterdir()}, manifest.read_bytes())


def _is_bundle_zip(out: Path) -> bool:
    try:
        with zipfile.ZipFile(out) as archive:
            files = {PurePosixPath(entry.filename): entry for entry in archive.infolist() if not entry.is_dir()}
            manifest = next((path for path in files if path.name == MANIFEST), None)
            if manifest is None or files[manifest].file_size > MAX_BYTES or len({path.parent for path in files}) > 1:
                return False
            return _is_bundle({path.name for path in files}, archive.read(files[manifest]))
    except (zipfile.BadZipFile, zlib.error, RuntimeError):
        return False


def _is_bundle(names: set[str], manifest: bytes) -> bool:
    """Whether files are those that a manifest names, and nothing else that would be lost with them."""
    try:
        said = load_json(manifest, MANIFEST)
    except BundleError:
        return False
    if not isinstance(said, dict) or not isinstance(said.get("modelFile"), str):
        return False
    return names <= {MANIFEST, said["modelFile"], str(said.get("labelsFile"))}


def _put(made: Path, out: Path, aside: Path) -> None:
    """Renames a folder into its place; a folder that stands there steps aside and comes back if that fails."""
    if not out.exists():
        os.rename(made, out)
        return
    try:
        os.rename(out, aside)
        os.rename(made, out)
    except BaseException:
        # Ctrl-C may come after either of the two was done.
        if aside.exists() and not out.exists():
            os.rename(aside, out)
        raise


def _zip(folder: Path, file: Path) -> None:
    with file.open("wb") as out:
        write_zip(out, ((path.name, path.read_bytes()) for path in sorted(folder.iterdir())), compress=True)
        out.flush()
        os.fsync(out.fileno())
