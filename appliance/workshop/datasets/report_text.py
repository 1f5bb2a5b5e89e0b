"""A dataset's report as people read it: one table, then what is wrong, gravest first."""

from collections.abc import Sequence

from appliance.workshop.datasets.check import DatasetFinding, DatasetReport
from appliance.workshop.datasets.dataset import LEAST_PICTURES, RECOMMENDED_PICTURES, Example, label_fault

_SHOWN = 5
_WIDTH = 160


def lines(report: DatasetReport) -> list[str]:
    """The whole report."""
    dataset = report.dataset
    said = [f"{dataset.source}", ""]
    if dataset.labels:
        said += [*_table(report), ""]
    if dataset.unlabeled:
        said += [*_unlabeled(dataset.unlabeled), ""]
    if report.formats:
        said += ["formats: " + ", ".join(f"{form} {count}" for form, count in report.formats.items()), ""]
    for finding in report.findings:
        said += _finding(finding)
    return [*said, _verdict(report)]


def _table(report: DatasetReport) -> list[str]:
    with_splits = any(count.unassigned < count.pictures for count in report.counts)
    rows = [["label", "pictures", *(["train", "validation", "test", "no split"] if with_splits else [])]]
    for count in report.counts:
        numbers = [
            count.pictures,
            *([count.train, count.validation, count.test, count.unassigned] if with_splits else []),
        ]
        rows.append([count.label, *(str(number) if number else "–" for number in numbers)])
    totals = [
        sum(getattr(count, name) for count in report.counts)
        for name in ("pictures", *(("train", "validation", "test", "unassigned") if with_splits else ()))
    ]
    title = "1 label" if len(report.counts) == 1 else f"{len(report.counts)} labels"
    rows.append([title, *(str(total) if total else "–" for total in totals)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    remarks = ["", *(_remark(count.label, count.pictures) for count in report.counts), ""]
    table = []
    for row, remark in zip(rows, remarks, strict=True):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        table.append(("  ".join(cells) + f"  {remark}").rstrip())
    return [table[0], "─" * len(table[0]), *table[1:-1], "─" * len(table[0]), table[-1]]


def _remark(label: str, pictures: int) -> str:
    if label_fault(label):
        return "wrong name"
    if pictures < LEAST_PICTURES:
        return f"too few: {LEAST_PICTURES} at least"
    return f"better {RECOMMENDED_PICTURES} or more" if pictures < RECOMMENDED_PICTURES else ""


def _unlabeled(examples: Sequence[Example]) -> list[str]:
    guessed = [example for example in examples if example.guess]
    said = [f"{_pictures(len(examples))} without a label{', with the guess of the device:' if guessed else ''}"]
    # The least sure first: there a label from a person says most.
    for example in sorted(guessed, key=lambda example: example.guess.score)[:_SHOWN]:
        guess = example.guess
        said.append(f"  {example.name}  {guess.label} {guess.score:.2f}  ({guess.reason}, {guess.model})")
    return said + _more(len(guessed))


def _finding(finding: DatasetFinding) -> list[str]:
    if finding.kind in ("unlabeled", "few", "too_few"):  # each stands in the table already
        return [f"{finding.level}: {finding.says}"]
    items = [item if isinstance(item, str) else _group(item) for item in finding.items[:_SHOWN]]
    shown = [f"  {item if len(item) <= _WIDTH else item[: _WIDTH - 1] + '…'}" for item in items]
    return [f"{finding.level}: {finding.says}", *shown, *_more(len(finding.items))]


def _group(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return " = ".join(names[:3]) + more


def _more(count: int) -> list[str]:
    return [f"  … and {count - _SHOWN} more (--json lists all)"] if count > _SHOWN else []


def _verdict(report: DatasetReport) -> str:
    if not report.errors and not report.warnings:
        return "ok: nothing to do"
    counts = ((report.errors, "error"), (report.warnings, "warning"))
    parts = [f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count]
    return f"{' and '.join(parts)}{'' if report.errors else ': it can be used as it is'}"


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"
