"""The laws of the house (docs/decisions.md), each a short look at the syntax trees of the package.

Each law is a function from modules to findings; beside each stands a bad snippet that it must find,
so that no law can become blind.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "mitrarr_runner"

FLOORS = (
    "errors clock atomic footing locks processes templates http images redact logs resources text"
    " site",
    "store manifest",
    "nist findface schedule volumes",
    "intake delivery alerts",
    "steps",
    "plan",
    "engine wake",
    "cli api",
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}

# Imports that do not point down, each with its reason.
ARROWS = {
    ("wake", "cli"): "the way into the program, taken only when something may be due",
    ("cli", "api"): "the verb `serve` starts the API",
    ("store", "manifest"): "rows are typed with the manifest's enums; model.py holds no code",
}

# Third-party package -> the one module, or package, that may import it.
DOORS = {
    "yaml": "manifest.read",
    "jsonschema": "manifest.check",
    "referencing": "manifest.check",  # jsonschema's registry
    "croniter": "schedule",
    "jinja2": "templates",
    "plumbum": "steps.command",
    "filelock": "locks",
    "httpx2": "http",
    "PIL": "images",
    "holidays": "volumes",
    "typer": "cli",
    "fastapi": "api findface.simulator",
    "pydantic": "api findface.simulator",  # FastAPI's own models
    "uvicorn": "api findface.simulator",
}

# Rooms that nothing else loads unless it is wanted: there a heavy package may stand at the top.
MAY_BE_HEAVY = ("cli", "api", "findface.simulator")

# Memory of pure functions, the only state that lives as long as the process.
CACHES = {
    "manifest.compiled": "the stamps of the program's own files: an apply asks three times",
    "nist.fields": "the same few numbers of fields in every record",
    "plan.coming": "the same schedules and zones for every slot of a plan",
    "plan.decide": "the same fingerprints for all jobs that share a line",
    "schedule.instants": "ten thousand lines of one zone ask for the same offsets",
    "schedule.grammar": "ten thousand lines of cron are made of a few hundred columns",
    "templates": "one Jinja2 environment: 50 ms each",
}

PRINTERS = {"findface.simulator.server": "tells its address to the process that started it"}


@dataclass(frozen=True, slots=True)
class Module:
    """name: without the package ("manifest.read", "" for the package itself)."""

    name: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.name.partition(".")[0]


Law = Callable[[Mapping[str, Module]], Iterator[str]]


def modules() -> dict[str, Module]:
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found[name] = Module(name, ast.parse(path.read_text("utf-8")))
    return found


@pytest.fixture(scope="module")
def house() -> dict[str, Module]:
    return modules()


def sources(**texts: str) -> dict[str, Module]:
    """A small house for the tests of the laws: `manifest__read` is manifest.read."""
    names = {key.replace("__", "."): source for key, source in texts.items()}
    return {name: Module(name, ast.parse(source)) for name, source in names.items()}


def imports(module: Module) -> Iterator[str]:
    """Full names of what a module imports, anywhere in it."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module}.{name.name}" for name in node.names)


def ours(module: Module, house: Mapping[str, Module]) -> Iterator[str]:
    """The modules of the house a module imports."""
    for name in imports(module):
        if name.startswith(f"{PACKAGE}."):
            below = name.removeprefix(f"{PACKAGE}.")
            while below not in house and "." in below:
                below = below.rpartition(".")[0]
            yield below


# Floors


def wrong_floor(house: Mapping[str, Module]) -> Iterator[str]:
    for module in house.values():
        if module.name and module.room not in FLOOR:
            yield f"{module.name}: the room {module.room} has no floor in DESIGN section 2"
            continue
        for name in ours(module, house):
            room = name.partition(".")[0]
            ground = FLOOR.get(module.room) == 0 == FLOOR.get(room)
            down = FLOOR.get(room, 99) < FLOOR[module.room]
            if room != module.room and not (ground or down or (module.room, room) in ARROWS):
                yield f"{module.name} imports {name}: not down, and no arrow says so"


def relative(house: Mapping[str, Module]) -> Iterator[str]:
    for module in house.values():
        for name in imports(module):
            if name.startswith("."):
                yield f"{module.name} imports {name}: write the whole name"


