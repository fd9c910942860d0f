"""nist show, validate, extract: look into ANSI/NIST files; no site and no store is needed."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from mitrarr_runner import atomic
from mitrarr_runner.cli.screen import show, width
from mitrarr_runner.cli.session import Session, output_format
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.engine.report.nist import Checked
from mitrarr_runner.errors import FailedError, UsageError
from mitrarr_runner.nist.model import Finding, Record, Transaction
from mitrarr_runner.nist.reader import NistError
from mitrarr_runner.store.registry import Noted
from mitrarr_runner.text import mark, plural, text

_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))
_FILE = typer.Argument(metavar="FILE", help=mark("An ANSI/NIST file."))


def nist_show(
    ctx: typer.Context,
    file: Annotated[str, _FILE],
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.engine.report.nist import show_json, show_text
    from mitrarr_runner.nist.listing import describe
    from mitrarr_runner.nist.reader import read

    here = session(ctx)
    wanted = output_format(format)
    problem: Noted | None = None
    found: Transaction | None
    try:
        found = read(_content(file))
    except NistError as error:
        found, problem = error.partial, _noted(error.finding)
    rows = describe(found) if found is not None else []
    if wanted == "json":
        here.json(show_json(file, rows, problem, here.say))
    else:
        show(here, show_text(rows, problem, here.say, width(here)))
    return 0 if problem is None else 1


def nist_validate(
    ctx: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help=mark("ANSI/NIST files."))],
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.engine.report.nist import checked_json, checked_text

    here = session(ctx)
    wanted = output_format(format)
    checked = [_checked(here, file) for file in files]
    if wanted == "json":
        here.json(checked_json(checked, here.say))
    else:
        show(here, checked_text(checked, here.say, width(here)))
    if not all(one.readable for one in checked):
        return 2
    return 0 if all(one.sound for one in checked) else 1


def _checked(here: Session, file: str) -> Checked:
    """A file that cannot be opened is a finding, so that it hides no other."""
    from mitrarr_runner.nist.checks import inspect

    try:
        content = _content(file)
    except UsageError as error:
        return Checked(file, (Noted(error.code, "error", error.message),), readable=False)
    seen = inspect(content, today=here.clock.now().date())
    return Checked(file, tuple(_noted(finding) for finding in seen.findings))


def nist_extract(
    ctx: typer.Context,
    file: Annotated[str, _FILE],
    output: Annotated[
        str, typer.Option("--output", help=mark("Folder for the images; made if missing."))
    ],
    face: Annotated[bool, typer.Option("--face", help=mark("Only the face images."))] = False,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.nist.reader import read

    here = session(ctx)
    wanted = output_format(format)
    images = _images(read(_content(file)))
    if face:
        images = [image for image in images if image.face]
    if not images:
        raise FailedError(
            text("the file holds no face image") if face else text("the file holds no image"),
            code="no_image",
            hint=text("see what it holds: mitrarr nist show FILE"),
        )
    written = _write(Path(output), images)
    if wanted == "json":
        here.json(
            {
                "files": [
                    {"path": str(path), "record": image.record, "bytes": len(image.data)}
                    for path, image in written
                ]
            }
        )
        return 0
    for path, image in written:
        here.print(f"{path}  {here.say.size(len(image.data))}")
    here.print(plural("{count} image written", "{count} images written", len(written)))
    return 0


@dataclass(frozen=True, slots=True)
class _Image:
    """An image as it stands in the file; nothing is decoded or converted."""

    record: int
    face: bool
    name: str
    data: memoryview = field(repr=False)


def _images(found: Transaction) -> list[_Image]:
    return [
        _image(record)
        for record in found.records
        if record.type not in (1, 2) and record.data is not None and len(record.data)
    ]


def _image(record: Record) -> _Image:
    data = record.data
    assert data is not None  # noqa: S101 - the caller has looked
    is_face = record.type == 10 and (record.text(3) or "").strip() == "FACE"
    word = "face" if is_face else f"type{record.type}"
    return _Image(
        record.position, is_face, f"record{record.position:03d}-{word}{_ending(data)}", data
    )


def _ending(data: memoryview) -> str:
    """By the first bytes; what is none of these is left as it is, .bin."""
    head = bytes(data[:12])
    for start, ending in (
        (b"\xff\xd8\xff", ".jpg"),
        (b"\x89PNG", ".png"),
        (b"\x00\x00\x00\x0cjP", ".jp2"),
        (b"\xff\x4f\xff\x51", ".j2k"),
        (b"\xff\xa0\xff", ".wsq"),
    ):
        if head.startswith(start):
            return ending
    return ".bin"


def _write(folder: Path, images: Sequence[_Image]) -> list[tuple[Path, _Image]]:
    """Every image or none; mode 0600, never over another file."""
    targets = [(folder / image.name, image) for image in images]
    made: list[Path] = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, image in targets:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            made.append(path)
            try:
                atomic.write_all(descriptor, image.data)
            finally:
                os.close(descriptor)
    except OSError as error:
        for path in made:
            path.unlink(missing_ok=True)
        raise _not_written(folder, error) from None
    return targets


def _not_written(folder: Path, error: OSError) -> UsageError:
    if isinstance(error, FileExistsError):
        return UsageError(
            text("{folder} holds images of that name already", folder=str(folder)),
            code="output_exists",
            hint=text("name a new folder; nothing was overwritten"),
        )
    return UsageError(
        text(
            "{folder} cannot be written: {reason}",
            folder=str(folder),
            reason=os.strerror(error.errno or 0),
        ),
        code="output_unwritable",
        hint=text("name a folder that you may write to; nothing was kept"),
    )


def _content(file: str) -> bytes:
    """The whole file; a pipe or a device, which may never end, is refused."""
    try:
        if stat.S_ISREG(Path(file).stat().st_mode):
            return Path(file).read_bytes()
        message = text("{file} is not a regular file", file=file)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        message = text("{file} cannot be read: {reason}", file=file, reason=reason)
    hint = text("give the path of one ANSI/NIST file")
    raise UsageError(message, code="file_unreadable", hint=hint)


def _noted(finding: Finding) -> Noted:
    return Noted(
        finding.code,
        finding.severity.value,
        finding.message,
        finding.offset,
        finding.record,
        finding.field,
    )


VERBS = (
    Verb(
        "show",
        nist_show,
        mark(
            "List the records of a file: type, size, image, never a person's data. Exit 1 when the"
            " file cannot be walked to its end.\n\n\b\nExample:\n  mitrarr nist show 013.nst"
        ),
        "nist",
    ),
    Verb(
        "validate",
        nist_validate,
        mark(
            "Check files as the intake does, and say what is wrong and where. Exit 1 with errors."
            "\n\n\b\nExample:\n  mitrarr nist validate spool/*.nst"
        ),
        "nist",
    ),
    Verb(
        "extract",
        nist_extract,
        mark(
            "Write the images of a file to a folder, as they are; never over another file."
            "\n\n\b\nExample:\n  mitrarr nist extract 013.nst --output faces --face"
        ),
        "nist",
    ),
)
