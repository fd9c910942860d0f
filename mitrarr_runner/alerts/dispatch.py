"""How do notices leave the house? From the outbox to the channels, by one dispatcher at a time.

Each notice was committed before; it is marked after it left, so a crash in between sends it again
under the same stable id. A channel that does not take one is left alone until its back-off has
passed (what comes later waits behind it: an end is never told before its beginning); it never
fails the work that is reported on, and its state is a verdict that becomes an incident.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from zoneinfo import ZoneInfo

from mitrarr_runner import locks
from mitrarr_runner.alerts.channels import CHANNELS
from mitrarr_runner.alerts.channels.contract import ChannelError, ChannelKind, Target
from mitrarr_runner.alerts.channels.log import path_of
from mitrarr_runner.alerts.model import Notice, NoticeKind
from mitrarr_runner.clock import Clock
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Channel, Manifest, Settings, Severity
from mitrarr_runner.redact import safe
from mitrarr_runner.site import Site
from mitrarr_runner.store import incidents, readings
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.incidents import StoredNotice
from mitrarr_runner.text import Catalogue, text, to_data

LIMIT = 20
"""Notices of one channel in one go; the rest leaves as one digest."""

LAST_RESORT = "alerts:log"
"""The channel that is always there, logs/alerts.log; no manifest can give this name."""

_BACKOFF = 60
_BACKOFF_MAX = 3600
_ORPHANED = timedelta(days=1)
"""How long a notice waits for a channel that is not declared: a manifest that cannot be read today
declares none, and is mended tomorrow.
"""


@dataclass(frozen=True, slots=True)
class Post:
    """Everything a dispatch needs beside the store. manifest: the name the outbox is keyed by."""

    manifest: str
    targets: Mapping[str, Target]
    site: Site
    clock: Clock
    log: EventLog
    kinds: Mapping[str, ChannelKind]

    def always_logged(self, names: Sequence[str]) -> tuple[str, ...]:
        """These channels, and alerts.log where none of them writes there already."""
        names = tuple(dict.fromkeys(name for name in names if name in self.targets))
        if any(_is_alerts_log(self.targets[name]) for name in names):
            return names
        return (*names, LAST_RESORT)


def post(
    manifest: Manifest | None,
    site: Site,
    clock: Clock,
    log: EventLog,
    kinds: Mapping[str, ChannelKind] = CHANNELS,
) -> Post:
    """Without a manifest there is alerts.log, in English."""
    settings = manifest.settings if manifest else Settings()
    channels = dict(manifest.alerts.channels) if manifest else {}
    channels[LAST_RESORT] = Channel(LAST_RESORT, "log")
    say = Catalogue(settings.language or "en")
    zone = ZoneInfo(settings.timezone)
    alerts_log = site.root / settings.alerts_log
    targets = {
        name: Target(
            name, one.kind, one.options, site.root, alerts_log, zone, say, socket.gethostname()
        )
        for name, one in channels.items()
    }
    return Post(manifest.name if manifest else "-", targets, site, clock, log, kinds)


def dispatch(db: Database, post: Post) -> None:
    """Send what is due. Where another process holds the lock, it sends ours as well.

    What another process commits after our last look and before we let go of the lock would be
    left until the next apply: hence the second round.
    """
    lock = post.site.locks / f"notices.{db.path.stem}.{post.manifest}.lock"
    for _ in range(2):
        if not _due(incidents.unsent(db, post.manifest), post):
            return
        held = locks.acquire(lock)
        if held is None:
            return
        with held:
            _send_due(db, post)


def _send_due(db: Database, post: Post) -> None:
    waiting = _due(incidents.unsent(db, post.manifest), post)
    for channel, notices in groupby(
        sorted(waiting, key=attrgetter("channel")), key=attrgetter("channel")
    ):
        _send_channel(db, post, channel, tuple(notices))


def heads(waiting: Sequence[StoredNotice]) -> Mapping[str, StoredNotice]:
    """The oldest unsent notice of each channel; what is behind it waits with it."""
    return {notice.channel: notice for notice in reversed(waiting)}


def due_at(head: StoredNotice, declared: Collection[str], now: datetime) -> datetime:
    """When a channel may be tried again, by its oldest notice.

    A back-off further away than the longest there is was written by a clock that has gone back.
    """
    if head.channel not in declared:
        return head.at + _ORPHANED
    far = (head.not_before - now).total_seconds() > _BACKOFF_MAX
    return now if far else head.not_before


def _due(waiting: Sequence[StoredNotice], post: Post) -> tuple[StoredNotice, ...]:
    """Everything of the channels that may be tried now."""
    now = post.clock.now()
    oldest = heads(waiting).items()
    ready = {channel for channel, head in oldest if due_at(head, post.targets, now) <= now}
    return tuple(notice for notice in waiting if notice.channel in ready)


def _send_channel(
    db: Database, post: Post, channel: str, waiting: tuple[StoredNotice, ...]
) -> None:
    batches = [(stored,) for stored in waiting[:LIMIT]]
    rest = waiting[LIMIT:]
    for batch in (*batches, rest) if rest else batches:
        error = _attempt(post, channel, batch)
        _record(db, post, channel, batch, error)
        if error is not None and not error.permanent:
            return


def _attempt(post: Post, channel: str, batch: Sequence[StoredNotice]) -> ChannelError | None:
    """Send one notice, or one digest of several; the error instead of raising it."""
    notices = [Notice.from_payload(stored.payload) for stored in batch]
    notice = notices[0] if len(notices) == 1 else _digest(post, channel, batch, notices)
    target = post.targets.get(channel)
    if target is None:
        return ChannelError(
            "channel_gone", text("the manifest has no such channel any more"), permanent=True
        )
    kind = post.kinds.get(target.kind)
    if kind is None:
        reason = text("{kind}: not available in this version", kind=target.kind)
        return ChannelError("channel_unavailable", reason, permanent=True)
    try:
        kind.send(notice, target)
    except ChannelError as error:
        return error
    except Exception as error:  # whatever goes wrong with a channel, the work goes on
        name = type(error).__name__
        return ChannelError("channel_bug", text("a bug: {name}", name=name), permanent=False)
    return None


def _digest(
    post: Post, channel: str, batch: Sequence[StoredNotice], notices: Sequence[Notice]
) -> Notice:
    severities = {notice.severity for notice in notices}
    worst = next(one for one in reversed(Severity) if one in severities)
    return Notice(
        "A-",
        NoticeKind.DIGEST,
        "digest",
        "-",
        worst,
        min(notice.since for notice in notices),
        post.clock.now(),
        {"count": len(notices), "handles": [notice.handle for notice in notices]},
        manifest=post.manifest,
        fingerprint=notices[-1].fingerprint,
        host=socket.gethostname(),
        stable_id=f"{post.manifest}.digest.{batch[0].id}-{batch[-1].id}.{channel}",
    )


def _record(
    db: Database,
    post: Post,
    channel: str,
    batch: Sequence[StoredNotice],
    error: ChannelError | None,
) -> None:
    now = post.clock.now()
    numbers = [stored.id for stored in batch]
    with db.transaction():
        if error is None:
            incidents.sent(db, numbers, now)
        elif error.permanent:
            incidents.give_up(db, numbers, error.code, now)
        else:
            incidents.put_off(db, numbers[0], error.code, now + _backoff(batch[0].attempts))
        _judge_channel(db, post, channel, error, now)
    if error is not None:
        post.log.event(
            "notice_not_sent", channel=channel, code=error.code, reason=safe(str(error.reason))
        )


def _judge_channel(
    db: Database, post: Post, channel: str, error: ChannelError | None, now: datetime
) -> None:
    """Keep how the channel stands; a channel that always worked leaves no row."""
    known = {
        verdict.subject: verdict.state
        for verdict in readings.verdicts(db, post.manifest)
        if verdict.kind == "channel"
    }
    if error is None and known.get(channel, "ok") == "ok":
        return
    code = "ok" if error is None else error.code
    detail = {} if error is None else {"message": to_data(error.reason)}
    state = "ok" if error is None else "failed"
    readings.set_verdict(db, post.manifest, "channel", channel, state, code, detail, now)


def _backoff(attempts: int) -> timedelta:
    return timedelta(seconds=min(_BACKOFF_MAX, _BACKOFF * 2 ** min(attempts, 10)))


def _is_alerts_log(target: Target) -> bool:
    return target.kind == "log" and path_of(target) == target.alerts_log