def circles(house: Mapping[str, Module]) -> Iterator[str]:
    """Late imports count: a circle that is hidden in a function is still one."""
    graph = {name: set(ours(module, house)) - {name} for name, module in house.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield "circle of imports: " + " <- ".join(error.args[1])


def unused_arrow(house: Mapping[str, Module]) -> Iterator[str]:
    """An arrow that nobody needs any more is taken away."""
    used = {
        (module.room, name.partition(".")[0])
        for module in house.values()
        for name in ours(module, house)
    }
    yield from (f"the arrow {arrow} is not used" for arrow in sorted(set(ARROWS) - used))


# Dependencies


def wrong_door(house: Mapping[str, Module]) -> Iterator[str]:
    for module in house.values():
        for name in imports(module):
            top = name.partition(".")[0]
            if top in (PACKAGE, "", *sys.stdlib_module_names):
                continue
            doors = DOORS.get(top, "").split()
            if not any(f"{module.name}.".startswith(f"{door}.") for door in doors):
                yield f"{module.name} imports {top}: its door is {' or '.join(doors) or 'nowhere'}"


def heavy_at_the_top(house: Mapping[str, Module]) -> Iterator[str]:
    for module in house.values():
        if any(f"{module.name}.".startswith(f"{room}.") for room in MAY_BE_HEAVY):
            continue
        top = Module(module.name, ast.Module(list(_run_on_import(module.tree)), []))
        for name in imports(top):
            if name.partition(".")[0] in DOORS:
                yield f"{module.name} imports {name} before it is needed"


def _run_on_import(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node


# State and side effects


def state(house: Mapping[str, Module]) -> Iterator[str]:
    """Constants are UPPERCASE and nothing in their module changes them; nothing else is bound."""
    for module in house.values():
        constants = set()
        for node in module.tree.body:
            for name, value in _bound(node):
                if re.fullmatch(r"_?[A-Z][A-Z0-9_]*|__all__", name):
                    constants.add(name)
                elif isinstance(value, _MUTABLE) and not _is_type(value):
                    yield f"{module.name}:{node.lineno} {name} is state of the module"
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Global):
                yield f"{module.name}:{node.lineno} global {', '.join(node.names)}"
            elif _changed(node) & constants:
                yield f"{module.name}:{getattr(node, 'lineno', 0)} changes a constant"


_MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.Call)
_CHANGING = re.compile(
    "append|extend|insert|remove|pop|popitem|clear|update|setdefault|add|discard|sort"
)


def _bound(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield ast.unparse(target), node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield ast.unparse(node.target), node.value


def _is_type(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func) in ("TypeVar", "NewType")


def _changed(node: ast.AST) -> set[str]:
    """The names whose value a piece of code changes in place."""
    targets: list[ast.expr] = []
    if isinstance(node, (ast.Assign, ast.Delete)):
        targets = [one.value for one in node.targets if isinstance(one, ast.Subscript)]
    elif isinstance(node, ast.AugAssign):
        targets = [node.target.value] if isinstance(node.target, ast.Subscript) else []
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        targets = [node.func.value] if _CHANGING.fullmatch(node.func.attr) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def effects(house: Mapping[str, Module]) -> Iterator[str]:
    """Importing a module defines things and does nothing."""
    allowed = (
        ast.Import,
        ast.ImportFrom,
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.Assign,
        ast.AnnAssign,
        ast.AugAssign,
    )
    for module in house.values():
        for node in module.tree.body:
            words = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            guard = isinstance(node, ast.If) and re.search(
                "TYPE_CHECKING|__name__", ast.unparse(node.test)
            )
            if not (isinstance(node, allowed) or words or guard):
                yield f"{module.name}:{node.lineno} works while it is imported"


def caches(house: Mapping[str, Module]) -> Iterator[str]:
    for module in house.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef):
                marks = " ".join(ast.unparse(mark) for mark in node.decorator_list)
                if re.search(r"\b(lru_)?cache\b", marks) and module.name not in CACHES:
                    yield f"{module.name}:{node.lineno} {node.name} remembers: say why in CACHES"


def names(house: Mapping[str, Module]) -> Iterator[str]:
    for name in house:
        if {"utils", "util", "helpers", "helper", "common", "manager", "misc"} & {*name.split(".")}:
            yield f"{name}: a name that says nothing"


def empty_package(house: Mapping[str, Module]) -> Iterator[str]:
    if house[""].tree.body:
        yield f"{PACKAGE}/__init__.py is read by every call and must stay empty"


# Time, SQL, printing


