"""The house plan, held to by parsing every module rather than importing it, so that no branch can hide an import."""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
# From top to bottom: a module may import from its own line and from those below it.
PLAN = (
    "cli",
    "run",
    "report",
    "markets",
    "evaluation",
    "ledger",
    "outlook",
    "inference",
    "models",
    "observations",
    "case",
    "files",
    "errors",
    "flags",
)
EXEMPT = {"forecast", "forecast.__main__"}  # the public names, and the way in
MARKET_READERS = {"read_contracts", "read_quotes"}
READERS = {"read_observations", "read_episodes", "read_breakdowns"}
TABLES = "forecast.observations.tables"
VINTAGE = "forecast.observations.vintage"
LONGEST_MODULE, LONGEST_FUNCTION = 600, 60


class Import(NamedTuple):
    """A name that a module asks another module for; an empty name is the module as a whole."""

    module: str
    name: str
    line: int
    function: str  # the innermost function that asks, or nothing


def modules() -> dict[str, Path]:
    """Dotted name to file of every module of the package."""
    found = {}
    for path in sorted((ROOT / "forecast").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()
TREES = {name: ast.parse(path.read_text(encoding="utf-8"), path.name) for name, path in MODULES.items()}


def imports(tree: ast.AST, function: str = "") -> Iterator[Import]:
    """Yield every import in a tree: at the top, in functions, in branches, and by `import_module`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, "", node.lineno, function) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            yield from (Import(origin, alias.name, node.lineno, function) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield Import(ast.unparse(node.args[0]).strip("'\""), "", node.lineno, function)
        inner = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield from imports(node, inner)


def home(found: Import) -> str:
    """Return the line of the plan that an import reaches; nothing for the package's own version, or other packages."""
    top, _, rest = found.module.partition(".")
    if top != "forecast":
        return ""
    if rest:
        return rest.split(".")[0]
    return "" if found.name == "__version__" else found.name or "forecast"


def places(problems: list[str]) -> str:
    return "\n" + "\n".join(problems)


def test_every_module_has_its_place_in_the_plan() -> None:
    astray = [name for name in MODULES if name not in EXEMPT and name.split(".")[1] not in PLAN]
    assert not astray
    assert {"case", "observations", "errors"} <= {name.split(".")[1] for name in MODULES if "." in name}


@pytest.mark.parametrize("name", [n for n in MODULES if n not in EXEMPT])
def test_imports_run_down_the_house_plan(name: str) -> None:
    allowed = PLAN[PLAN.index(name.split(".")[1]) :]
    reached = [(found, home(found)) for found in imports(TREES[name])]
    upwards = [f"{MODULES[name]}:{f.line} imports {f.module} {f.name}" for f, to in reached if to and to not in allowed]
    relative = [f"{MODULES[name]}:{f.line} imports relatively" for f, _ in reached if f.module.startswith(".")]
    assert not upwards + relative, places(upwards + relative)


def test_imports_are_seen_wherever_they_hide() -> None:
    source = """
import forecast.cli
from forecast import outlook, __version__
if TYPE_CHECKING:
    from forecast.report import html
class A:
    async def f(self):
        def g():
            import forecast.ledger as l
        return importlib.import_module("forecast.markets.venues")
from . import sibling
import numpy
"""
    found = list(imports(ast.parse(source)))
    assert [home(f) for f in found] == ["cli", "outlook", "", "report", "ledger", "markets", "", ""]
    assert [f.function for f in found if home(f) in {"ledger", "markets"}] == ["g", "f"]


@pytest.mark.parametrize(
    ("statement", "reads"),
    [
        ("from forecast.observations.tables import read_episodes", True),
        ("from forecast.observations.tables import *", True),
        ("from forecast.observations import tables", True),
        ("import forecast.observations.tables as t", True),
        ("from forecast.observations.tables import OBSERVATION_COLUMNS", False),
        ("from forecast.report import tables", False),
        ("from forecast.observations import as_of", False),
    ],
)
def test_readers_are_seen_under_any_name(statement: str, *, reads: bool) -> None:
    (found,) = imports(ast.parse(statement))
    assert reads_tables(found) is reads


def reads_tables(found: Import) -> bool:
    """Whether an import reaches a table reader: by its name, by its module, or by a star."""
    target = f"{found.module}.{found.name}".rstrip(".")
    return target in {TABLES, f"{TABLES}.*"} or (found.module.startswith("forecast") and found.name in READERS)


def test_only_the_vintage_and_the_data_check_read_the_tables() -> None:
    """Whatever reaches a fit has passed `as_of`; nothing else may open the door."""
    users = [(name, found) for name, tree in TREES.items() for found in imports(tree) if reads_tables(found)]
    assert {found.name for name, found in users if name == VINTAGE} == READERS
    strangers = [
        f"{MODULES[name]}:{found.line} imports {found.name or found.module}"
        for name, found in users
        if name != VINTAGE and not (home(Import(name, "", 0, "")) == "cli" and "check" in found.function)
    ]
    assert not strangers, places(strangers)


def test_only_the_market_tables_and_their_check_read_contracts_and_quotes_whole() -> None:
    """Whatever is compared with a market has passed an as-of time; the mapping may look up what it names."""
    users = [(name, found) for name, tree in TREES.items() for found in imports(tree) if found.name in MARKET_READERS]
    allowed = {"forecast.markets.mapping": {"read_contracts"}}
    strangers = [
        f"{MODULES[name]}:{found.line} imports {found.name}"
        for name, found in users
        if found.name not in allowed.get(name, set())
        and not (home(Import(name, "", 0, "")) == "cli" and "check" in found.function)
    ]
    assert users
    assert not strangers, places(strangers)


def test_no_module_is_long() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert not {name: n for name, n in lengths.items() if n > LONGEST_MODULE}


def test_no_function_is_long() -> None:
    long = [
        f"{MODULES[name]}:{node.lineno} {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= LONGEST_FUNCTION
    ]
    assert not long, places(long)


def test_no_file_speaks_of_the_machine_it_was_built_on() -> None:
    """Paths outside the repository mean nothing to a reader. The pattern is in pieces so as not to find itself."""
    pattern = re.compile("[.][.]" + "/shared|/" + "(work|root|farm)/")
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = [git, "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    paths = [ROOT / name for name in names if name and not name.endswith(".svg")]
    texts = {path: path.read_bytes().decode("utf-8", errors="replace") for path in paths if path.is_file()}
    assert ROOT / "pyproject.toml" in texts
    found = [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}"
        for path, text in texts.items()
        for match in pattern.finditer(text)
    ]
    assert not found, places(found)
