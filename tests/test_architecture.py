"""The layout holds: imports run downward only, and each large dependency enters at one module."""

import ast
from pathlib import Path

import pytest

import appliance

PACKAGE = Path(appliance.__file__).parent

# Upper floors may import lower ones, never the reverse. A module that stands in no row belongs to the ground floor.
FLOORS = [
    ["cli"],
    ["daemon"],
    ["service", "selfcheck", "bench", "demo", "workshop"],
    ["junction"],
    ["orders", "status"],
    ["models"],
    ["pipeline", "camera", "capture", "collect", "messaging", "updates", "control", "stats"],
    ["labeling"],
]
STRANGERS = [{"camera", "capture"}, {"messaging"}, {"updates"}]
ONE_DOOR = ["picamera2", "av", "paho", "cv2", "requests", "amqtt", "sklearn", "firebase_admin"]
# tuf has a door on each side, since neither may bring the other along: a device only verifies, an operator only signs.
TUF_DOORS = {"updates/trusted", "workshop/publishing/metadata"}
RUNTIMES = ["ai_edge_litert", "tflite_runtime"]


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).with_suffix("").as_posix().removesuffix("/__init__"), path


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    found = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def room(module: str) -> str:
    return module.split("/")[0]


def floor(name: str) -> int:
    return next((number for number, rooms in enumerate(FLOORS) if name in rooms), len(FLOORS))


def rooms_imported(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("appliance.") and not name.startswith("appliance.__")}


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda value: str(value))
def test_imports_run_downward(module, path):
    if module in ("__main__", "cli"):
        return
    upward = {other for other in rooms_imported(path) if floor(other) < floor(room(module))}
    assert not upward, f"{module} imports {upward}, which stand above it"


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda value: str(value))
def test_camera_messaging_and_updates_do_not_know_each_other(module, path):
    own = next((group for group in STRANGERS if room(module) in group), None)
    if own is not None:
        others = set().union(*STRANGERS) - own
        assert not rooms_imported(path) & others


@pytest.mark.parametrize("library", ONE_DOOR)
def test_a_large_library_enters_at_one_module(library):
    doors = [module for module, path in modules() if any(name.split(".")[0] == library for name in imports(path))]
    assert len(doors) <= 1, f"{library} is imported by {doors}"


def test_tuf_enters_at_one_module_on_the_device_and_at_one_where_models_are_published():
    doors = {module for module, path in modules() if any(name.split(".")[0] == "tuf" for name in imports(path))}
    assert doors == TUF_DOORS


def test_the_tflite_runtime_enters_at_one_module():
    doors = {
        module
        for module, path in modules()
        for name in imports(path)
        # The workshop writes model files with the schema that comes with the runtime; it does not run them.
        if name.split(".")[0] in RUNTIMES and not name.startswith("ai_edge_litert.schema_py_generated")
        and name != "ai_edge_litert"
    }
    assert doors <= {"labeling/interpreter"}


@pytest.mark.parametrize("module", ["run", "label", "model", "check", "publish"])
def test_a_subcommand_pulls_in_nothing_large_before_it_runs(module):
    path = PACKAGE / "cli" / f"{module}.py"
    heavy = {name.split(".")[0] for name in imports(path, top_level_only=True)} & {"numpy", "PIL", "tuf", *ONE_DOOR}
    assert not heavy
