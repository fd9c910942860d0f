"""Verbs about files and people: the stored records, and what may be done to them by hand."""

from __future__ import annotations

from mitrarr_runner.cli import clean, deliveries, register, registry, send
from mitrarr_runner.cli.verb import Verb

VERBS: tuple[Verb, ...] = (
    *registry.VERBS,
    *deliveries.VERBS,
    *register.VERBS,
    *send.VERBS,
    *clean.VERBS,
)
