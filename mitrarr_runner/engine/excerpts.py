"""Which source lines does a report of problems show? Read once, with secrets blotted out.

A password typed into a manifest is one of the problems to be reported: the report goes to
terminals, mails and merge requests, so it must not repeat it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mitrarr_runner.manifest import files
from mitrarr_runner.manifest.loaded import Loaded
from mitrarr_runner.manifest.problem import Problem
from mitrarr_runner.manifest.read import BYTES

_MOST = 2_000
_BREAK = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SECRET = re.compile(
    r"(?i)((?:login|pass(?:word|wd|phrase)?|senha|secret|token|api_?key)\w*[\"']?\s*[:=]\s*)"
    r"(?!\s*\{)([^,}]+)"
)
_IN_URL = re.compile(r"(://)([^/\s@]+)(@)")


def excerpts(loaded: Loaded) -> Mapping[tuple[str, int], str]:
    """The lines of the first problems, and the line above each, by (file, line)."""
    paths = {shown: path for path, shown in loaded.files}
    wanted: dict[str, list[Problem]] = {}
    for problem in loaded.problems[:_MOST]:
        if problem.line is not None and problem.file in paths:
            wanted.setdefault(problem.file, []).append(problem)
    found: dict[tuple[str, int], str] = {}
    for shown, problems in wanted.items():
        try:
            content = _decoded(files.read_bytes(paths[shown], BYTES))
        except OSError:
            continue
        lines = _BREAK.split(content)
        for problem in problems:
            for number in (problem.line or 1, (problem.line or 1) - 1):
                if 0 < number <= len(lines):
                    found[(shown, number)] = blotted(lines[number - 1])
        for problem in problems:
            _blot_value(found, problem)
    return found


def _decoded(raw: bytes) -> str:
    """Even what is refused for its encoding is shown as its author sees it."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
        return raw.decode("utf-16" if wide else "cp1252", "replace")


def blotted(line: str) -> str:
    """The line at the same width, without secrets and control characters."""
    line = _CONTROL.sub(lambda match: " " if match[0] == "\t" else "?", line)
    line = _SECRET.sub(lambda match: match[1] + "*" * len(match[2]), line)
    return _IN_URL.sub(lambda match: match[1] + "*" * len(match[2]) + match[3], line)


def _blot_value(found: dict[tuple[str, int], str], problem: Problem) -> None:
    """A plain secret is blotted out wherever it stands, whatever its key is called."""
    if problem.code == "plain_secret" and problem.line is not None:
        key, start = (problem.file, problem.line), (problem.column or 1) - 1
        line = found.get(key, "")
        found[key] = line[:start] + "*" * len(line[start:])