def clocks(house: Mapping[str, Module]) -> Iterator[str]:
    for module in house.values():
        if module.name in ("clock", "wake"):
            continue
        for node in ast.walk(module.tree):
            read = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if re.fullmatch(r"(datetime\.)?(datetime|date)\.(now|utcnow|today)", read) or (
                re.fullmatch(r"time\.(time|time_ns|localtime|gmtime|strftime)", read)
            ):
                yield f"{module.name}:{node.lineno} {read}: ask the Clock"
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                yield f"{module.name}:{node.lineno} from time: import time, so that it is seen"


def sql(house: Mapping[str, Module]) -> Iterator[str]:
    begins = re.compile(
        r"\s*(SELECT|INSERT (OR|INTO)|UPDATE|DELETE FROM|CREATE|DROP|ALTER|PRAGMA|BEGIN)\b.*\s",
        re.DOTALL,
    )
    for module in house.values():
        for node in ast.walk(module.tree):
            words = node.value if isinstance(node, ast.Constant) else None
            if module.room != "store" and isinstance(words, str) and begins.match(words):
                yield f"{module.name}:{node.lineno} SQL belongs in store/"


def prints(house: Mapping[str, Module]) -> Iterator[str]:
    """Nothing prints past the Session, and no bare sentence through it."""
    for module in house.values():
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name) and node.func.id == "print":
                if module.name not in PRINTERS:
                    yield f"{module.name}:{node.lineno} print(): hand it to the Session"
            elif isinstance(node.func, ast.Attribute) and node.func.attr in ("print", "warn"):
                told = node.args[0].value if _is_constant(node.args) else ""
                if isinstance(told, str) and re.search(r"[A-Za-z]{3,}", told):
                    yield f"{module.name}:{node.lineno} a sentence that is not text(...)"


def _is_constant(arguments: list[ast.expr]) -> bool:
    return bool(arguments) and isinstance(arguments[0], ast.Constant)


LAWS: tuple[Law, ...] = (
    wrong_floor,
    relative,
    circles,
    unused_arrow,
    wrong_door,
    heavy_at_the_top,
    state,
    effects,
    caches,
    names,
    empty_package,
    clocks,
    sql,
    prints,
)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_law(law: Law, house: dict[str, Module]) -> None:
    findings = list(law(house))
    assert not findings, "\n".join(findings)


BAD: tuple[tuple[Law, dict[str, str]], ...] = (
    (wrong_floor, {"store__jobs": "from mitrarr_runner.engine import apply", "engine__apply": ""}),
    (wrong_floor, {"nist__reader": "import mitrarr_runner.findface.api", "findface__api": ""}),
    (wrong_floor, {"text": "def f():\n    from mitrarr_runner.plan import plan", "plan": ""}),
    (wrong_floor, {"attic__box": ""}),
    (relative, {"nist__reader": "from . import model"}),
    (circles, {"text": "import mitrarr_runner.logs", "logs": "import mitrarr_runner.text"}),
    (
        circles,
        {
            "text": "import mitrarr_runner.logs",
            "logs": "def f():\n    from mitrarr_runner.text import a",
        },
    ),
    (unused_arrow, {"wake": ""}),
    (wrong_door, {"engine__apply": "import yaml"}),
    (wrong_door, {"steps__clean": "def f():\n    from plumbum import local"}),
    (wrong_door, {"manifest__reader": "from yaml.events import Event"}),
    (wrong_door, {"http": "import requests"}),
    (heavy_at_the_top, {"manifest__read": "import yaml"}),
    (heavy_at_the_top, {"http": "try:\n    import httpx2\nexcept ImportError:\n    pass"}),
    (state, {"http": "_sessions = {}"}),
    (state, {"http": "seen: list[str] = []"}),
    (state, {"http": "pool = Pool(4)"}),
    (state, {"http": "SEEN = {}\ndef f(x):\n    SEEN[x] = 1"}),
    (state, {"http": "SEEN = set()\ndef f(x):\n    SEEN.add(x)"}),
    (state, {"http": "_n = 0\ndef f():\n    global _n"}),
    (effects, {"http": "connect()"}),
    (effects, {"http": "for x in y:\n    f(x)"}),
    (caches, {"http": "@functools.lru_cache(maxsize=3)\ndef f(x): ..."}),
    (names, {"engine__utils": ""}),
    (names, {"helpers__text": ""}),
    (clocks, {"plan": "a = datetime.now(UTC)"}),
    (clocks, {"plan": "a = datetime.date.today()"}),
    (clocks, {"plan": "f = time.time"}),
    (clocks, {"plan": "from time import time"}),
    (sql, {"engine__apply": "db.execute('SELECT a FROM b')"}),
    (sql, {"engine__apply": "db.execute(f'UPDATE b SET a = {x}')"}),
    (prints, {"engine__apply": "def f():\n    print('done')"}),
    (prints, {"cli__work": "here.print('all is well')"}),
    (prints, {"cli__work": "here.warn('broken')"}),
)


