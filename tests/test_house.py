"""The shape of the house: floors, one tape, small files, a core without a backend."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "ssl_tf"
FILES = sorted(PACKAGE.rglob("*.py"))

# A module imports from its own floor and from lower ones; siblings are strangers where
# a floor has folders.
FLOORS = [
    {"errors", "schema", "config", "runs", "state", "ops", "cost"},
    {"layers", "losses", "augment", "optim", "schedules"},
    {"detection"},
    {"methods", "backbones", "data", "weights"},
    {"evaluation"},
    {"loop", "training", "watching", "progress", "scalars"},
    {
        "sections",
        "experiment",
        "opening",
        "scenery",
        "settling",
        "trainer",
        "stages",
        "tuning",
        "evaluator",
        "converter",
    }
    | {"results", "cells", "claims", "tables", "rehearsal"},
    {"figures", "galleries", "page", "pages", "plots"},
    {"cli"},
    {"measure"},
    {
        *("train", "evaluate", "convert", "export", "embed", "plan", "doctor"),
        *("benchmark", "report", "reproduce", "demo"),
    },
]
FLOOR = {name: i for i, floor in enumerate(FLOORS) for name in floor}
STRANGERS = {"methods", "backbones", "data", "weights", "layers", "losses", "augment"}
# What a floor's own parts may know of each other.
KNOWN = {("losses", "layers"), ("data", "weights")}


def part(path):
    """The floor part a file belongs to: a folder of the package or a module."""
    inside = path.relative_to(PACKAGE).parts
    return inside[0].removesuffix(".py")


def imported(path):
    """Names of our own parts that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "ssl_tf"
        ):
            _, _, below = node.module.partition(".")
            names |= {below.split(".")[0]} if below else {a.name for a in node.names}
        elif isinstance(node, ast.Import):
            names |= {
                a.name.split(".")[1] for a in node.names if a.name.startswith("ssl_tf.")
            }
    return names - {"__version__"}


def test_every_part_has_a_floor():
    parts = {part(path) for path in FILES} - {"__init__"}
    assert parts == set(FLOOR)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    own = part(path)
    if own == "__init__":
        assert not imported(path)
        return
    for name in imported(path) - {own}:
        assert FLOOR[name] <= FLOOR[own], f"{own} imports {name}"
        if name in STRANGERS and own in STRANGERS and FLOOR[name] == FLOOR[own]:
            assert (own, name) in KNOWN, f"{own} imports its sibling {name}"


def test_there_is_one_tape():
    tapes = [p.name for p in FILES if "GradientTape(" in p.read_text()]
    assert tapes == ["base.py"]


@pytest.mark.parametrize("folder", ["ssl_tf", "tests", "benchmarks"])
def test_no_file_is_longer_than_500_lines(folder):
    for path in (ROOT / folder).rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 500, path


@pytest.mark.parametrize(
    "folder", ["backbones", "detection", "layers", "losses", "methods"]
)
def test_the_core_does_not_know_its_backend(folder):
    """`tf` only in methods/base.py (the tape) and inside BatchNorm.fused."""
    for path in (PACKAGE / folder).glob("*.py"):
        tree = ast.parse(path.read_text())
        top = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
        names = {a.name for n in top if isinstance(n, ast.Import) for a in n.names}
        allowed = {("methods", "base.py")}
        assert "tensorflow" not in names or (folder, path.name) in allowed, path


def test_commands_help_and_list_import_nothing_heavy():
    """Whatever a command imports at the top must not pull in TensorFlow or Keras."""
    commands = [p for p in FILES if "cli.run(main)" in p.read_text()]
    assert len(commands) >= 9
    light = {"cli", "config", "errors", "runs", "results", "report", "page", "cost"}
    light |= {"ops", "schema", "cells", "claims", "tables", "pages"}
    for path in commands:
        tree = ast.parse(path.read_text())
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "ssl_tf"
            ):
                below = node.module.partition(".")[2].split(".")[0]
                names = {below} if below else {a.name for a in node.names}
                assert names <= light, (path.name, names - light)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_text_files_have_an_encoding(path):
    """Without one it would be the locale's."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        if name == "open" and isinstance(node.func, ast.Name):
            mode = given.get("mode", node.args[1] if len(node.args) > 1 else None)
            text = not (isinstance(mode, ast.Constant) and "b" in mode.value)
        else:
            text = name in ("read_text", "write_text", "fdopen", "TextIOWrapper")
        lock = name == "open" and any(".lock" in ast.unparse(a) for a in node.args)
        binary = ast.unparse(node) == "open(part, mode)"  # of a download
        assert not text or lock or binary or "encoding" in given, ast.unparse(node)
