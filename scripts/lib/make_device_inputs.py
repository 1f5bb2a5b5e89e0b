"""Make what scripts/check-arm64 needs on this machine: pictures with the scores of this machine, a dataset, a video.

Usage: make_device_inputs.py FOLDER
    FOLDER/pictures/*.png, FOLDER/reference.json   drawn pictures, and the bundled model's scores for each here
    FOLDER/dataset/LABEL/*.jpg                     pictures for a small training
    FOLDER/video.mp4                               the drawn scenes as a video
"""

import json
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from appliance.bundle.bundle import read_bundle
from appliance.camera.scene.camera import draw_scene
from appliance.imaging.files import encode_jpeg
from appliance.labeling.kernels import describe_slow_kernels
from appliance.labeling.labeler import Labeler
from appliance.system.shipped import find_shipped

FLOWERS = find_shipped("flowers")
PICTURES = 120
PER_LABEL = 14
FPS = 10
SECONDS_PER_LABEL = 3


def main() -> int:
    """Write everything and return the exit status."""
    folder = Path(sys.argv[1])
    labeler = Labeler(read_bundle(FLOWERS))
    if warning := describe_slow_kernels(labeler.kernels, labeler.runtime):
        sys.exit(f"check-arm64: the reference cannot be computed here: {warning}")
    rng = np.random.default_rng(7)
    flowers = [label for label in labeler.labels if label != labeler.bundle.background_label]
    write_pictures(folder, labeler, [None, *flowers], rng)
    for label in flowers[:3]:
        (folder / "dataset" / label).mkdir(parents=True)
        for index in range(PER_LABEL):
            (folder / "dataset" / label / f"{index}.jpg").write_bytes(encode_jpeg(draw_scene(label, rng)))
    write_video(folder / "video.mp4", flowers[:2], rng)
    return 0


def write_pictures(folder: Path, labeler: Labeler, subjects: list[str | None], rng: np.random.Generator) -> None:
    """Write the pictures, and this machine's scores for each."""
    (folder / "pictures").mkdir(parents=True)
    reference = {}
    for index in range(PICTURES):
        pixels = draw_scene(subjects[index % len(subjects)], rng)
        # Without loss: the decoders of JPEG differ between processors.
        Image.fromarray(pixels).save(folder / "pictures" / f"{index:03}.png")
        reference[f"{index:03}.png"] = [round(float(score), 6) for score in labeler.score(pixels)]
    (folder / "reference.json").write_text(json.dumps({"runtime": labeler.runtime, "scores": reference}))


def write_video(path: Path, labels: list[str], rng: np.random.Generator) -> None:
    """Write a video that shows each label for a few seconds, with nothing in between."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(FPS))
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 640, 480, "yuv420p", 4_000_000
        for label in (*labels, None):
            pixels = draw_scene(label, rng)
            for _ in range(FPS * SECONDS_PER_LABEL):
                for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                    container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


if __name__ == "__main__":
    sys.exit(main())
