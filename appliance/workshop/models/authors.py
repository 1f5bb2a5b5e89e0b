"""List the authors of the flower photographs on which the bundled model was trained, as CC-BY 2.0 requires."""

import csv

from appliance.workshop.models.paths import BUNDLE, DATA

_HEAD = """\
The bundled model was trained on these authors' photographs of flowers (flower_photos, TensorFlow's "tf_flowers"), each
under the Creative Commons Attribution license 2.0, https://creativecommons.org/licenses/by/2.0/. The photographs were
resized, cropped, turned and changed in color for training; none of them is in this package. The address of every photo
is in the archive's LICENSE.txt, kept at github.com/dotnet/machinelearning-samples (commit 427ccb68) under
samples/csharp/getting-started/DeepLearning_ImageClassification_Training/ImageClassification.Train/assets/inputs/images/
flower_photos_small_set/LICENSE.txt.

"""


def write_authors() -> None:
    """Write AUTHORS.txt: the authors of all training photographs, one per line, sorted by name."""
    with (DATA / "flowers" / "flowers_trainval_index.csv").open(encoding="utf-8", newline="") as file:
        authors = {row["author"] for row in csv.DictReader(file) if row["set"] == "train"}
    (BUNDLE / "AUTHORS.txt").write_text(_HEAD + "\n".join(sorted(authors, key=str.casefold)) + "\n", encoding="utf-8")
