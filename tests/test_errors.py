"""The errors of the project: how their texts are written, and the wording that several share."""

import ast
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

import appliance
from appliance import errors
from appliance.errors import ApplianceError, describe_os_error, describe_unreadable, suggest_install

PACKAGE = Path(appliance.__file__).parent
LOG_METHODS = {"debug", "info", "warning", "error", "exception"}


def final_texts(node: ast.AST) -> Iterator[str]:
    """Yield the end of each text that an expression can become."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values) if values:
            yield from final_texts(values[-1])
        case ast.BinOp(right=right):
            yield from final_texts(right)
        case ast.IfExp(body=body, orelse=other):
            yield from final_texts(body)
            yield from final_texts(other)


def messages_with_final_period(path: Path) -> list[str]:
    """Return the messages of raised errors and log calls that end with a period."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            call = node.exc
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in LOG_METHODS:
            if getattr(getattr(node.func, "value", None), "id", "") != "log":
                continue
            call = node
        else:
            continue
        texts = [text for argument in call.args[:1] for text in final_texts(argument)]
        found += [f"{path.relative_to(PACKAGE)}:{node.lineno}: {text[-60:]}" for text in texts if text.endswith(".")]
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_errors_and_log_lines_have_no_final_period(path):
    assert messages_with_final_period(path) == []


def test_every_error_has_the_projects_base_class():
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert len(classes) > 20
    assert all(issubclass(each, ApplianceError) and each.__doc__ for each in classes)


def test_tree_in_the_docstring_has_every_error():
    classes = [name for name, value in vars(errors).items() if isinstance(value, type)]
    assert [name for name in classes if name not in errors.__doc__] == []


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENOENT, "No such file or directory", "/a"), "No such file or directory"),
        (OSError("odd"), "odd"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_os_error_is_described_without_number_and_path(error, text):
    assert describe_os_error(error) == text


def test_file_closed_by_its_mode_has_a_remedy_that_suits_it(tmp_path):
    error = PermissionError(errno.EACCES, "Permission denied")
    file = tmp_path / "my model.tflite"
    assert describe_unreadable(file, error).endswith(f"or run: sudo chmod a+rX '{file}'")
    assert "chmod" not in describe_unreadable(file, error, is_secret=True)
    assert (
        describe_unreadable(file, OSError(errno.EIO, "Input/output error"))
        == f"{file} cannot be read: Input/output error"
    )


def test_remedy_for_an_extra_is_a_command():
    assert "pip install '.[workshop]'" in suggest_install("workshop")
