"""Write thresholds into an existing bundle."""

import copy
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from appliance.bundle.archive import write_zip
from appliance.bundle.bundle import Bundle, read_bundle
from appliance.bundle.identity import describe_unknown_label
from appliance.bundle.manifest import MAX_BYTES, load_json
from appliance.errors import BundleError
from appliance.system.atomic_files import sync_folder, write_durably


def write_thresholds(source: Path, threshold: float | None, label_thresholds: Mapping[str, float]) -> Bundle:
    """Writes confidenceThreshold and labelThresholds into a bundle.

    Args:
        source: A folder, a .zip, or a .tflite with a manifest beside it.
        threshold: 0–1; None: what the bundle says stays.
        label_thresholds: All that are to be in it; none: the key goes.

    Returns:
        The bundle as it is now.

    Raises:
        BundleError: It is refused, has no place for a threshold, or cannot be written; it is as it was.
    """
    bundle = read_bundle(source)
    for label in label_thresholds:
        if label not in bundle.labels:
            raise BundleError(f"{source}: {unknown_label(label, bundle.labels)}.")
    said: dict[str, Any] = {"labelThresholds": dict(label_thresholds) or None}
    if threshold is not None:
        said["confidenceThreshold"] = threshold
    try:
        if source.is_file() and bundle.model_file != source:
            return _into_zip(bundle, source, said)
        return _into_folder(bundle, source, said)
    except OSError as error:
        raise BundleError(f"{source}: the threshold cannot be written: {error.strerror or error}.") from error


def _into_folder(bundle: Bundle, source: Path, said: Mapping[str, Any]) -> Bundle:
    top = source if source.is_dir() else source.parent
    folders = [folder for folder in bundle.model_file.parents if folder == top or top in folder.parents]
    files = [file for folder in folders for file in sorted(folder.glob("*.json")) if file.stat().st_size <= MAX_BYTES]
    texts = {file: file.read_bytes() for file in files}
    names = {file.relative_to(top).as_posix(): text for file, text in texts.items()}
    name = _manifest(names, bundle.model_file.relative_to(top).as_posix())
    if name is None and not source.is_dir():
        raise BundleError(
            f"{source} is a bare model with no manifest beside it, so it cannot carry a threshold: put it with its labels "
            "into a folder of its own and name that."
        )
    manifest = top / name if name else bundle.model_file.parent / "manifest.json"
    before = texts.get(manifest)
    mode = manifest.stat().st_mode & 0o777 if before is not None else 0o644
    write_durably(manifest, _changed(before, bundle.model_file.name, said, str(manifest)), mode)
    try:
        return _checked(source, bundle, said)
    except BundleError:
        if before is None:
            manifest.unlink()
        else:
            write_durably(manifest, before, mode)
        raise


def _into_zip(bundle: Bundle, source: Path, said: Mapping[str, Any]) -> Bundle:
    with zipfile.ZipFile(source) as archive:
        entries = archive.infolist()
        texts = {
            entry.filename: archive.read(entry)
            for entry in entries
            if entry.filename.endswith(".json") and entry.file_size <= MAX_BYTES
        }
        # The folder that it was unpacked into is not known here, so the model is found by the end of its path.
        models = [entry.filename for entry in entries if bundle.model_file.as_posix().endswith(f"/{entry.filename}")]
        model = max(models, key=len)
        name = _manifest(texts, model) or (PurePosixPath(model).parent / "manifest.json").as_posix()
        changed = _changed(texts.get(name), PurePosixPath(model).name, said, f"{source}: {name}")
        descriptor, made = tempfile.mkstemp(dir=source.resolve().parent, prefix=f".{source.name}.", suffix=".zip")
        temporary = Path(made)
        try:
            with os.fdopen(descriptor, "wb") as file:
                write_zip(file, _edited_entries(archive, name, changed))
                file.flush()
                os.fsync(file.fileno())
            _checked(temporary, bundle, said)
            shutil.copymode(source, temporary)
            if os.geteuid() == 0:
                os.chown(temporary, source.stat().st_uid, source.stat().st_gid)
            os.replace(temporary, source.resolve())
        finally:
            temporary.unlink(missing_ok=True)
    sync_folder(source.resolve().parent)
    return read_bundle(source)


def _edited_entries(archive: zipfile.ZipFile, manifest: str, content: bytes) -> Iterator[tuple[zipfile.ZipInfo | str, bytes]]:
    for entry in archive.infolist():
        yield copy.copy(entry), content if entry.filename == manifest else archive.read(entry)
    if manifest not in archive.namelist():
        yield manifest, content


def _manifest(texts: Mapping[str, bytes], model: str) -> str | None:
    """The name of the manifest that speaks of a model file; manifest.json before others, as read_bundle has it."""
    found = []
    for name, text in texts.items():
        try:
            values = load_json(text, name)
        except BundleError:
            continue
        if isinstance(values, dict) and isinstance(values.get("modelFile"), str):
            folder = PurePosixPath(name).parent
            if folder / PurePosixPath(values["modelFile"]) == PurePosixPath(model):
                found.append((PurePosixPath(name).name != "manifest.json", name))
    return min(found)[1] if found else None


def _changed(text: bytes | None, model: str, said: Mapping[str, Any], where: str) -> bytes:
    values = {"modelType": "IMAGE_LABELING", "modelFile": model} if text is None else load_json(text, where)
    values |= said
    kept = {key: value for key, value in values.items() if value is not None}
    return (json.dumps(kept, indent=2, ensure_ascii=False) + "\n").encode()


def _checked(source: Path, before: Bundle, said: Mapping[str, Any]) -> Bundle:
    """Reads what was written, and holds it against what was there."""
    now = read_bundle(source)
    same = (now.labels, now.identity.sha256) == (before.labels, before.identity.sha256)
    threshold = said.get("confidenceThreshold", before.confidence_threshold)
    if (
        not same
        or now.confidence_threshold != threshold
        or dict(now.label_thresholds) != (said["labelThresholds"] or {})
    ):
        raise BundleError(
            f"{before.source}: the thresholds could not be written so that they are read again; it is as it was."
        )
    return now
