"""Write a new bundle completely before renaming it to its final name.

If the work ends early (Ctrl-C, a full disk, an error), the target is unchanged and no partial file remains. The folder
is created at the beginning, so that an unwritable target is reported immediately and not after a minute of training.
"""

import contextlib
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from appliance.bundle.archive import write_zip
from appliance.bundle.manifest import MAX_BYTES, load_json
from appliance.errors import BundleError, TrainingError, describe_os_error
from appliance.system.atomic_files import sync_tree
from appliance.workshop.datasets.work_folder import create_work_folder

MANIFEST = "manifest.json"


@contextlib.contextmanager
def create_bundle(out: Path) -> Iterator[Path]:
    """Yield a folder for a bundle; if the block ends without an error, the bundle is moved to `out`.

    Args:
        out: A folder, or a .zip. An existing bundle is replaced; anything else is an error.

    Yields:
        An empty folder on the same file system.

    Raises:
        TrainingError: `out` is something else, or cannot be written.
    """
    try:
        _check_target(out)
        with create_work_folder(out) as work:
            bundle = work / "bundle"
            bundle.mkdir()
            yield bundle
            bundle.chmod(0o755)
            if out.suffix == ".zip":
                _pack_folder(bundle, work / "bundle.zip")
                (work / "bundle.zip").replace(out)
            else:
                sync_tree(bundle)
                _replace_folder(bundle, out, work / "old")
    except OSError as error:
        raise TrainingError(f"{out} cannot be written: {describe_os_error(error)}") from error


def _check_target(out: Path) -> None:
    if out.name.removesuffix(".zip") in ("", ".."):
        raise TrainingError(
            f"{out} contains no name for a bundle; add the name of a folder or a .zip, such as my-model"
        )
    if out.suffix == ".tflite":
        raise TrainingError(
            f"{out} is the name of a model file; use a folder or a .zip, which contains the model and its labels"
        )
    if out.suffix == ".zip":
        if out.is_dir():
            raise TrainingError(f"{out} is a folder; use a different .zip")
        if out.exists() and not _is_bundle_zip(out):
            raise TrainingError(f"{out} exists and is not a model bundle; use a different .zip")
    elif out.exists() and not out.is_dir():
        raise TrainingError(f"{out} is a file; use a folder or a .zip")
    elif out.is_dir() and any(out.iterdir()) and not _is_bundle_folder(out):
        raise TrainingError(f"{out} contains files other than a model bundle, which would be lost; use a new folder")


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
    """Return whether all files belong to a manifest's bundle, so that replacing them loses nothing else."""
    try:
        values = load_json(manifest, MANIFEST)
    except BundleError:
        return False
    if not isinstance(values, dict) or not isinstance(values.get("modelFile"), str):
        return False
    return names <= {MANIFEST, values["modelFile"], str(values.get("labelsFile"))}


def _replace_folder(new: Path, out: Path, aside: Path) -> None:
    """Rename a folder to `out`; first rename an existing folder to `aside`, and rename it back if this fails."""
    if not out.exists():
        new.rename(out)
        return
    try:
        out.rename(aside)
        new.rename(out)
    except BaseException:
        # Ctrl-C may arrive after either of the two.
        if aside.exists() and not out.exists():
            aside.rename(out)
        raise


def _pack_folder(folder: Path, file: Path) -> None:
    with file.open("wb") as out:
        files = ((path.name, path.read_bytes()) for path in sorted(folder.iterdir()))
        write_zip(out, files, compress=True, mode=0o644)  # the mode of every release: the same files, the same zip
        out.flush()
        os.fsync(out.fileno())
