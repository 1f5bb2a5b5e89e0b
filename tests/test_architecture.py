"""The rules of the layout (appliance/docs/contributing.md): tiers, cycles, libraries, names, sizes, tests.

Each rule is a function that returns the violations below a package folder; it is run on the real package, and on a
small package with a planted violation.
"""

import ast
import importlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import appliance

PACKAGE = Path(appliance.__file__).parent
MAX_MODULE_LINES = 350
MAX_LOOSE_MODULES = 4
MAX_FUNCTION_LINES = 45

# A package may import only packages of lower tiers (further down in this list), never one of its own tier.
TIERS = [
    ["cli"],
    ["demo", "diagnostics"],
    ["daemon"],
    ["web", "workshop"],
    ["messaging", "updates", "collection", "history", "teaching"],
    ["labeling"],
    ["camera", "bundle", "repository"],
    ["imaging", "control", "transport"],
    ["settings"],
    ["system"],
    ["errors"],
]
# Forbidden although the tiers would allow it.
NEVER = {
    ("daemon", "workshop"),
    ("web", "updates"),
    ("web", "messaging"),
    ("web", "camera"),
    ("workshop", "updates"),
    ("workshop", "camera"),
    ("workshop", "messaging"),
}
# Allowed although NEVER forbids it: the bundled model is trained on the drawings that the demo's camera shows.
EXCEPTIONS = {("workshop.models", "camera.scene")}
# The packages or modules that may import a library. tuf has two: a device only verifies, an operator only signs.
DOORS = {
    "picamera2": {"camera.pi"},
    "libcamera": {"camera.pi"},
    "av": {"camera.stream"},
    # Augmentation shrinks and stretches pictures with the same resize as labeling.
    "cv2": {"labeling", "workshop.models"},
    "ai_edge_litert": {"labeling"},
    "tflite_runtime": {"labeling"},
    "tflite": {"workshop.training.tflite_objects"},
    "PIL": {"imaging"},
    "paho": {"messaging.mqtt"},
    "requests": {"transport"},
    "amqtt": {"demo.broker"},
    "fastapi": {"web"},
    "starlette": {"web"},
    "pydantic": {"web"},
    "uvicorn": {"web"},
    "h11": {"web"},
    "anyio": {"web"},
    "markdown_it": {"web.markdown"},
    "segno": {"cli.web"},
    "tuf": {"repository", "workshop.publishing"},
    "sklearn": {"workshop.training", "workshop.models"},
    "joblib": {"workshop.training"},
    "torch": {"workshop.models", "workshop.training.finetune"},
    "firebase_admin": {"workshop.publishing"},
}
# The schema of model files that comes with the runtime is used to write them; it runs nothing.
SCHEMA = "ai_edge_litert.schema_py_generated"
SCHEMA_DOORS = {"workshop.training.tflite_schema"}
# The statements that make a function worth a test of its own.
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
BRANCH_OR_LOOP = ast.If | ast.For | ast.AsyncFor | ast.While | ast.Try | ast.Match


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield (dotted name below the package, file)."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported(path: Path, top_level_only: bool = False) -> set[str]:
    """Return every module that a file imports, inside functions too; not those imported for types alone."""
    found = set()
    for node in runtime_nodes(ast.parse(path.read_text()), top_level_only):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def runtime_nodes(tree: ast.AST, top_level_only: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        if not (top_level_only and isinstance(node, ast.FunctionDef | ast.ClassDef)):
            yield from runtime_nodes(node, top_level_only)


def imported_modules(root: Path, path: Path) -> set[str]:
    """Return the modules of the package itself that a file imports."""
    known = {module for module, _ in modules(root)}
    prefix = f"{root.name}."
    return {name.removeprefix(prefix) for name in imported(path) if name.startswith(prefix)} & known


def upward_imports(root: Path) -> list[str]:
    tier = {package: number for number, packages in enumerate(TIERS) for package in packages}
    found = []
    for module, path in modules(root):
        own = module.split(".")[0]
        if own in ("", "__main__", "bundled"):
            continue
        if own not in tier:
            found.append(f"{module} belongs to no tier")
            continue
        targets = {name for name in imported_modules(root, path) if not is_excepted(module, name)}
        for other in {name.split(".")[0] for name in targets} - {own, ""}:
            if other in tier and tier[other] <= tier[own]:
                found.append(f"{module} imports {other}, which is not in a lower tier")
            if (own, other) in NEVER:
                found.append(f"{module} imports {other}, which it must never do")
    return found


def is_excepted(module: str, imported_module: str) -> bool:
    return any(is_within(module, user) and is_within(imported_module, used) for user, used in EXCEPTIONS)


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def import_cycles(root: Path) -> list[str]:
    """Find cycles between files; a face (`__init__`) loads lazily and counts only what it imports itself."""
    graph = {module: imported_modules(root, path) - {module} for module, path in modules(root)}
    found, done = [], set()

    def visit(module: str, trail: list[str]) -> None:
        if module in trail:
            found.append(" → ".join([*trail[trail.index(module) :], module]))
            return
        if module in done:
            return
        for other in sorted(graph.get(module, ())):
            visit(other, [*trail, module])
        done.add(module)

    for module in graph:
        visit(module, [])
    return found


def repeated_class_names(root: Path) -> list[str]:
    homes = defaultdict(list)
    for module, path in modules(root):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module)
    return [f"{name} is defined in {', '.join(where)}" for name, where in homes.items() if len(where) > 1]


