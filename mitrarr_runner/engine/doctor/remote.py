"""The destinations: certificate, login, rights, lists, clock, and whether people are found again.

Only looks: nothing is made or changed there, and nobody's name is read. One login per call, under
the site's own session, so that no session is left behind.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mitrarr_runner import http
from mitrarr_runner.delivery.client import secret
from mitrarr_runner.delivery.reasons import hint_of, trouble_text
from mitrarr_runner.delivery.site_key import path_of, session_uuid
from mitrarr_runner.engine.doctor.finding import Finding, Ground, ok, problem, raised, warning
from mitrarr_runner.errors import UsageError
from mitrarr_runner.findface.api import Destination as Client
from mitrarr_runner.findface.api import DestinationError, Probe
from mitrarr_runner.findface.multi import FindFaceMulti
from mitrarr_runner.http import NotSentError
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Destination
from mitrarr_runner.redact import safe
from mitrarr_runner.store import deliveries
from mitrarr_runner.store.deliveries import State
from mitrarr_runner.text import Text, text

PATIENCE = 15
"""Seconds a person waits for a silent server; an apply waits `read_timeout`."""

SOON, VERY_SOON = 30, 7
"""Days before a certificate's end."""

CLOCKS_APART = 60
"""Seconds."""

TRIED = 3
"""How many of the last people sent are looked up."""

_HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Patient:
    """One destination under examination."""

    ground: Ground
    destination: Destination
    subject: Text


def destinations(ground: Ground) -> Iterator[Finding]:
    for one in ground.destinations:
        patient = Patient(ground, one, text("destination {name}", name=one.name))
        yield from _encryption(patient)
        try:
            yield from _of_certificate(patient)
            yield from _of_server(patient)
        except NotSentError as error:
            yield _no_connection(patient, error.reason)
        except DestinationError as error:
            yield _trouble(patient, error)
        except UsageError as error:  # the password; its own check says more
            yield raised(error, patient.subject)


def _encryption(patient: Patient) -> Iterator[Finding]:
    address = urlsplit(patient.destination.url)
    if address.scheme.lower() == "http" and address.hostname not in _HERE:
        message = text("the password and every photo go there unencrypted (http)")
        hint = text("use https; ca_file names the site's own authority")
        yield warning("plain_http", patient.subject, message, hint)


def _of_certificate(patient: Patient) -> Iterator[Finding]:
    one = patient.destination
    end = http.certificate_end(one.url, ca_file=one.ca_file, timeout=PATIENCE)
    if end is None:
        return
    days = (end - patient.ground.clock.now()).days
    message = text(
        "its certificate ends on {day}, in {days} days", day=f"{end:%Y-%m-%d}", days=days
    )
    hint = text("have it renewed before that: afterwards nothing is sent")
    if days < VERY_SOON:
        yield problem("certificate", patient.subject, message, hint)
    elif days < SOON:
        yield warning("certificate", patient.subject, message, hint)
    else:
        yield ok("certificate", patient.subject, message)


def _no_connection(patient: Patient, reason: str) -> Finding:
    known = {
        "expired": text("its certificate has expired"),
        "untrusted": text("no authority that is known here signed its certificate"),
        "other_host": text("its certificate is for another host"),
    }
    hints = {
        "expired": text("have it renewed"),
        "untrusted": text("name the site's own authority: ca_file of the destination"),
        "other_host": text("use the host's name as in the certificate (url of the destination)"),
    }
    message = known.get(reason) or trouble_text(reason)
    return problem(
        f"no_{_kind(reason)}", patient.subject, message, hints.get(reason) or hint_of(reason)
    )


def _kind(reason: str) -> str:
    tls = ("expired", "untrusted", "other_host", "tls", "ca_file")
    return "certificate" if reason in tls else "connection"


def _trouble(patient: Patient, error: DestinationError) -> Finding:
    code = str(error.reason)
    message = trouble_text(code)
    if error.status is not None:
        message = text("{what} (status {status})", what=message, status=error.status)
    return problem(f"destination_{code}", patient.subject, message, hint_of(code))


