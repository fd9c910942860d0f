"""The outbox: what a channel does not take waits, nothing is lost, nothing floods."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner import locks
from mitrarr_runner.alerts import dispatch, notify
from mitrarr_runner.alerts.channels import CHANNELS
from mitrarr_runner.alerts.channels.contract import ChannelError, Target
from mitrarr_runner.alerts.model import Notice
from mitrarr_runner.manifest.model import Channel, Manifest, Rule, RuleWhen, Severity
from mitrarr_runner.store import incidents
from mitrarr_runner.store.database import open_database
from mitrarr_runner.store.runs import Outcome
from mitrarr_runner.text import text

MAIL = Channel("plantao", "mail")


class Mail:
    """A channel whose far side is this object; it takes, refuses or breaks as told."""

    KIND = "mail"

    def __init__(self) -> None:
        self.taken: list[Notice] = []
        self.trouble: Exception | None = None
        self.asked = 0

    def send(self, notice: Notice, target: Target) -> None:
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        self.taken.append(notice)

    def down(self, *, permanent: bool = False) -> None:
        reason = text("mail.example does not answer")
        self.trouble = ChannelError("no_answer", reason, permanent=permanent)


@pytest.fixture
def mail() -> Mail:
    return Mail()


def watch(house: Any, manifest: Any, mail: Mail | None = None) -> notify.WatchResult:
    kinds = CHANNELS if mail is None else {**CHANNELS, "mail": mail}
    return notify.watch(house.db, manifest, house.site, house.clock, house.log, kinds=kinds)


def failed(severity: Severity = Severity.CRITICAL, repeat: int = 0) -> Rule:
    return Rule("job_failed", severity, ("plantao",), after=1, repeat=repeat)


def test_every_alert_is_in_alerts_log_even_when_no_rule_sends_it_there(
    house: Any, manifest: Any, mail: Mail
) -> None:
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, manifest(failed(), channels=(MAIL,)), mail)
    assert [notice.handle for notice in mail.taken] == ["A1"]
    assert house.words() == ["A1 CRITICAL opened job_failed adiciona_nists r1 failed"]


def test_a_log_of_its_own_does_not_replace_alerts_log(house: Any, manifest: Any) -> None:
    own = Channel("plantao", "log", {"path": "logs/plantao.log"})
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, manifest(failed(), channels=(own,)))
    assert (house.site.logs / "plantao.log").read_text().splitlines() == house.lines()
    assert len(house.lines()) == 1


def test_a_failing_channel_is_an_incident_and_is_not_told_of_itself(
    house: Any, manifest: Any, mail: Mail
) -> None:
    made = manifest(failed(), channels=(MAIL,))
    mail.down()
    house.ran("adiciona_nists", Outcome.FAILED)
    result = watch(house, made, mail)
    assert house.words() == [
        "A1 CRITICAL opened job_failed adiciona_nists r1 failed",
        "A2 WARNING opened channel_failed plantao mail.example does not answer",
    ]
    assert len(result.opened) == 2
    mail.trouble = None
    house.wait(minutes=1)
    watch(house, made, mail)
    assert [notice.handle for notice in mail.taken] == ["A1"]
    assert house.words()[2:] == ["A2 WARNING recovered channel_failed plantao after 1m00s"]


def test_retries_back_off_and_stop_at_an_hour(house: Any, manifest: Any, mail: Mail) -> None:
    made = manifest(failed(), channels=(MAIL,))
    mail.down()
    house.ran("adiciona_nists", Outcome.FAILED)
    start, tried = house.clock.now(), []
    for _ in range(60 * 6):
        before = mail.asked
        watch(house, made, mail)
        if mail.asked > before:
            tried.append(int((house.clock.now() - start).total_seconds() // 60))
        house.wait(minutes=1)
    assert tried == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303]


def test_a_retry_is_not_muted_by_a_clock_that_went_back(
    house: Any, manifest: Any, mail: Mail
) -> None:
    made = manifest(failed(), channels=(MAIL,))
    mail.down()
    house.wait(days=365)
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, made, mail)
    house.wait(days=-365)
    mail.trouble = None
    watch(house, made, mail)
    assert [notice.handle for notice in mail.taken] == ["A1"]


def test_an_end_waits_behind_its_beginning(house: Any, manifest: Any, mail: Mail) -> None:
    made = manifest(failed(), channels=(MAIL,))
    mail.down()
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, made, mail)
    house.ran("adiciona_nists", Outcome.OK)
    mail.trouble = None
    watch(house, made, mail)  # the beginning is still in its back-off
    assert mail.taken == []
    house.wait(minutes=1)
    watch(house, made, mail)
    assert [notice.kind.value for notice in mail.taken] == ["opened", "recovered"]


def test_who_refused_the_beginning_for_good_does_not_hear_of_the_end(
    house: Any, manifest: Any, mail: Mail
) -> None:
    made = manifest(failed(), channels=(MAIL,))
    mail.down(permanent=True)
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, made, mail)
    mail.trouble = None
    house.ran("adiciona_nists", Outcome.OK)
    house.wait(hours=5)
    watch(house, made, mail)
    assert mail.taken == []
    assert incidents.unsent(house.db, "prod") == ()
    assert "A1 CRITICAL recovered job_failed adiciona_nists after 5h00m" in house.words()


def test_a_bug_in_a_channel_fails_nothing(house: Any, manifest: Any, mail: Mail) -> None:
    made = manifest(failed(), channels=(MAIL,))
    mail.trouble = ZeroDivisionError("card 123.456.789-09")
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, made, mail)
    assert house.words()[1] == "A2 WARNING opened channel_failed plantao a bug: ZeroDivisionError"
    assert "123" not in house.site.main_log.read_text()


def test_a_kind_that_is_not_built_yet_says_so(house: Any, manifest: Any) -> None:
    pager = Channel("pager", "pager", {"number": "x"})
    rule = Rule("job_failed", Severity.CRITICAL, ("pager",), after=1, repeat=3600)
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, manifest(rule, channels=(pager,)))
    watch(house, manifest(rule, channels=(pager,)))
    assert house.words() == [
        "A1 CRITICAL opened job_failed adiciona_nists r1 failed",
        "A2 WARNING opened channel_failed pager pager: not available in this version",
    ]


def test_twenty_notices_and_one_digest(house: Any, manifest: Any, mail: Mail) -> None:
    jobs = tuple(f"job_{number:02d}" for number in range(33))
    made = manifest(failed(), channels=(MAIL,), jobs=jobs)
    for name in jobs:
        house.ran(name, Outcome.FAILED)
    watch(house, made, mail)
    assert len(mail.taken) == 21
    digest = mail.taken[-1]
    assert digest.kind.value == "digest"
    assert digest.detail["handles"] == [f"A{number}" for number in range(21, 34)]
    assert digest.severity is Severity.CRITICAL
    assert house.words()[-1].startswith("A- CRITICAL digest digest - 13 more: A21, A22")
    assert incidents.unsent(house.db, "prod") == ()
    watch(house, made, mail)
    assert len(mail.taken) == 21


def test_alerts_log_that_cannot_be_written_is_told_to_the_others(
    house: Any, manifest: Any, mail: Mail
) -> None:
    made = manifest(failed(), channels=(MAIL,))
    (house.site.logs / "alerts.log").mkdir()
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, made, mail)
    assert [(notice.rule, notice.subject) for notice in mail.taken] == [
        ("job_failed", "adiciona_nists"),
        ("channel_failed", "alerts:log"),
    ]
    (house.site.logs / "alerts.log").rmdir()
    house.wait(minutes=1)
    watch(house, made, mail)
    assert "A1 CRITICAL opened job_failed adiciona_nists r1 failed" in house.words()


def test_while_another_dispatcher_works_nobody_waits_for_it(
    house: Any, manifest: Any, mail: Mail
) -> None:
    made = manifest(failed(), channels=(MAIL,))
    house.ran("adiciona_nists", Outcome.FAILED)
    held = locks.acquire(house.site.locks / "notices.mitrarr.prod.lock")
    assert held is not None
    with held:
        watch(house, made, mail)
        assert mail.taken == []
    watch(house, made, mail)
    assert [notice.handle for notice in mail.taken] == ["A1"]


def test_the_dispatcher_takes_along_what_came_while_it_worked(house: Any, manifest: Any) -> None:
    """Another process commits a notice, finds the lock busy and leaves: it may not stay."""
    made = manifest(failed(), channels=(MAIL,))
    entered, go_on = threading.Event(), threading.Event()

    class Slow(Mail):
        def send(self, notice: Notice, target: Target) -> None:
            super().send(notice, target)
            entered.set()
            assert go_on.wait(10)

    slow = Slow()
    house.ran("adiciona_nists", Outcome.FAILED)
    path = house.db.path

    def first() -> None:
        with open_database(path) as db:
            kinds = {**CHANNELS, "mail": slow}
            notify.watch(db, made, house.site, house.clock, house.log, kinds=kinds)

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(10)
    house.ran("rsync_espelho", Outcome.FAILED)
    watch(house, made, slow)  # busy: leaves at once
    go_on.set()
    thread.join(10)
    assert sorted(notice.subject for notice in slow.taken) == ["adiciona_nists", "rsync_espelho"]


def in_child(work: Any) -> int:
    """Run work in a forked process and return its wait status."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(9)
    return os.waitpid(pid, 0)[1]


