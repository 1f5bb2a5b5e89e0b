"""Define the names of splits and the choices of `--split` and `--form`; importing this module loads no other module."""

from typing import Literal

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

Subset = Literal["auto", "test", "validation", "train", "all"]
SUBSETS: tuple[Subset, ...] = ("auto", "test", "validation", "train", "all")
"""The choices of `appliance evaluate --split`."""

PackSplit = Literal["keep", "make", "none", "train", "validation", "test"]
PACK_SPLITS: tuple[PackSplit, ...] = ("keep", "make", "none", "train", "validation", "test")
"""The choices of `appliance dataset pack --split`."""

PackFormat = Literal["zip", "folder", "csv", "jsonl"]
PACK_FORMATS: tuple[PackFormat, ...] = ("zip", "folder", "csv", "jsonl")
"""The choices of `appliance dataset pack --form`."""
