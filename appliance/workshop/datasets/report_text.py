"""Format the report about a dataset for people: one table, then the findings, the most severe first."""

from collections import Counter
from collections.abc import Sequence

from appliance.system.names import is_label_name
from appliance.system.text_layout import CommandLine
from appliance.system.text_width import DEFAULT_COLUMNS, measure_width, pad_to_width
from appliance.workshop.datasets.check import DatasetFinding, DatasetReport
from appliance.workshop.datasets.dataset import MIN_PICTURES, RECOMMENDED_PICTURES, Example
from appliance.workshop.datasets.label_names import suggest_renames
from appliance.workshop.datasets.split_names import SPLITS

_LISTED = 5
_WIDTH = 160
_MIN_LABEL_COLUMNS = 10


def format_report(
    report: DatasetReport, columns: int = DEFAULT_COLUMNS, program: str = "appliance"
) -> list[str | CommandLine]:
    """Return the lines of the whole report.

    Args:
        report: The report.
        columns: The width that the table fits.
        program: How the user starts this program, for commands.
    """
    dataset = report.dataset
    lines: list[str | CommandLine] = [f"{dataset.source}", ""]
    if dataset.labels:
        lines += [*_format_table(report, columns), ""]
    if dataset.unlabeled:
        lines += [*_format_unlabeled(dataset.unlabeled), ""]
    if report.formats:
        lines += ["formats: " + ", ".join(f"{name} {count}" for name, count in report.formats.items()), ""]
    for finding in report.findings:
        lines += _format_finding(finding)
    if command := suggest_renames(dataset, program):
        lines += ["", CommandLine("to rename the labels, run:", command), ""]
    return [*lines, _summarize(report)]


def _format_table(report: DatasetReport, columns: int) -> list[str]:
    titles = {"pictures": "pictures"}
    if any(count.unassigned < count.pictures for count in report.counts):
        titles |= {"train": "train", "validation": "validation", "test": "test", "unassigned": "no split"}
    title = "1 label" if len(report.counts) == 1 else f"{len(report.counts)} labels"
    counts = [(count.label, [getattr(count, name) for name in titles]) for count in report.counts]
    totals = _count_all(report.dataset.examples, list(titles))
    rows = [["label", *titles.values()]]
    rows += [
        [name, *(str(number) if number else "–" for number in numbers)] for name, numbers in [*counts, (title, totals)]
    ]
    remarks = ["", *(_remark_on_count(count.label, count.pictures) for count in report.counts), ""]
    widths = [max(map(measure_width, column)) for column in zip(*rows, strict=True)]
    others = sum(widths[1:]) + 2 * len(widths) + max(map(len, remarks))
    widths[0] = max(_MIN_LABEL_COLUMNS, min(widths[0], columns - others))
    table = []
    for row, remark in zip(rows, remarks, strict=True):
        cells = [
            pad_to_width(row[0], widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        table.append(("  ".join(cells) + f"  {remark}").rstrip())
    return [table[0], "─" * len(table[0]), *table[1:-1], "─" * len(table[0]), table[-1]]


def _count_all(examples: Sequence[Example], columns: Sequence[str]) -> list[int]:
    """Return the numbers of all pictures, each counted once."""
    splits = Counter(example.split for example in examples)
    numbers: dict[str, int] = {split: splits[split] for split in SPLITS}
    numbers |= {"pictures": len(examples), "unassigned": splits[None]}
    return [numbers[column] for column in columns]


def _remark_on_count(label: str, pictures: int) -> str:
    if not is_label_name(label):
        return "invalid name"
    if pictures < MIN_PICTURES:
        return f"too few: at least {MIN_PICTURES}"
    return f"{RECOMMENDED_PICTURES} or more recommended" if pictures < RECOMMENDED_PICTURES else ""


def _format_unlabeled(examples: Sequence[Example]) -> list[str]:
    predicted = [(example, example.prediction) for example in examples if example.prediction]
    count = "1 picture" if len(examples) == 1 else f"{len(examples)} pictures"
    lines = [f"{count} without a label{', with the prediction of the device:' if predicted else ''}"]
    # List the least certain ones first, because labeling them by hand helps most.
    for example, prediction in sorted(predicted, key=lambda pair: pair[1].score)[:_LISTED]:
        detail = f"{prediction.label} {prediction.score:.2f}  ({prediction.reason}, {prediction.model})"
        lines.append(f"  {example.name}  {detail}")
    return lines + _format_rest(len(predicted))


def _format_finding(finding: DatasetFinding) -> list[str]:
    title = f"{finding.level}: {finding.message}"
    if finding.kind in ("unlabeled", "few", "too_few"):  # the table already lists their items
        return [title]
    items = [item if isinstance(item, str) else _format_group(item) for item in finding.items[:_LISTED]]
    lines = [f"  {item if len(item) <= _WIDTH else item[: _WIDTH - 1] + '…'}" for item in items]
    return [title, *lines, *_format_rest(len(finding.items))]


def _format_group(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return " = ".join(names[:3]) + more


def _format_rest(count: int) -> list[str]:
    return [f"  … and {count - _LISTED} more (--json lists all)"] if count > _LISTED else []


def _summarize(report: DatasetReport) -> str:
    if not report.errors and not report.warnings:
        return "ok: nothing to do"
    counts = ((report.errors, "error"), (report.warnings, "warning"))
    parts = [f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count]
    return f"{' and '.join(parts)}{'' if report.errors else ': the dataset can be used as it is'}"
