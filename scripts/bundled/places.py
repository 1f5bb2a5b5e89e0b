"""Where training reads and writes, and the names that all stages share."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "appliance" / "bundled"
# Between the stages: pictures, the teachers' answers and trained weights, about 6 GB.
WORK = Path(os.environ.get("BUNDLED_WORK", ROOT / "build" / "bundled"))
DATA = Path(os.environ.get("APPLIANCE_TEST_DATA", ROOT.parent / "shared")) / "data"

LABELS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
BACKGROUND = "None_of_the_above"
# The sets that show no flowers.
OTHER_SETS = ("clothing", "sign_digits")

NEEDED = f"""\
the data is looked for in {DATA} (set APPLIANCE_TEST_DATA to the folder that holds data/):
  flowers/flowers_train.zip and _val.zip: flower_photos, CC-BY 2.0 (github.com/Oldpel/flower_photos at 140ff6f3)
  clothing/clothing_train.zip and _val.zip: clothing-dataset-small, CC0 (github.com/alexeygrigorev/clothing-dataset-small)
  sign_digits/sign_digits_train.zip and _val.zip: Apache-2.0 (github.com/ardamavi/Sign-Language-Digits-Dataset)
  images/: pictures of Coral's, ML Kit's and TFLite Support's samples, Apache-2.0, for checking alone
  models/: the teachers mobilenet_v1_1.0_224_quant_embedding_extractor.tflite and tf2_mobilenet_v2_1.0_224_ptq.tflite, and
    the real AutoML export
each set as <label>/<file>.jpg in a zip of its own, the short side 256 pixels."""