@pytest.mark.parametrize("killed", ["before sending", "after sending"])
def test_kill_9_between_commit_and_mark(
    house: Any, manifest: Any, tmp_path: Path, killed: str
) -> None:
    """Sent at least once, each time under the same stable id."""
    made = manifest(failed(), channels=(MAIL,))
    house.ran("adiciona_nists", Outcome.FAILED)
    house.db.close()
    received = tmp_path / "received"

    class File:
        KIND = "mail"

        def __init__(self, *, dies: bool) -> None:
            self.dies = dies

        def send(self, notice: Notice, target: Target) -> None:
            if self.dies and killed == "before sending":
                os.kill(os.getpid(), signal.SIGKILL)
            with received.open("a") as file:
                file.write(notice.stable_id + "\n")
            if self.dies:
                os.kill(os.getpid(), signal.SIGKILL)

    def apply(*, dies: bool) -> None:
        with open_database(house.db.path) as db:
            kinds = {**CHANNELS, "mail": File(dies=dies)}
            notify.watch(db, made, house.site, house.clock, house.log, kinds=kinds)

    status = in_child(lambda: apply(dies=True))
    assert os.WTERMSIG(status) == signal.SIGKILL
    house.wait(minutes=10)
    apply(dies=False)
    apply(dies=False)
    ids = received.read_text().splitlines()
    assert len(ids) == (1 if killed == "before sending" else 2)
    assert set(ids) == {"prod.A1.opened.1795443004.plantao"}
    assert house.words() == ["A1 CRITICAL opened job_failed adiciona_nists r1 failed"]