def second_doors(root: Path) -> list[str]:
    found = []
    for module, path in modules(root):
        for name in imported(path):
            library = name.split(".")[0]
            doors = SCHEMA_DOORS if name.startswith(SCHEMA) else DOORS.get(library)
            if name == "ai_edge_litert" and any(each.startswith(SCHEMA) for each in imported(path)):
                continue  # `from ai_edge_litert import schema_py_generated`
            if doors and not any(is_within(module, door) for door in doors):
                found.append(f"{module} imports {library}")
    return found


def private_imports(root: Path) -> list[str]:
    found = []
    for module, path in modules(root):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(root.name):
                names = [name.name for name in node.names]
                private = [name for name in names if name.startswith("_") and not name.endswith("__")]
                found += [f"{module} imports {name} of {node.module}" for name in private]
    return found


def long_modules(root: Path) -> list[str]:
    counted = ((module, len(path.read_text().splitlines())) for module, path in modules(root))
    return [f"{module} has {lines} lines" for module, lines in counted if lines > MAX_MODULE_LINES]


def long_functions(root: Path) -> list[str]:
    """Functions with more lines of code than allowed; blank lines, comments and the docstring do not count."""
    found = []
    for module, path in modules(root):
        lines = path.read_text().splitlines()
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            docstring = range(0)
            if ast.get_docstring(node):
                docstring = range(node.body[0].lineno, node.body[0].end_lineno + 1)
            numbers = [number for number in range(node.lineno, node.end_lineno + 1) if number not in docstring]
            code = [lines[number - 1].strip() for number in numbers]
            count = sum(bool(line) and not line.startswith("#") for line in code)
            if count > MAX_FUNCTION_LINES:
                found.append(f"{module}.{node.name} has {count} lines of code")
    return found


def unresolved_face_names(root: Path) -> list[str]:
    """Names in the `__all__` of a lazy face whose module does not define them, or that are also a submodule."""
    found = []
    known = dict(modules(root))
    for face, path in modules(root):
        if path.name != "__init__.py":
            continue
        values = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id in ("__all__", "_MODULES")
        }
        for name in values.get("__all__", []):
            home = known.get(f"{face}.{values.get('_MODULES', {}).get(name)}")
            if home is None or name not in names_in(home):
                found.append(f"{face}.{name} does not resolve")
            if f"{face}.{name}" in known:
                found.append(f"{face}.{name} is also a submodule, whose import would replace it")
    return found


