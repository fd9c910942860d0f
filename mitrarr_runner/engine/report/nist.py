"""What is in an ANSI/NIST file, and what is wrong with it? Text and JSON of `nist`.

Fields that describe a record or an image, never a value of a person's record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mitrarr_runner.engine.report import columns
from mitrarr_runner.engine.report.registry import finding_json, finding_lines
from mitrarr_runner.nist.listing import Row
from mitrarr_runner.store.registry import Noted
from mitrarr_runner.text import Catalogue, Text, plural, text


@dataclass(frozen=True, slots=True)
class Checked:
    """One file, by the name it was given with. readable: False where it could not be opened."""

    file: str
    findings: tuple[Noted, ...]
    readable: bool = True

    @property
    def errors(self) -> int:
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def sound(self) -> bool:
        return not self.errors


def checked_json(files: Sequence[Checked], say: Catalogue) -> dict[str, object]:
    return {
        "files": [
            {
                "file": one.file,
                "sound": one.sound,
                "findings": [finding_json(finding, say) for finding in one.findings],
            }
            for one in files
        ]
    }


def checked_text(files: Sequence[Checked], say: Catalogue, width: int | None = None) -> list[str]:
    lines: list[str] = []
    for one in files:
        verdict = text("OK")
        if one.errors:
            verdict = plural("{count} error", "{count} errors", one.errors)
        elif one.findings:
            count = len(one.findings)
            verdict = plural("OK, {count} warning", "OK, {count} warnings", count)
        lines += columns.wrapped_after(f"{one.file}  ", say(verdict), width)
        for finding in one.findings:
            lines += finding_lines(finding, say, width)
    if len(files) > 1:
        lines += ["", say(_account(files))]
    return lines


def _account(files: Sequence[Checked]) -> Text:
    sound = sum(one.sound for one in files)
    return text(
        "{files}: {sound} sound, {bad} not",
        files=plural("{count} file", "{count} files", len(files)),
        sound=sound,
        bad=len(files) - sound,
    )


def show_json(
    file: str, rows: Sequence[Row], finding: Noted | None, say: Catalogue
) -> dict[str, object]:
    """finding: why the file could not be walked to its end; the rows are what came before."""
    return {
        "file": file,
        "records": [
            {
                "record": row.record,
                "type": row.type,
                "idc": row.idc,
                "bytes": row.bytes,
                "fields": row.fields,
                "image": row.image,
                "facts": dict(row.facts),
            }
            for row in rows
        ],
        "findings": [] if finding is None else [finding_json(finding, say)],
    }


def show_text(
    rows: Sequence[Row], finding: Noted | None, say: Catalogue, width: int | None = None
) -> list[str]:
    titles = (
        text("RECORD"),
        text("TYPE"),
        text("IDC"),
        text("SIZE"),
        text("FIELDS"),
        text("IMAGE"),
        text("FACTS"),
    )
    table = [[say(title) for title in titles]]
    for row in rows:
        table.append(
            [
                str(row.record),
                str(row.type),
                "-" if row.idc is None else str(row.idc),
                say.size(row.bytes),
                str(row.fields) if row.fields else "-",
                say.size(row.image) if row.image else "-",
                "  ".join(f"{key} {value}" for key, value in row.facts),
            ]
        )
    lines = columns.table(table, width, elastic=6) if rows else []
    if finding is not None:
        lines += finding_lines(finding, say, width)
    return lines
