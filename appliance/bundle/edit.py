"""Write thresholds into the manifest of an existing bundle; a failed edit leaves the bundle unchanged."""

import copy
import json
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from appliance.bundle.archive import write_zip
from appliance.bundle.bundle import Bundle, read_bundle
from appliance.bundle.identity import describe_unknown_label
from appliance.bundle.manifest import MAX_BYTES, load_json
from appliance.errors import BundleError, describe_os_error
from appliance.system.atomic_files import open_replacement, write_durably
from appliance.system.shipped import is_shipped_name


def write_thresholds(source: Path, threshold: float | None, label_thresholds: Mapping[str, float]) -> Bundle:
    """Write confidenceThreshold and labelThresholds into a bundle.

    Args:
        source: A folder, a .zip, or a .tflite with a manifest next to it.
        threshold: 0–1; None leaves the bundle's own threshold unchanged.
        label_thresholds: All thresholds of individual labels; if empty, the key is removed.

    Returns:
        The bundle with the thresholds.

    Raises:
        BundleError: The bundle is rejected, cannot contain a threshold, or cannot be written; it is unchanged.
    """
    if is_shipped_name(source):
        raise BundleError(
            f"{source} is part of the program and cannot be changed; set labeler.threshold and labeler.thresholds"
        )
    bundle = read_bundle(source)
    for label in label_thresholds:
        if label not in bundle.labels:
            raise BundleError(f"{source}: {describe_unknown_label(label, bundle.labels)}")
    changes: dict[str, Any] = {"labelThresholds": dict(label_thresholds) or None}
    if threshold is not None:
        changes["confidenceThreshold"] = threshold
    try:
        if source.is_file() and bundle.model_file != source:
            return _update_zip(bundle, source, changes)
        return _update_folder(bundle, source, changes)
    except OSError as error:
        raise BundleError(f"{source}: the threshold cannot be written: {describe_os_error(error)}") from error


def _update_folder(bundle: Bundle, source: Path, changes: Mapping[str, Any]) -> Bundle:
    top = source if source.is_dir() else source.parent
    folders = [folder for folder in bundle.model_file.parents if folder == top or top in folder.parents]
    files = [file for folder in folders for file in sorted(folder.glob("*.json")) if file.stat().st_size <= MAX_BYTES]
    texts = {file.relative_to(top).as_posix(): file.read_bytes() for file in files}
    name = _find_manifest(texts, bundle.model_file.relative_to(top).as_posix())
    if name is None and not source.is_dir():
        raise BundleError(
            f"{source} is a bare model without a manifest next to it, so it cannot contain a threshold; move it and "
            "its labels to a separate folder, and give that folder"
        )
    manifest = top / name if name else bundle.model_file.parent / "manifest.json"
    before = texts[name] if name else None
    mode = stat.S_IMODE(manifest.stat().st_mode) if name else 0o644
    write_durably(manifest, _edit_manifest(before, bundle.model_file.name, changes, str(manifest)), mode)
    try:
        return _check_edit(source, bundle, changes)
    except BundleError:
        if before is None:
            manifest.unlink()
        else:
            write_durably(manifest, before, mode)
        raise


def _update_zip(bundle: Bundle, source: Path, changes: Mapping[str, Any]) -> Bundle:
    target, status = source.resolve(), source.stat()
    with zipfile.ZipFile(source) as archive:
        texts = {
            entry.filename: archive.read(entry)
            for entry in archive.infolist()
            if entry.filename.endswith(".json") and entry.file_size <= MAX_BYTES
        }
        # The folder into which the bundle was unpacked is unknown here, so the end of the path identifies the model.
        models = [name for name in archive.namelist() if bundle.model_file.as_posix().endswith(f"/{name}")]
        model = PurePosixPath(max(models, key=len))
        name = _find_manifest(texts, model.as_posix()) or (model.parent / "manifest.json").as_posix()
        content = _edit_manifest(texts.get(name), model.name, changes, f"{source}: {name}")
        owner = status.st_uid, status.st_gid
        with open_replacement(target, stat.S_IMODE(status.st_mode), suffix=".zip", owner=owner) as file:
            write_zip(file, _replace_entry(archive, name, content))
            file.flush()
            _check_edit(Path(file.name), bundle, changes)
    return read_bundle(source)


def _replace_entry(archive: zipfile.ZipFile, name: str, content: bytes) -> Iterator[tuple[zipfile.ZipInfo, bytes]]:
    """Yield the entries of a zip with new content for one; a missing one is added with the date of the first."""
    entries = archive.infolist()
    for entry in entries:
        yield copy.copy(entry), content if entry.filename == name else archive.read(entry)
    if name not in archive.namelist():
        yield zipfile.ZipInfo(name, entries[0].date_time), content


def _find_manifest(texts: Mapping[str, bytes], model: str) -> str | None:
    """Return the name of the manifest of a model file; manifest.json takes precedence, as in read_bundle."""
    candidates = []
    for name, text in texts.items():
        try:
            values = load_json(text, name)
        except BundleError:
            continue
        if isinstance(values, dict) and isinstance(values.get("modelFile"), str):
            path = PurePosixPath(name)
            if path.parent / PurePosixPath(values["modelFile"]) == PurePosixPath(model):
                candidates.append((path.name != "manifest.json", name))
    return min(candidates)[1] if candidates else None


def _edit_manifest(text: bytes | None, model: str, changes: Mapping[str, Any], source: str) -> bytes:
    values = {"modelType": "IMAGE_LABELING", "modelFile": model} if text is None else dict(load_json(text, source))
    values.update(changes)
    kept = {key: value for key, value in values.items() if value is not None}
    return (json.dumps(kept, indent=2, ensure_ascii=False) + "\n").encode()


def _check_edit(source: Path, before: Bundle, changes: Mapping[str, Any]) -> Bundle:
    """Read the edited bundle back, and check that it is the previous bundle with the changes applied."""
    after = read_bundle(source)
    is_same_model = (after.labels, after.identity.sha256) == (before.labels, before.identity.sha256)
    threshold = changes.get("confidenceThreshold", before.confidence_threshold)
    label_thresholds = changes["labelThresholds"] or {}
    if not is_same_model or after.confidence_threshold != threshold or dict(after.label_thresholds) != label_thresholds:
        raise BundleError(f"{before.source}: the thresholds could not be read back; the bundle is unchanged")
    return after
