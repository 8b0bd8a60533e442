"""The shape of the code, held by tests: sizes, names, imports, and who may do what.

House numbers have one list of exceptions, `ratchet.toml`, which must say exactly what is measured:
an exception that has become smaller has to be written smaller. Layers are import-linter's business.
"""

from __future__ import annotations

import ast
import graphlib
import re
import statistics
import tomllib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, Final

import pytest

from hodhod_server.settings import Settings
from hodhod_server.store import migrations
from hodhod_server.telemetry import metrics
from tests import source_tree
from tests.source_tree import CODE_FOLDERS, Source

Measured = Iterator[tuple[str, int]]

SUPPRESSION: Final = re.compile(r"#\s*(?:type:\s*ignore|noqa|pragma:|pyright:)")
MACHINE_PATH: Final = re.compile(r"(?<![\w.$}])/(?:work|root|home)/")
FORBIDDEN_NAMES: Final = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
SQL: Final = re.compile(
    r"^\s*(?:SELECT\b.*\bFROM\b|INSERT\s+INTO\b|UPDATE\s+\w+\s+SET\b|DELETE\s+FROM\b"
    r"|(?:CREATE|ALTER|DROP|TRUNCATE|GRANT|LOCK)\s+(?:TABLE|INDEX|UNIQUE|DATABASE|ROLE|SCHEMA|VIEW)\b"
    r"|WITH\s+\w+\s+AS\b|(?:UN)?LISTEN\s+\w|NOTIFY\s+\w)",
    re.DOTALL,
)
ENVIRONMENT: Final = {"environ", "environb", "getenv", "getenvb"}
SQL_HOMES: Final = {
    "server/hodhod_server/store/migrations.py",  # its own table, before any migration
    "server/hodhod_server/engines/postgres.py",  # the database, before anyone can connect
}
LABELS_WITHOUT_END: Final = {"user", "chat", "device", "phone", "path", "id", "name", "text"}
METRIC_CLASSES: Final = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}


def is_test(source: Source) -> bool:
    return source.path.parts[0] == "tests"


# --- house numbers: each rule yields what it measured; only what is over the limit counts ---------


def file_lines(source: Source) -> Measured:
    yield "lines", source.lines


def function_lines(source: Source) -> Measured:
    for name, node in source.functions():
        yield f"{name} lines", _lines(node)


def parameters(source: Source) -> Measured:
    for name, node in source.functions():
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        names = [argument.arg for argument in arguments]
        own = len(names) - (names[:1] in (["self"], ["cls"]))
        yield f"{name} parameters", 0 if is_test(source) else own


def public_methods(source: Source) -> Measured:
    for node in source.classes():
        methods = [item for item in node.body if isinstance(item, source_tree.Function)]
        public = [item for item in methods if not item.name.startswith("_")]
        yield f"{node.name} public methods", len(public)


def module_docstring_lines(source: Source) -> Measured:
    docstring = ast.get_docstring(source.tree) or ""
    yield "module docstring lines", len(docstring.splitlines())


def suppressions(source: Source) -> Measured:
    yield "suppressed complaints", len(SUPPRESSION.findall(source.text))


def _lines(node: source_tree.Function) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


NUMBERS: Final[list[tuple[Callable[[Source], Measured], int, int, str]]] = [
    (file_lines, 400, 600, "split the file by noun"),
    (function_lines, 60, 60, "give each step a function with a name"),
    (parameters, 6, 6, "gather what belongs together in a struct"),
    (public_methods, 20, 20, "split the noun"),
    (module_docstring_lines, 15, 15, "say what, why and what always holds; the rest is for docs/"),
    (suppressions, 0, 0, "mend the cause; what a library lacks stands in pyproject.toml"),
]


def test_house_numbers_hold_but_for_the_exceptions_that_are_written_down() -> None:
    over: dict[str, int] = {}
    advice: dict[str, str] = {}
    for rule, limit, limit_in_tests, how in NUMBERS:
        for source in source_tree.python():
            for what, value in rule(source):
                if value > (limit_in_tests if is_test(source) else limit):
                    over[f"{source.path}: {what}"] = value
                    advice[f"{source.path}: {what}"] = f"over {limit}: {how}"
    ratchet = tomllib.loads((source_tree.ROOT / "ratchet.toml").read_text(encoding="utf-8"))
    new = {what: (value, advice[what]) for what, value in over.items() if what not in ratchet}
    assert not new, "too much in one place"
    assert over == ratchet, "ratchet.toml must hold what is measured, no more: lower or remove"