def test_a_channel_that_left_the_manifest_keeps_nothing_waiting(
    house: Any, manifest: Any, mail: Mail
) -> None:
    mail.down()
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, manifest(failed(), channels=(MAIL,)), mail)
    bare = manifest(failed())
    house.wait(hours=23)
    watch(house, bare, mail)
    assert len(incidents.unsent(house.db, "prod")) == 1
    assert house.words()[-1].startswith("A2 WARNING withdrawn channel_failed plantao")
    now = house.clock.now()
    assert notify.next_due(house.db, bare, now) == now + timedelta(hours=1)
    house.wait(hours=1)
    watch(house, bare, mail)
    assert incidents.unsent(house.db, "prod") == ()
    assert mail.taken == []


def test_a_manifest_that_is_broken_for_an_hour_loses_no_notice(
    house: Any, manifest: Any, mail: Mail
) -> None:
    made = manifest(failed(), channels=(MAIL,))
    mail.down()
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, made, mail)
    house.wait(hours=1)
    empty = Manifest("prod", None, house.site.root, "")
    only = {RuleWhen.MANIFEST_BROKEN}
    notify.watch(house.db, empty, house.site, house.clock, house.log, only=only)
    mail.trouble = None
    watch(house, made, mail)
    assert [notice.handle for notice in mail.taken] == ["A1"]


def test_one_try_for_each_apply_where_a_channel_does_not_answer(
    house: Any, manifest: Any, mail: Mail
) -> None:
    made = manifest(failed(), channels=(MAIL,))
    mail.down()
    for name in ("adiciona_nists", "rsync_espelho"):
        house.ran(name, Outcome.FAILED)
    watch(house, made, mail)
    assert mail.asked == 1
    now = house.clock.now()
    assert notify.next_due(house.db, made, now) == now + timedelta(minutes=1)


def test_two_stores_of_one_site_do_not_wait_for_each_other(house: Any, manifest: Any) -> None:
    """The guardian cannot leave its alerts to a dispatcher that does not see them."""
    guardian = replace(manifest(), name="guardian")
    held = locks.acquire(house.site.locks / "notices.mitrarr.prod.lock")
    assert held is not None
    with held, open_database(house.site.state / "guardian.db") as db:
        notify.emit(
            db,
            guardian,
            house.site,
            house.clock,
            type="manual",
            job=None,
            severity=Severity.INFO,
            message="x",
        )
    assert house.words() == ['A1 INFO emitted manual - "x"']


def test_dispatch_of_an_empty_outbox_takes_no_lock(house: Any, manifest: Any) -> None:
    outgoing = dispatch.post(manifest(), house.site, house.clock, house.log)
    dispatch.dispatch(house.db, outgoing)
    assert list(house.site.locks.iterdir()) == []
