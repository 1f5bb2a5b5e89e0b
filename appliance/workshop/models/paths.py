"""Define the folders for training and the names that all stages use."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUNDLE = ROOT / "appliance" / "bundled" / "flowers"
# The files that one stage writes for the next: pictures, the teachers' features, and trained weights, about 6 GB.
WORK = Path(os.environ.get("BUNDLED_WORK", ROOT / "build" / "bundled"))
CHOSEN = WORK / "chosen"
DATA = Path(os.environ.get("APPLIANCE_TEST_DATA", ROOT.parent / "shared")) / "data"

LABELS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
BACKGROUND = "None_of_the_above"
# The sets without flowers.
OTHER_SETS = ("clothing", "sign_digits")

REQUIRED_DATA = f"""\
the data is read from {DATA} (set APPLIANCE_TEST_DATA to the folder that contains data/):
  flowers/flowers_train.zip and _val.zip: flower_photos, CC-BY 2.0 (github.com/Oldpel/flower_photos at 140ff6f3)
  clothing/clothing_train.zip and _val.zip: CC0 (github.com/alexeygrigorev/clothing-dataset-small)
  sign_digits/sign_digits_train.zip and _val.zip: Apache-2.0 (github.com/ardamavi/Sign-Language-Digits-Dataset)
  images/: pictures of the samples of Coral, ML Kit and TFLite Support, Apache-2.0, for evaluation only
  models/: the teachers mobilenet_v1_1.0_224_quant_embedding_extractor.tflite and
    tf2_mobilenet_v2_1.0_224_ptq.tflite, and the real AutoML export
each set is a separate zip with <label>/<file>.jpg, whose short side is 256 pixels"""