def test_most_files_and_functions_are_small() -> None:
    sources = source_tree.python(*CODE_FOLDERS)
    files = [source.lines for source in sources]
    functions = [_lines(node) for source in sources for _, node in source.functions()]
    assert statistics.median(files) <= 120
    assert statistics.quantiles(files, n=10)[-1] <= 300
    assert statistics.median(functions) <= 8
    assert statistics.quantiles(functions, n=10)[-1] <= 30


# --- names ---------------------------------------------------------------------------------------


def test_names_say_what_a_thing_is_for() -> None:
    vague = [
        str(source.path)
        for source in source_tree.python()
        if FORBIDDEN_NAMES & {word for part in source.path.parts for word in _words(part)}
    ]
    assert not vague, f"name the module after its noun, none of {sorted(FORBIDDEN_NAMES)}"
    classes = [
        f"{source.path}: {node.name}"
        for source in source_tree.python()
        for node in source.classes()
        if node.name.endswith(("Manager", "Helper", "Util", "Utils"))
    ]
    assert not classes, "name the class after what it is, not after having things to do"


def _words(part: str) -> list[str]:
    return PurePosixPath(part).stem.split("_")


def test_migrations_are_named_and_numbered_by_the_rule() -> None:
    assert migrations.read_files(source_tree.ROOT / "migrations")


# --- imports -------------------------------------------------------------------------------------


def test_modules_import_one_another_without_a_cycle() -> None:
    modules = {source.module: source for source in source_tree.python()}
    graph = {name: _imports(source, set(modules)) for name, source in modules.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"move the shared type down: {' → '.join(reversed(error.args[1]))}")


def _imports(source: Source, modules: set[str]) -> set[str]:
    """Modules of ours that run before this one does: its imports outside of functions."""
    found: set[str] = set()
    for node in _statements(source.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (full & modules) or {node.module}
    return found & modules


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported, without what is there for type checkers only."""
    for child in ast.iter_child_nodes(node):
        is_for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if not is_for_types and not isinstance(child, source_tree.Function):
            yield child
            yield from _statements(child)


def test_imports_stand_at_the_top() -> None:
    inner = [
        f"{source.path}: {name}"
        for source in source_tree.python()
        for name, node in source.functions()
        if any(isinstance(inside, ast.Import | ast.ImportFrom) for inside in ast.walk(node))
    ]
    assert not inner, "import at the top of the module; a cycle means that a type belongs lower"


# --- who may do what -----------------------------------------------------------------------------


def test_only_settings_reads_the_environment() -> None:
    readers = {
        str(source.path)
        for source in source_tree.python("server")
        for node in ast.walk(source.tree)
        if ENVIRONMENT & _names_of_os(node)
    }
    assert readers == {"server/hodhod_server/settings/tree.py"}, "add a setting instead"


def _names_of_os(node: ast.AST) -> set[str]:
    """What this node takes from `os`."""
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr=name):
            return {name}
        case ast.ImportFrom(module="os", names=aliases):
            return {alias.name for alias in aliases}
        case _:
            return set()


def test_sql_lives_in_sql_files() -> None:
    statements = [
        f"{source.path}:{line}"
        for source in source_tree.python("server")
        if str(source.path) not in SQL_HOMES
        for line, text in _strings(source.tree)
        if SQL.match(text)
    ]
    assert not statements, "move the statement to server/hodhod_server/store/sql/"


def _strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """String literals and their lines; docstrings are sentences and may begin like SQL."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield node.lineno, str(node.value)


def test_metrics_are_declared_in_one_place() -> None:
    home = PurePosixPath("server/hodhod_server/telemetry/metrics.py")
    elsewhere = [
        str(source.path)
        for source in source_tree.python("server")
        if source.path != home
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom)
        and node.module == "prometheus_client"
        and METRIC_CLASSES & {alias.name for alias in node.names}
    ]
    assert not elsewhere, f"declare it in {home}"