@pytest.mark.parametrize(("law", "texts"), BAD, ids=lambda value: getattr(value, "__name__", None))
def test_each_law_sees_what_it_forbids(law: Law, texts: dict[str, str]) -> None:
    assert list(law(sources(**texts)))


def test_a_full_first_module_is_seen() -> None:
    assert list(empty_package({"": Module("", ast.parse("import json"))}))


GOOD = {
    "text": "import json\nLANGUAGES = ('en',)\n_WEEKDAYS = {'en': ()}\n",
    "logs": "import time\nfrom mitrarr_runner.text import LANGUAGES\n_T = TypeVar('_T')\n",
    "engine__tick": "from mitrarr_runner.logs import a\nnow = clock.now\ntime.monotonic()\n",
    "cli__work": "here.print(text('all is well'))\nhere.print()\nhere.print('  ')\n",
    "store__jobs": "ADD = 'INSERT INTO jobs VALUES (1)'\n",
    "api__app": "import fastapi\nMETHOD = 'DELETE'\n",
}


@pytest.mark.parametrize(
    "law", [law for law in LAWS if law not in (unused_arrow, empty_package, effects)]
)
def test_no_law_forbids_what_is_fine(law: Law) -> None:
    assert list(law(sources(**GOOD))) == []


def test_every_room_on_the_floors_exists(house: dict[str, Module]) -> None:
    assert set(FLOOR) == {module.room for module in house.values()} - {""}


# The way out of wake.py


def test_wake_imports_four_modules_and_none_of_ours_before_something_is_due(
    house: dict[str, Module],
) -> None:
    assert set(imports(house["wake"])) == {
        "gc",
        "os",
        "sys",
        "time",
        "json",
        f"{PACKAGE}.cli.door.run",
    }
    assert set(imports(Module("", ast.Module(list(_run_on_import(house["wake"].tree)), [])))) == {
        "os",
        "sys",
        "time",
    }


PROBE = """
import json, os, sys, time
before = set(sys.modules)
sys.argv = ["mitrarr", "apply", sys.argv[1]]
from mitrarr_runner import wake
code = wake.main()
print(code, *sorted(set(sys.modules) - before))
"""


def _probe(folder: Path, at: float) -> subprocess.CompletedProcess[str]:
    """Call apply in a folder whose last apply said that nothing is due before `at`."""
    manifest = folder / "configs" / "prod"
    manifest.mkdir(parents=True)
    (folder / ".mitrarr-site").touch()
    wake = folder / "state" / "wake"
    wake.mkdir(parents=True)
    (folder / "beat").touch()
    found = manifest.stat()
    answer = {
        "manifest": str(manifest),
        "root_from": "marker_cwd",
        "written": int(time.time()) - 5,
        "at": int(at),
        "heartbeat": str(folder / "beat"),
        "stamps": [[str(manifest), found.st_size, found.st_mtime_ns, found.st_ino]],
    }
    (wake / "prod.json").write_text(json.dumps(answer))
    os.utime(folder / "beat", (0, 0))
    return subprocess.run(
        [sys.executable, "-c", PROBE, str(manifest)],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_nothing_due_loads_nothing_of_ours(tmp_path: Path) -> None:
    done = _probe(tmp_path, time.time() + 600)
    assert done.stdout.split() == ["0", PACKAGE, f"{PACKAGE}.wake"], done.stderr
    assert (tmp_path / "beat").stat().st_mtime > 0, "the heartbeat was not touched"


def test_something_due_loads_the_program(tmp_path: Path) -> None:
    done = _probe(tmp_path, time.time() - 1)
    assert f"{PACKAGE}.cli.door" in done.stdout.split(), done.stderr


def test_the_command_line_loads_no_heavy_package_by_itself() -> None:
    """All verbs are known, and nothing was read, checked, sent or drawn yet."""
    words = f"import sys\nimport {PACKAGE}.cli.app\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", words],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "typer" in loaded
    assert not (set(DOORS) - {"typer"}) & loaded
