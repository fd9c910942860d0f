"""How does a whole spool get into the registry? Look, read, judge, commit by groups, tidy up.

Idempotent: killed at any point and run again, nothing is lost and nothing is doubled. The account
closes: the parts of an IntakeResult add up to the files that were taken up. One damaged file stops
no other; a disk that runs full, or a request to stop, ends the run after the group in hand.

Files given by hand, and quarantined ones that get another chance, are in `by_hand`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mitrarr_runner.clock import Clock
from mitrarr_runner.errors import FailedError
from mitrarr_runner.intake import group, identity, leaving, originals, spool
from mitrarr_runner.intake.by_hand import Registered, register_file, requeue
from mitrarr_runner.intake.group import Ground, Stage
from mitrarr_runner.intake.ledger import Entered, Outcome
from mitrarr_runner.intake.originals import FreeBytes
from mitrarr_runner.intake.spool import SpoolFile, SpoolLook
from mitrarr_runner.intake.taking import Left, Taken, take
from mitrarr_runner.intake.verdict import FromFile
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Source
from mitrarr_runner.site import Site
from mitrarr_runner.store import sightings
from mitrarr_runner.store.database import Database

__all__ = ["IntakeResult", "Registered", "register_file", "register_spool", "requeue"]

GROUP_FILES = 50
GROUP_SECONDS = 1.0
SECOND_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """One run over one spool. files = registered + no_face + ... + failed, always.

    The parts are those of `ledger.Outcome`. waiting: ready, but the run ended before their turn.
    arriving, unmatched, done: as in SpoolLook, not taken up. unmoved: registered files that could
    not be archived or deleted. new_quarantine_handles: of the `quarantined` ones. stopped: why the
    run ended early (disk_reserve ...); what was counted until then stands.
    """

    registered: int = 0
    no_face: int = 0
    repeated: int = 0
    revised: int = 0
    quarantined: int = 0
    retried: int = 0
    refused: int = 0
    gone: int = 0
    failed: int = 0
    waiting: int = 0
    arriving: int = 0
    unmatched: int = 0
    done: int = 0
    unmoved: int = 0
    new_quarantine_handles: tuple[str, ...] = ()
    stopped: FailedError | None = field(default=None, compare=False)

    @property
    def files(self) -> int:
        """Files taken up in this run."""
        return sum(getattr(self, outcome.value) for outcome in Outcome)


def register_spool(
    db: Database,
    site: Site,
    source: Source,
    *,
    clock: Clock,
    run: int | None,
    actor: str,
    progress: Callable[[int, int | None], None],
    stopping: Callable[[], bool],
    log: EventLog,
    pause: Callable[[float], None] = time.sleep,
    free: FreeBytes = originals.free_bytes,
    stage: Stage = group.no_stage,
) -> IntakeResult:
    """Take in what is ready. FailedError: spool_missing, spool_unmounted, spool_unreadable,
    store_unwritable; UsageError: no_spool, id_template. A disk that is full ends it with `stopped`.
    """
    rule = identity.rule(source.id)
    ground = Ground(db, site, source, clock, run, actor, stage)
    group.sweep(ground)
    with spool.folder(source) as folder:
        found = _looked(ground, folder, pause)
        work = _Work(ground, folder, rule, free)
        work.leave(found.leftover)
        work.through(found.ready, progress, stopping)
    result = work.result(found)
    log.event("intake", source=source.name, run=run, files=result.files, **_logged(result))
    return result


def _looked(ground: Ground, folder: int, pause: Callable[[float], None]) -> SpoolLook:
    """One look, or two where files wait for nothing but the second one."""
    found = _look(ground, folder)
    if ground.source.settle > 0 and spool.second_look(found):
        pause(SECOND_LOOK_SECONDS)
        found = _look(ground, folder)
    return found


def _look(ground: Ground, folder: int) -> SpoolLook:
    db, source = ground.db, ground.source
    now = ground.clock.now()
    found = spool.look_in(folder, source, sightings.seen_files(db, source.name), now)
    if found.notes or found.gone:
        with db.transaction():
            sightings.note_files(db, source.name, found.notes)
            sightings.forget_files(db, source.name, found.gone)
    return found


def _logged(result: IntakeResult) -> dict[str, object]:
    parts = {outcome.value: getattr(result, outcome.value) or None for outcome in Outcome}
    return {**parts, "stopped": result.stopped.code if result.stopped else None}


class _Work:
    """The files of one run, group by group, and their account."""

    def __init__(self, ground: Ground, folder: int, rule: identity.Rule, free: FreeBytes) -> None:
        self._ground = ground
        self._folder = folder
        self._rule = rule
        self._free = free
        self._outcomes: Counter[Outcome] = Counter()
        self._handles: list[str] = []
        self._unmoved = 0
        self._stopped: FailedError | None = None

    def through(
        self,
        ready: Sequence[SpoolFile],
        progress: Callable[[int, int | None], None],
        stopping: Callable[[], bool],
    ) -> None:
        """Read, commit and tidy up, until all is done or the run has to stop."""
        files = iter(self._trusted(ready))
        progress(0, len(ready))
        while not (self._stopped or stopping()):
            taken, cut, more = self._gather(files)
            self._commit(taken, cut)
            progress(sum(self._outcomes.values()), len(ready))
            if not more:
                break

    def _trusted(self, ready: Sequence[SpoolFile]) -> Iterator[SpoolFile]:
        """Seen twice; what came between our two looks waits for the next run."""
        trust = self._ground.source.settle == 0
        return (file for file in ready if trust or file.known is not None)

    def _gather(self, files: Iterator[SpoolFile]) -> tuple[list[Taken], list[SpoolFile], bool]:
        """Files for one commit: at most 50, at most for a second; and whether more may follow."""
        taken: list[Taken] = []
        cut: list[SpoolFile] = []
        started = self._ground.clock.monotonic()
        for file in files:
            try:
                found = self._take(file)
            except FailedError as error:
                self._stopped = error
                return taken, cut, False
            if isinstance(found, Left):
                self._outcomes[found.outcome] += 1
                cut += [file] if found.truncated else []
            else:
                taken.append(found)
            late = self._ground.clock.monotonic() - started >= GROUP_SECONDS
            if late or len(taken) + len(cut) >= GROUP_FILES:
                return taken, cut, True
        return taken, cut, False

    def _take(self, file: SpoolFile) -> Taken | Left:
        ground = self._ground
        originals.check_reserve(ground.site, file.size, self._free)
        who = FromFile(self._rule, identity.stem_of(file.name))
        today = ground.clock.now().date()
        return take(ground.site, ground.source, self._folder, file, who, today)

    def _commit(self, taken: list[Taken], cut: list[SpoolFile]) -> None:
        if not taken and not cut:
            return
        self._ground.stage("copied")
        try:
            entered = group.commit(self._ground, taken, cut)
        except FailedError as error:
            self._stopped = error
            return
        for item in entered:
            self._count(item)
        self.leave([item.file for item in taken if item.file is not None])

    def _count(self, item: Entered) -> None:
        self._outcomes[item.outcome] += 1
        if item.outcome is Outcome.QUARANTINED:
            self._handles.append(item.record.handle)

    def leave(self, files: Sequence[SpoolFile]) -> None:
        """Keep, archive or delete files whose registration is durable."""
        ground = self._ground
        for file in files:
            now = ground.clock.now()
            if not leaving.leave(self._folder, file, ground.source.after, now):
                self._unmoved += 1
            ground.stage("left")

    def result(self, found: SpoolLook) -> IntakeResult:
        counted = sum(self._outcomes.values())
        self._outcomes[Outcome.REFUSED] += found.refused
        return IntakeResult(
            **{outcome.value: self._outcomes[outcome] for outcome in Outcome},
            waiting=len(found.ready) - counted,
            arriving=found.arriving,
            unmatched=found.unmatched,
            done=found.done,
            unmoved=self._unmoved,
            new_quarantine_handles=tuple(self._handles),
            stopped=self._stopped,
        )
