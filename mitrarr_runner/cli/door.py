"""The one way in and the one handler: argv to exit code, whatever happens in between.

Errors people can act on are printed as "error: what happened" and "  -> what to do next" on
standard error. A bug leaves a redacted report file and exit code 70. Nobody sees a traceback.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from dataclasses import replace
from pathlib import Path

from mitrarr_runner import footing, redact
from mitrarr_runner.cli.session import Session, standard
from mitrarr_runner.clock import SystemClock
from mitrarr_runner.errors import MitrarrError, StateError, UsageError
from mitrarr_runner.text import LANGUAGES, Catalogue, Text, language_of, text

BUG = 70
INTERRUPTED = 130
BROKEN_PIPE = 141


def run(argv: list[str]) -> int:
    """Run one call of the command line; argv[0] is the program's name."""
    _stand_ins()
    words, asked = _language(argv[1:])
    language = None if asked is None else _known(asked)
    session = standard(Catalogue(language or language_of(os.environ)), SystemClock())
    if language:  # said on this very call: it also holds where the manifest's language would
        environment = {**session.environment, "MITRARR_LANG": language}
        session = replace(session, environment=environment)
    os.umask(0o077)
    try:
        if asked is not None and language is None:
            raise _no_language(asked)
        code = _called(_program(argv[0]), words, session)
        sys.stdout.flush()
        return code
    except MitrarrError as error:
        return _told(error, session)
    except KeyboardInterrupt:
        session.warn(text("interrupted"))
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`mitrarr history | head`); keep the interpreter's own flush quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return BROKEN_PIPE
    except OSError as error:
        full = _disk_trouble(error)
        return _bug(error, session) if full is None else _told(full, session)
    except Exception as error:  # the last net: a bug, told without a traceback
        return _bug(error, session)


def _stand_ins() -> None:
    """What is written to a standard stream that the caller has closed (`>&-`) goes nowhere.

    Its number is taken, so that no file of ours gets it, to be printed into.
    """
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # the lowest free number is given: this one
            os.open(os.devnull, os.O_RDWR)
    nowhere = Path(os.devnull)
    sys.stdin = sys.stdin or nowhere.open(encoding="utf-8")
    sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or nowhere.open("w", encoding="utf-8")


def _language(words: list[str]) -> tuple[list[str], str | None]:
    """--lang may stand anywhere; help texts need it before anything is parsed.

    The words without it, and what it said: "" without a value, None where it is not there.
    """
    kept: list[str] = []
    asked: str | None = None
    rest = iter(words)
    for word in rest:
        if word == "--":
            kept += [word, *rest]
        elif word == "--lang":
            asked = next(rest, "")
            asked = "" if asked.startswith("-") else asked
        elif word.startswith("--lang="):
            asked = word.removeprefix("--lang=")
        else:
            kept.append(word)
    return kept, asked


def _known(asked: str) -> str | None:
    """The language of "pt_BR", "pt", "en_US.UTF-8"; None where there is none."""
    wanted = asked.replace("-", "_").partition(".")[0].partition("_")[0].lower()
    return next((one for one in LANGUAGES if one.partition("_")[0] == wanted), None)


def _no_language(asked: str) -> UsageError:
    message = text('unknown language "{value}"', value=asked)
    if not asked:
        message = text("{name} wants a value", name="--lang")
    known = ", ".join(LANGUAGES)
    return UsageError(message, code="usage", hint=text("languages: {known}", known=known))


def _program(path: str) -> str:
    name = Path(path).name
    return {"main.py": "python -m infra.cli.main", "wake.py": "mitrarr"}.get(name, name)


def _called(program: str, words: list[str], session: Session) -> int:
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    if (plain := _plain_apply(words)) is not None:
        from mitrarr_runner.cli import applying

        return applying.apply(session, plain or None)
    import typer

    from mitrarr_runner.cli import app

    try:
        code = app.build(session.say, words[0] if words else None).main(
            args=words or ["--help"], prog_name=program, standalone_mode=False, obj=session
        )
    except typer.Exit as leaving:
        return leaving.exit_code
    except typer.Abort:
        return INTERRUPTED
    except SystemExit:  # without standalone_mode, only its own way out of a broken pipe
        raise BrokenPipeError from None
    except Exception as error:
        return _usage(error, program, session)
    return int(code or 0)


def _plain_apply(words: list[str]) -> str | None:
    """The manifest of a crontab line, "" for the usual one; None for every other call.

    `apply`, `apply PATH` and `run-schedule --config PATH` mean here exactly what they mean to
    Typer (a test holds the two ways together).
    """
    match words:
        case ["apply"] | ["run-schedule"]:
            return ""
        case ["apply", path] | ["run-schedule", "--config", path] if not path.startswith("-"):
            return path
    return None


def _usage(error: Exception, program: str, session: Session) -> int:
    """Typer's own complaints (unknown verb, missing option) go through our handler too."""
    from typer.exceptions import TyperException

    from mitrarr_runner.cli.usage import complaint

    if not isinstance(error, TyperException):
        raise error
    message, hint = complaint(error)
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else program
    session.warn(text("error: {message}", message=message))
    if hint is not None:
        session.warn(text("  -> {hint}", hint=hint))
    session.warn(text("  -> see: {command} --help", command=path))
    return 2


def _disk_trouble(error: OSError) -> StateError | None:
    """A disk that takes no more, or a folder that is shut, whoever was writing; what was there is
    whole (atomic.py).

    The folder is named and not the file: names in a spool may be somebody's.
    """
    name = str(Path(str(error.filename)).parent) if error.filename else "-"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StateError(
            text("the disk is full: {path}", path=redact.safe(name)),
            code="disk_full",
            hint=text("free some space and try again; nothing is half-written"),
        )
    if error.errno == errno.EROFS:
        return StateError(
            text("the disk is read-only: {path}", path=redact.safe(name)),
            code="disk_readonly",
            hint=text("look at its mount (mount, dmesg); nothing was changed"),
        )
    if isinstance(error, PermissionError) and isinstance(error.filename, str):
        return footing.shut(Path(error.filename).parent)
    return None


def _told(error: MitrarrError, session: Session) -> int:
    session.warn(text("error: {message}", message=error.message))
    if error.hint is not None:
        session.warn(text("  -> {hint}", hint=error.hint))
    return error.exit_code


def _bug(error: Exception, session: Session) -> int:
    """Write what a maintainer needs, without values: they may be somebody's data."""
    told = "".join(traceback.format_exception(error))
    frames = [line for line in told.splitlines() if line.startswith("  File ")]
    report = "\n".join([*frames, type(error).__name__, redact.safe(str(error)), ""])
    descriptor, name = tempfile.mkstemp(prefix="mitrarr-bug-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(report)
    message: Text = text("a bug in mitrarr ({name}); nothing was lost", name=type(error).__name__)
    session.warn(text("error: {message}", message=message))
    session.warn(text("  -> send this file, it holds no personal data: {path}", path=name))
    return BUG