def test_metrics_tell_their_unit_keep_to_closed_labels_and_are_used() -> None:
    declared = {name: value for name, value in vars(metrics).items() if name.isupper()}
    collectors = {name: value for name, value in declared.items() if hasattr(value, "collect")}
    texts = [source.text for source in source_tree.python("server")]
    for name, collector in collectors.items():
        for family in collector.collect():
            assert family.name.startswith("hodhod_"), name
            assert family.documentation.endswith("."), f"{name}: say in a sentence what it counts"
        assert not LABELS_WITHOUT_END & set(collector._labelnames), f"{name}: labels are few words"
        uses = sum(len(re.findall(rf"\bmetrics\.{name}\b", text)) for text in texts)
        assert uses, f"{name} is declared and never moved"


# --- the whole tree ------------------------------------------------------------------------------


def test_every_setting_explains_itself() -> None:
    for name, section in Settings.model_fields.items():
        shape: Any = section.annotation
        assert shape.__doc__.startswith(f"[{name}] "), f"[{name}]: say what the section is about"
        for key, field in shape.__pydantic_fields__.items():
            assert field.description, f"{name}.{key}: a docstring below it is its documentation"


def test_the_lock_names_no_host_and_knows_every_hash() -> None:
    lock = source_tree.read(PurePosixPath("requirements.lock"))
    assert "://" not in lock
    assert not re.search(r"^\s*-(?:i|f|-index-url|-extra-index-url|-find-links)\b", lock, re.M)
    requirements = re.split(r"\n(?=[a-zA-Z0-9])", "\n" + lock)[1:]
    assert len(requirements) > 20
    for requirement in requirements:
        first = requirement.splitlines()[0]
        assert "==" in first, first
        assert "--hash=sha256:" in requirement, first


def test_no_path_of_a_machine_is_in_the_tree() -> None:
    found = [
        f"{path}:{number}"
        for path in source_tree.text_files()
        for number, line in enumerate(source_tree.read(path).splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]
    assert not found, "write paths relative to the root or to the data directory"


# --- the rules themselves ------------------------------------------------------------------------


def _source(text: str) -> Source:
    return Source(PurePosixPath("server/hodhod_server/x.py"), text, ast.parse(text))


@pytest.mark.parametrize(
    ("rule", "text", "measured"),
    [
        (file_lines, "a = 1\n" * 3, {"lines": 3}),
        (function_lines, "class A:\n def f(self):\n  pass\n  pass\n", {"A.f lines": 3}),
        (parameters, "def f(a, /, b, *, c): ...", {"f parameters": 3}),
        (parameters, "class A:\n def f(self, a): ...", {"A.f parameters": 1}),
        (
            public_methods,
            "class A:\n def f(self): ...\n def _g(self): ...",
            {"A public methods": 1},
        ),
        (module_docstring_lines, '"""a\n\nb"""', {"module docstring lines": 3}),
        (suppressions, "a = 1  # noq" + "a\n", {"suppressed complaints": 1}),
        (suppressions, "a = 1  # type: igno" + "re[x]\n", {"suppressed complaints": 1}),
    ],
)
def test_a_rule_measures_what_it_is_for(
    rule: Callable[[Source], Measured], text: str, measured: dict[str, int]
) -> None:
    assert dict(rule(_source(text))) == measured


def test_imports_for_types_and_within_functions_make_no_cycle() -> None:
    source = _source(
        "import a.b\nfrom c import d, e\n"
        "if TYPE_CHECKING:\n import f\n"
        "def g():\n import h\n"
        "class I:\n import j\n"
    )
    known = {"a", "a.b", "c", "c.d", "f", "h", "j"}
    assert _imports(source, known) == {"a.b", "c.d", "j"}


@pytest.mark.parametrize(
    ("text", "is_statement"),
    [
        ("SELECT a\nFROM b", True),
        (" INSERT INTO t VALUES (1)", True),
        ("UPDATE t SET a = 1", True),
        ("WITH a AS (SELECT 1) SELECT * FROM a", True),
        ("CREATE UNIQUE INDEX i ON t (a)", True),
        ("SELECT 1", False),
        ("Select a chat from the list", False),
        ("UPDATED SET", False),
        ("DELETE", False),
    ],
)
def test_sql_is_told_from_prose(text: str, is_statement: bool) -> None:
    assert bool(SQL.match(text)) is is_statement


@pytest.mark.parametrize("folder", ["work", "root", "home"])
def test_a_path_of_a_machine_is_told_from_one_of_an_address(folder: str) -> None:
    assert MACHINE_PATH.search(f"cd /{folder}/main")
    assert MACHINE_PATH.search(f'"/{folder}/x"')
    assert not MACHINE_PATH.search(f"chat.example/{folder}/x")
