"""Checks beyond the corpus: floods, any shape of data, names, circles, zones."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mitrarr_runner.engine.validate import validate
from mitrarr_runner.engine.validation import Validation
from mitrarr_runner.manifest import schemas
from mitrarr_runner.manifest.check import check
from mitrarr_runner.manifest.document import Document
from mitrarr_runner.manifest.merge import merge
from mitrarr_runner.manifest.nearest import Nearest
from mitrarr_runner.manifest.read import read
from mitrarr_runner.manifest.values import seconds, share

ZONE = "settings: {timezone: America/Sao_Paulo}\n"
Of = Callable[..., Validation]


def _words() -> list[str]:
    found: list[str] = [
        "DETRAN",
        "x",
        "*/10 * * * *",
        "30s",
        "50%",
        "BR-SP",
        "{{ tcn }}",
        "",
        "a b",
    ]

    def collect(schema: object) -> None:
        if isinstance(schema, dict):
            for key, value in schema.items():
                if key == "properties" and isinstance(value, dict):
                    found.extend(value)
                if key == "enum":
                    found.extend(map(str, value))
                collect(value)
        elif isinstance(schema, list):
            for item in schema:
                collect(item)

    collect(schemas.manifest_schema())
    return sorted(set(found))


_SCALARS = st.sampled_from([*_words(), None, True, 0, 1, -1, 50, 0.5, 10**12])
_NAMES = st.sampled_from(_words())
_ANY = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=15,
)
_SECTIONS = st.sampled_from(sorted(schemas.manifest_schema()["properties"]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(_SECTIONS, _ANY, max_size=6))
def test_data_of_any_shape_give_problems_and_never_an_exception(data: dict[str, object]) -> None:
    document = read("m.json", json.dumps(data).encode())
    problems = check(merge([document], "m.json"))
    for problem in problems:
        assert problem.line is not None
        assert str(problem.message)
        assert problem.path == "" or problem.path.startswith("/")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.dictionaries(_SECTIONS, _ANY, max_size=4), max_size=3))
def test_any_shapes_can_be_merged(parts: list[dict[str, object]]) -> None:
    documents = [read(f"{i}.json", json.dumps(part).encode()) for i, part in enumerate(parts)]
    check(merge(documents, "folder"))


def test_merging_leaves_the_documents_alone() -> None:
    def document(name: str) -> Document:
        rules = {"channels": {name: {"kind": "log"}}, "rules": [{"when": "manual"}]}
        return read(f"{name}.json", json.dumps({"alerts": rules, "jobs": {name: {}}}).encode())

    first, second = document("a"), document("b")
    before = json.dumps(first.data)
    merged = merge([first, second], "folder")
    assert json.dumps(first.data) == before
    assert merged.marks.value(("alerts", "rules", 1, "when")).file == "b.json"
    assert merged.marks.key(("alerts", "channels", "b")).file == "b.json"
    assert merged.marks.key(("jobs", "a")).file == "a.json"


def test_a_name_in_two_files_tells_both_places(tmp_path: Path) -> None:
    (tmp_path / "1.yaml").write_text(ZONE + "contacts:\n  a: x\n")
    (tmp_path / "2.yaml").write_text("contacts:\n\n  a: y\n")
    (problem,) = validate(".", environment={}, cwd=tmp_path).problems
    assert (problem.code, problem.file, problem.line, problem.column) == (
        "duplicate_name",
        "./2.yaml",
        3,
        3,
    )
    assert "./1.yaml, line 3, column 3" in str(problem.message)


def test_names_end_where_they_end(of: Of) -> None:
    """`$` in Python matches before a line end at the end of a text."""
    found = of(ZONE + 'jobs:\n  "a\\n":\n    steps:\n      - clean: {}\n')
    assert [problem.code for problem in found.problems] == ["bad_name"]
    found = of(ZONE + 'name: "a\\n"\n')
    assert [problem.code for problem in found.problems] == ["bad_value"]


@pytest.mark.parametrize(
    "zone", ["posix/UTC", "../../etc/passwd", "/etc/passwd", "localtime", "BRT", "GMT-3", "a\\0b"]
)
def test_what_is_no_zone(of: Of, zone: str) -> None:
    found = of(f'settings: {{timezone: "{zone}"}}\n')
    assert [problem.code for problem in found.problems] == ["unknown_zone"]


def test_a_long_chain_of_needs_is_no_circle(of: Of) -> None:
    jobs = "".join(
        f"  j{i}:\n    needs: [j{i - 1}]\n    steps: [{{clean: {{}}}}]\n" for i in range(1, 3000)
    )
    assert of(ZONE + "jobs:\n  j0: {steps: [{clean: {}}]}\n" + jobs).problems == ()


def test_thousands_of_unknown_names_are_quick(of: Of) -> None:
    jobs = "".join(
        f"  job_{i}: {{needs: [jobb_{i}], steps: [{{clean: {{}}}}]}}\n" for i in range(1500)
    )
    started = time.process_time()
    found = of(ZONE + "jobs:\n" + jobs)
    assert len(found.problems) == 1500
    assert time.process_time() - started < 10


def test_the_nearest_word() -> None:
    nearest = Nearest()
    assert nearest("overlapp", ["overlap", "timeout"]) == "overlap"
    assert nearest("OVERLAP", ["overlap"]) == "overlap"
    assert nearest("zzz", ["overlap"]) is None
    assert nearest("x" * 101, ["x" * 100]) is None
    for _ in range(200):
        nearest("a", ["b"])
    assert nearest("overlapp", ["overlap"]) is None


@pytest.mark.parametrize(
    ("written", "value"),
    [("30s", 30), ("5m", 300), ("24h", 86400), ("1d", 86400), ("1h30m", 5400), (90, 90), ("0s", 0)],
)
def test_lengths_of_time(written: object, value: int) -> None:
    assert seconds(written) == value


@pytest.mark.parametrize("written", ["", "5", "5 m", "m", "-5m", "5m5h", "٣s", None, True, [5]])
def test_what_is_no_length_of_time(written: object) -> None:
    with pytest.raises(ValueError, match="length"):
        seconds(written)


def test_shares() -> None:
    assert (share("50%"), share("0%"), share(0.25), share(1)) == (0.5, 0.0, 0.25, 1.0)
    for wrong in ("50", True, None):
        with pytest.raises(ValueError, match="share"):
            share(wrong)


def test_a_manifest_without_templates_wakes_neither_jinja_nor_the_network(tmp_path: Path) -> None:
    """Start-up is a hot path: what is not needed is not imported."""
    (tmp_path / "m.yaml").write_text(ZONE)
    script = (
        "import sys; from pathlib import Path;"
        "from mitrarr_runner.manifest import load;"
        "found = load.load('m.yaml', environment={}, cwd=Path.cwd());"
        "assert found.manifest is not None, found.problems;"
        "print([m for m in ('jinja2', 'croniter', 'httpx2', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_ten_thousand_jobs_in_a_few_seconds(tmp_path: Path) -> None:
    job = (
        '  job_{}:\n    description: Registra e envia\n    schedule: "{} {} * * *"\n'
        "    timeout: 20m\n    overlap: skip\n"
        "    retry: {{attempts: 3, backoff: 10s, factor: 2, max: 5m}}\n    steps:\n"
        "      - clean: {{}}\n      - command: {{argv: [rsync, -a, /a, /b]}}\n"
    )
    jobs = "".join(job.format(i, i % 60, i % 24) for i in range(10_000))
    (tmp_path / "m.yaml").write_text(ZONE + "jobs:\n" + jobs)
    started = time.process_time()
    found = validate("m.yaml", environment={}, cwd=tmp_path)
    spent = time.process_time() - started
    assert found.manifest is not None
    assert len(found.manifest.jobs) == 10_000
    assert spent < 10
