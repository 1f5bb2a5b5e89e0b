"""The names of labels: which are valid, and which valid name resembles an invalid one."""

import dataclasses
import re
import shlex
from collections.abc import Iterable, Mapping

from appliance.errors import UsageError
from appliance.system.foreign_text import clean_text
from appliance.system.names import is_label_name
from appliance.teaching.names import write_in_latin
from appliance.workshop.datasets.dataset import Dataset, Example
from appliance.workshop.datasets.problems import ProblemKind

_MAX_LABEL_CHARACTERS = 32
_SHOWN_CHARACTERS = 80


def label_name_error(label: str) -> str | None:
    """Return a message that describes the problem with a label's name and suggests another; None if it is valid."""
    return None if is_label_name(label) else describe_wrong_name(label, propose_names([label])[label])


def describe_wrong_name(label: str, better: str) -> str:
    """Return a message about an invalid name and the valid one to use instead."""
    shown = clean_text(label, _SHOWN_CHARACTERS)
    if label != label.strip() and label.isprintable():
        shown = label[:_SHOWN_CHARACTERS]  # the spaces are what is wrong
    return (
        f"the label {shown!r} is not 1 to 32 characters of A–Z, a–z, 0–9, and _; rename it, for example to {better!r}"
    )


def suggest_renames(dataset: Dataset, program: str = "appliance") -> str | None:
    """Return the command that gives all labels with invalid names valid ones; None if there are none."""
    proposed = propose_names(dataset.labels)
    if not proposed:
        return None
    options = [f"--rename {shlex.quote(f'{label}={name}')}" for label, name in proposed.items() if label.isprintable()]
    source = dataset.source
    out = source.parent / f"{source.stem if source.is_file() else source.name}-renamed"
    form = "csv" if dataset.is_multi_label else "folder"
    words = [f"{program} dataset pack", shlex.quote(str(source)), "--out", shlex.quote(str(out)), f"--form {form}"]
    return " ".join([*words, *options])


def propose_names(labels: Iterable[str]) -> dict[str, str]:
    """Return a valid name for each invalid one; letters of other scripts are written in Latin letters.

    No two labels get the same name, also regardless of case: the second one gets a number.
    """
    labels = list(labels)
    taken = {label.lower() for label in labels if is_label_name(label)}
    proposed = {}
    for label in labels:
        if is_label_name(label):
            continue
        stem = (
            re.sub(r"[^A-Za-z0-9]+", "_", write_in_latin(label)).strip("_")[:_MAX_LABEL_CHARACTERS].strip("_")
            or "label"
        )
        name, number = stem, 1
        while name.lower() in taken:
            number += 1
            ending = f"_{number}"
            name = stem[: _MAX_LABEL_CHARACTERS - len(ending)] + ending
        taken.add(name.lower())
        proposed[label] = name
    return proposed


def parse_renames(options: Iterable[str]) -> dict[str, str]:
    """Parse `--rename 'OLD=NEW'` options.

    Raises:
        UsageError: An option is not of this form, its new name is invalid, or a label is renamed twice.
    """
    renames: dict[str, str] = {}
    for option in options:
        old, equals, new = option.rpartition("=")
        if not equals or not old:
            raise UsageError(f"--rename {option!r} is not of the form OLD=NEW")
        if not is_label_name(new):
            raise UsageError(f"--rename {option!r}: {new!r} is not 1 to 32 characters of A–Z, a–z, 0–9, and _")
        if old in renames:
            raise UsageError(f"--rename gives the label {old!r} two names")
        renames[old] = new
    return renames


def _rename(example: Example, renames: Mapping[str, str]) -> Example:
    labels = sorted({renames.get(label, label) for label in example.labels})
    return dataclasses.replace(example, label=labels[0], others=tuple(labels[1:]))


def rename_labels(dataset: Dataset, renames: Mapping[str, str]) -> Dataset:
    """Return the dataset with other names of labels; two labels with the same new name become one.

    Raises:
        UsageError: The dataset does not have one of the labels.
    """
    if unknown := [old for old in renames if old not in dataset.labels]:
        known = ", ".join(clean_text(label, _SHOWN_CHARACTERS) for label in dataset.labels[:10])
        raise UsageError(f"--rename: there is no label {unknown[0]!r}; the labels are {known}")
    examples = tuple(_rename(example, renames) if example.label else example for example in dataset.examples)
    problems = tuple(
        problem for problem in dataset.problems
        if not (problem.kind == ProblemKind.WRONG_NAME and problem.name in renames)
    )  # fmt: skip
    labels = tuple(sorted({renames.get(label, label) for label in dataset.labels}))
    return dataclasses.replace(dataset, labels=labels, examples=examples, problems=problems)