def _of_server(patient: Patient) -> Iterator[Finding]:
    with _client(patient) as client:
        began = patient.ground.clock.monotonic()
        probe = client.probe()
        took = patient.ground.clock.monotonic() - began
        message = text(
            "answers (in {seconds} s), login accepted, {cards} people there",
            seconds=f"{took:.1f}",
            cards=probe.cards,
        )
        yield ok("login", patient.subject, message)
        yield _rights(patient, probe)
        yield _lists(patient, probe)
        yield _clock(patient, probe)
        yield _found_again(patient, client)


def _client(patient: Patient) -> Client:
    """As `delivery.client` makes it, but without making a site key and without its patience.

    Raises UsageError where the password cannot be had.
    """
    ground, one = patient.ground, patient.destination
    quiet = EventLog(Path(os.devnull), ground.clock)
    return FindFaceMulti(
        one.url,
        one.login.username,
        secret(one.login.password, log=quiet, environment=ground.environment),
        _session(ground),
        clock=ground.clock,
        ca_file=one.ca_file,
        timeout_read=min(one.read_timeout, PATIENCE),
        parallel=1,
    )


def _session(ground: Ground) -> str:
    """The site's own session; before there is a site key, one that is the same at each call."""
    try:
        return session_uuid(path_of(ground.site).read_bytes())
    except OSError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"mitrarr-doctor:{ground.site.root}"))


def _rights(patient: Patient, probe: Probe) -> Finding:
    """The names are those of one generation (C): what is missing is a warning, not a verdict."""
    if not probe.permissions:
        return ok("rights", patient.subject, text("the server does not list the account's rights"))
    wanted = ("add_humancard", "add_faceobject")
    missing = [name for name in wanted if not any(r.endswith(name) for r in probe.permissions)]
    if not missing:
        return ok("rights", patient.subject, text("the account may make people and faces"))
    message = text("the account seems to lack rights: {names}", names=", ".join(missing))
    hint = text("have them given to it at the server, or nobody will be sent")
    return warning("rights", patient.subject, message, hint)


def _lists(patient: Patient, probe: Probe) -> Finding:
    wanted = patient.destination.watch_lists
    missing = [name for name in wanted if name not in probe.watch_lists]
    if missing:
        message = text("it has no watch list {names}", names=", ".join(missing))
        known = ", ".join(safe(name, 40) for name in sorted(probe.watch_lists)[:10]) or "-"
        hint = text("make the list there, or correct watch_lists; it has: {names}", names=known)
        return problem("watch_lists", patient.subject, message, hint)
    message = text("watch lists are there: {names}", names=", ".join(wanted) or "-")
    return ok("watch_lists", patient.subject, message)


def _clock(patient: Patient, probe: Probe) -> Finding:
    if probe.clock_offset is None:
        return ok("clock_offset", patient.subject, text("the server does not say its time"))
    seconds = round(probe.clock_offset)
    message = text("its clock is {seconds} s from ours", seconds=f"{seconds:+d}")
    if abs(seconds) > CLOCKS_APART:
        hint = text("set the clock that is wrong: times in the two systems will not agree")
        return warning("clock_offset", patient.subject, message, hint)
    return ok("clock_offset", patient.subject, message)


def _found_again(patient: Patient, client: Client) -> Finding:
    """The last people sent, looked up by their tokens: on this rests that nobody is sent twice."""
    name = patient.destination.name
    with patient.ground.store() as db:
        sent = () if db is None else deliveries.listing(db, name, State.SENT, TRIED)
    if not sent:
        client.find_cards(_nobody())
        message = text("the look-up by our token answers; nobody was sent yet to be found")
        return ok("found_again", patient.subject, message)
    found = sum(bool(client.find_cards(one.token)) for one in sent)
    message = text(
        "of the last {sent} people sent, {found} are found by our token",
        sent=len(sent),
        found=found,
    )
    if found == len(sent):
        return ok("found_again", patient.subject, message)
    hint = text("were they removed there, or is it another server? nobody is sent again by itself")
    if found:
        return warning("found_again", patient.subject, message, hint)
    return problem("found_again", patient.subject, message, hint)


def _nobody() -> str:
    """A token's form, and no person's: an HMAC of twenty times A would be a wonder."""
    return "[m:" + "A" * 20 + "]"
