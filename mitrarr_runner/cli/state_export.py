"""state export --review: what a reviewer's machine needs for a plan, and nothing of a person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mitrarr_runner.cli.options import CONFIG
from mitrarr_runner.cli.place import strict
from mitrarr_runner.cli.session import Session
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.errors import UsageError
from mitrarr_runner.text import mark, text


def export(
    ctx: typer.Context,
    review: Annotated[
        str | None,
        typer.Option("--review", help=mark("The file to write; - for standard output.")),
    ] = None,
    config: Annotated[str | None, CONFIG] = None,
) -> int:
    from mitrarr_runner.engine.review_state import exported

    here = session(ctx)
    if review is None:
        raise UsageError(
            text("only one kind of export is known: --review FILE"),
            code="usage",
            hint=text("for example: mitrarr state export --review state.json"),
        )
    found = strict(here, config)
    store = found.open_readonly()
    if store is None:
        raise UsageError(
            text("nothing was ever stored here: {path}", path=str(found.path)),
            code="no_store",
            hint=text("the first apply makes the store: mitrarr apply {path}", path=found.shown),
        )
    with store:
        content = found.validation.loaded.data
        data = exported(store, found.manifest, content, found.site, here.clock)
    if review == "-":
        here.write_json((json.dumps(data, ensure_ascii=False), "\n"))
        return 0
    _write(here, here.cwd / review, json.dumps(data, ensure_ascii=False).encode())
    return 0


def _write(here: Session, path: Path, data: bytes) -> None:
    from mitrarr_runner import atomic

    try:
        atomic.write_file(path, data)
    except OSError as error:
        raise UsageError(
            text("{path} cannot be written: {reason}", path=str(path), reason=error.strerror),
            code="not_written",
        ) from error
    here.print(text("{path}: the state for a review, without personal data", path=str(path)))


VERBS = (
    Verb(
        "export",
        export,
        mark(
            "Write what `plan --state FILE` needs on another machine: jobs, slots, volumes, pauses;"
            " no personal data.\n\nExample: mitrarr state export --review state.json"
        ),
        group="state",
    ),
)