def names_in(path: Path) -> set[str]:
    """Return the names that a module defines or imports at its top level."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}
    return names


def loose_modules(root: Path) -> list[str]:
    loose = [path.name for path in sorted(root.glob("*.py")) if path.name not in ("__init__.py", "__main__.py")]
    return loose if len(loose) > MAX_LOOSE_MODULES else []


def untested_modules(root: Path) -> list[str]:
    """Find modules with logic that have no test file of their own, `tests/<package>/test_<module>.py`.

    That of `__main__` is test_main.py, and that of a package's `__init__` bears the name of the package.
    """
    found = []
    for module, path in modules(root):
        name = path.parent.name if path.name == "__init__.py" else path.stem.strip("_")
        test = root.parent / "tests" / path.relative_to(root).parent / f"test_{name}.py"
        if has_logic(path) and not test.exists():
            found.append(f"{module} has no {test.relative_to(root.parent)}")
    return found


def has_logic(path: Path) -> bool:
    """Return whether a function of the file has a branch or a loop."""
    functions = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, FUNCTION))
    return any(isinstance(node, BRANCH_OR_LOOP) for function in functions for node in ast.walk(function))


RULES = [
    upward_imports,
    import_cycles,
    repeated_class_names,
    second_doors,
    private_imports,
    long_modules,
    long_functions,
    loose_modules,
    unresolved_face_names,
    untested_modules,
]
Rule = Callable[[Path], list[str]]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_package_follows(rule: Rule) -> None:
    assert rule(PACKAGE) == []


@pytest.mark.parametrize(
    ("rule", "files"),
    [
        (upward_imports, {"camera/open.py": "from appliance.daemon import service", "daemon/service.py": ""}),
        (upward_imports, {"bundle/key.py": "def f():\n    import appliance.camera.open", "camera/open.py": ""}),
        (upward_imports, {"daemon/service.py": "import appliance.workshop.train", "workshop/train.py": ""}),
        (upward_imports, {"workshop/train.py": "import appliance.camera.scene", "camera/scene.py": ""}),
        (upward_imports, {"workshop/models/draw.py": "import appliance.camera.pi", "camera/pi.py": ""}),
        (upward_imports, {"somewhere/else.py": ""}),
        (
            import_cycles,
            {
                "camera/open.py": "def f():\n    from appliance.camera.pi import Pi",
                "camera/pi.py": "import appliance.camera.open",
            },
        ),
        (repeated_class_names, {"camera/a.py": "class Slot: pass", "updates/b.py": "class Slot: pass"}),
        (second_doors, {"camera/pictures.py": "def f():\n    import cv2"}),
        (second_doors, {"workshop/train.py": "from tuf.api import metadata"}),
        (second_doors, {"daemon/service.py": "from ai_edge_litert import interpreter"}),
        (private_imports, {"camera/a.py": "from appliance.camera.b import _hidden", "camera/b.py": "_hidden = 1"}),
        (long_modules, {"camera/a.py": "x = 1\n" * (MAX_MODULE_LINES + 1)}),
        (long_functions, {"camera/a.py": "def f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES}),
        (loose_modules, {f"{letter}.py": "" for letter in "abcde"}),
        (
            unresolved_face_names,
            {"camera/__init__.py": "__all__ = ['A']\n_MODULES = {'A': 'a'}", "camera/a.py": "B = 1"},
        ),
        (
            unresolved_face_names,
            {"camera/__init__.py": "__all__ = ['A']\n_MODULES = {'A': 'b'}", "camera/a.py": "A = 1"},
        ),
        (
            unresolved_face_names,
            {"camera/__init__.py": "__all__ = ['a']\n_MODULES = {'a': 'a'}", "camera/a.py": "a = 1"},
        ),
        (untested_modules, {"camera/a.py": "class A:\n    def f(self, x):\n        if x:\n            return 1"}),
        (untested_modules, {"camera/a.py": "def f(x):\n    for each in x: g(each)", "../tests/test_a.py": ""}),
        (untested_modules, {"camera/__init__.py": "def f():\n    try: g()\n    except E: pass"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_planted_violation_is_found(rule: Rule, files: dict[str, str], tmp_path: Path) -> None:
    root = tmp_path / "appliance"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    assert rule(root) != []


@pytest.mark.parametrize("face", [module for module, path in modules(PACKAGE) if path.name == "__init__.py" and module])
def test_face_names_what_it_has(face: str) -> None:
    module = importlib.import_module(f"appliance.{face}")
    for name in getattr(module, "__all__", ()):
        assert getattr(module, name) is not None


@pytest.mark.parametrize("face", ["bundle", "camera", "labeling"])
def test_device_faces_load_nothing_large(face: str) -> None:
    """Lazy faces: importing the package loads neither OpenCV nor a runtime."""
    path = PACKAGE / face / "__init__.py"
    assert not {name.split(".")[0] for name in imported(path, top_level_only=True)} & set(DOORS)


@pytest.mark.parametrize("command", ["run", "label", "model", "check", "publish"])
def test_subcommand_imports_nothing_large_before_it_runs(command: str) -> None:
    home = PACKAGE / "cli" / command
    files = [home.with_suffix(".py")] if home.with_suffix(".py").exists() else sorted(home.glob("*.py"))
    for path in files:
        heavy = {name.split(".")[0] for name in imported(path, top_level_only=True)} & {"numpy", *DOORS}
        assert not heavy, path
