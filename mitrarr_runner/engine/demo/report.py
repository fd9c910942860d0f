"""The end of the demo, as a person should read it: what came in, what went out, the account."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mitrarr_runner.engine.demo.run import Demo
from mitrarr_runner.text import Catalogue, Text, plural


def report(demo: Demo, folder: str, say: Catalogue) -> Iterator[str]:
    """Line by line, at most 80 columns for the usual folder names."""
    account = demo.account
    title = say("RESULT OF THE DEMO")
    yield f"{title}{say.span(demo.seconds):>{79 - len(title)}}"
    yield say(
        "  {count} ANSI/NIST files made in {folder} (invented faces and names)",
        count=account.files,
        folder=str(Path(folder) / "entrada"),
    )
    yield "  " + "     ".join(
        (
            say(plural("{count} registered", "{count} registered", account.registered)),
            say(
                plural(
                    "{count} repeated (same bytes)",
                    "{count} repeated (same bytes)",
                    account.repeated,
                )
            ),
            say("{count} in quarantine", count=len(account.quarantined)),
        )
    )
    yield from _held(say("quarantine"), account.quarantined, say("ask for it again"), say)
    yield "  " + "     ".join(
        (
            say("{count} in FindFace", count=account.sent),
            say(plural("{count} parked", "{count} parked", len(account.parked))),
        )
    )
    yield from _held(say("parked"), account.parked, say("somebody decides"), say)
    yield say(
        "  On the simulated server: {people} people ({faceless} still without a face), {faces}",
        people=account.remote_people,
        faceless=account.faceless,
        faces=account.remote_faces,
    )
    yield say("  faces and {doubled} doubled, although", doubled=account.doubled)
    yield say(
        "  it swallowed {lost} answers and dropped {reset} connections, on purpose.",
        lost=account.lost,
        reset=account.reset,
    )
    yield from _alerts(folder, say)
    yield ""
    yield _sum(demo, say)
    for problem in demo.problems:
        yield say("  PROBLEM  {problem}", problem=problem)
    yield from _now_you(demo, folder, say)


def _held(
    label: str, rows: tuple[tuple[str, Text], ...], advice: str, say: Catalogue
) -> Iterator[str]:
    for handle, why in rows:
        yield f"       {label:<12}  {handle:<4} {say(why)}"
        yield f"       {'':<12}  {'':<4} -> {advice}"


def _alerts(folder: str, say: Catalogue) -> Iterator[str]:
    path = Path(folder) / "logs" / "alerts.log"
    if path.exists():
        yield ""
        yield say("ALERTS THAT WENT OUT   {path}", path=str(path))
        for line in path.read_text(encoding="utf-8").splitlines()[:8]:
            yield f"  {line}"


def _sum(demo: Demo, say: Catalogue) -> str:
    account = demo.account
    parts = [
        say("{count} in FindFace", count=account.sent),
        say(plural("{count} parked", "{count} parked", len(account.parked))),
        say(plural("{count} repeated", "{count} repeated", account.repeated)),
        say("{count} in quarantine", count=len(account.quarantined)),
    ]
    if account.no_face:
        parts.append(say("{count} without a face", count=account.no_face))
    if account.waiting:
        parts.append(say("{count} waiting", count=account.waiting))
    told = " + ".join(parts)
    if account.closes and not demo.problems:
        return say("THE ACCOUNT CLOSES   {files} = {parts}", files=account.files, parts=told)
    return say("THE ACCOUNT DOES NOT CLOSE   {files} <> {parts}", files=account.files, parts=told)


def _now_you(demo: Demo, folder: str, say: Catalogue) -> Iterator[str]:
    quarantined = demo.account.quarantined[0][0] if demo.account.quarantined else "Q1"
    yield ""
    yield say("NOW YOU        cd {folder}", folder=folder)
    for command, words in (
        ("mitrarr plan configs/prod.yaml", say("what would run, when and why")),
        (f"mitrarr registry show {quarantined}", say("why it was refused")),
        ("mitrarr nist show entrada/012.nst", say("one file from the inside")),
        ("scheduler-cli pause adiciona_nists", say("pause, look at status, resume")),
    ):
        yield f"  {command:<37} {words}"
    yield say("Remove all of it: rm -r {folder}", folder=folder)
