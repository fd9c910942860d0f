"""Which manifest, which site, which store does this call mean?

PATH or --config, then $MITRARR_CONFIG, then ./configs/prod, then the one manifest of this site
(applied before, or lying in ./configs or ../configs and naming this folder as its root; guardians
left out), else the built-in defaults. A verb that looks or operates works on the last good version
while the manifest is broken; `strict` is for verbs that must not (plan).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from mitrarr_runner.engine.obtain import obtain
from mitrarr_runner.engine.validation import Validation
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest import build, compiled
from mitrarr_runner.manifest.loaded import find_manifest
from mitrarr_runner.manifest.model import Manifest, OnBadManifest
from mitrarr_runner.manifest.problem import Level, Problem
from mitrarr_runner.site import Site
from mitrarr_runner.store import facts, runs
from mitrarr_runner.store.database import Database, open_database, open_readonly
from mitrarr_runner.store.pauses import Paused
from mitrarr_runner.text import Text, text

_MANIFESTS = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Call:
    """Where a call comes from: what the look-up of manifest and root depends on."""

    environment: Mapping[str, str]
    cwd: Path


@dataclass(frozen=True, slots=True)
class Place:
    """manifest: the one to work with: the good one, else the last good one, else the defaults.

    usable: what apply may run (None: broken and no last good one); shown: the path as given;
    root_from: "settings" where the manifest names its root, else "lookup".
    """

    manifest: Manifest
    usable: Manifest | None
    last_good: Manifest | None
    site: Site
    shown: str
    name: str
    root_from: str
    validation: Validation

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.validation.problems if p.level is Level.ERROR)

    @property
    def broken(self) -> bool:
        return bool(self.errors)

    @property
    def path(self) -> Path:
        return self.site.root / self.manifest.settings.store

    def open_store(self) -> Database:
        """Open the store for writing, making it where it is missing."""
        self.site.make()
        return open_database(self.path)

    def open_readonly(self) -> Database | None:
        """Open the store for reading; None where nothing was ever stored."""
        return open_readonly(self.path)


def place(call: Call, given: str | None) -> Place:
    """The place a verb works on; see the module's text for a broken manifest."""
    shown = find_manifest(given, call.environment, call.cwd)
    found = _place(call, shown)
    if shown is None:
        known = [other for other in _others(call, found) if not other.manifest.settings.watches]
        if len(known) == 1:
            return known[0]
    return found


def strict(call: Call, given: str | None) -> Place:
    """Like `place`, but a manifest with errors is refused, with its first error and what apply does
    meanwhile."""
    found = place(call, given)
    if found.errors:
        first = found.errors[0]
        where = f"{first.file}:{first.line}:{first.column}" if first.line else first.file
        raise UsageError(
            text("{where}: {message}", where=where, message=first.message),
            code="manifest",
            hint=_meanwhile(found),
        )
    return found


def _meanwhile(found: Place) -> Text:
    see = text("see every problem: mitrarr validate {path}", path=found.shown)
    if found.last_good is None:
        return see
    if found.last_good.settings.on_bad_manifest is OnBadManifest.STOP:
        return text("apply runs nothing until it is mended; {see}", see=see)
    old = found.last_good.fingerprint[:7]
    return text("apply goes on with the last good one ({old}); {see}", old=old, see=see)


def _place(call: Call, shown: str | None) -> Place:
    found = obtain(shown, environment=call.environment, cwd=call.cwd)
    site = Site(found.root.root)
    name = found.name
    last_good = _last_good(site, found)
    usable = found.manifest or last_good
    manifest = usable or replace(build.default_manifest(site.root), name=name)
    return Place(
        manifest,
        usable,
        last_good,
        site,
        shown or "",
        name,
        "settings" if found.root.why == "settings" else "lookup",
        found,
    )


def _last_good(site: Site, found: Validation) -> Manifest | None:
    """Read only where it differs from what was found: most days it is the same one."""
    same = compiled.last_good_fingerprint(site, found.name)
    if found.manifest is not None and found.manifest.fingerprint == same:
        return found.manifest
    return compiled.load_last_good(site, found.name)


def _others(call: Call, found: Place) -> Iterator[Place]:
    """The places of the other manifests of this site: applied before, or lying beside it."""
    root = found.site.root
    known = [manifest.path for manifest in compiled.known_manifests(found.site)]
    for path in dict.fromkeys((*known, *_beside(root))):
        other = _place(call, str(path))
        if other.name != found.name and other.usable is not None and other.site.root == root:
            yield other


def _beside(root: Path) -> Iterator[Path]:
    """Files that may be manifests of the site, as in the tutorial's layout: manifests in one
    folder, the site in another. Whether they are, their own `settings.root` says.
    """
    for folder in (root / "configs", root.parent / "configs"):
        try:
            found = sorted(folder.iterdir())
        except OSError:  # missing, no folder, or not ours to read
            continue
        yield from (path for path in found if path.suffix in _MANIFESTS)


def job_place(call: Call, given: str | None, job: str) -> Place:
    """The place whose manifest has the job: the usual one, else another one of the same site.

    While the manifest cannot be read, any job is taken: the last good version may not know it yet,
    and what must not run must not wait for a mended file.
    """
    found = place(call, given)
    if job in found.manifest.jobs:
        return found
    if given is None:
        for other in _others(call, found):
            if job in other.manifest.jobs:
                return other
    if found.broken:
        return found
    raise unknown_job(job, found.manifest)


def stop_place(call: Call, given: str | None, job: str) -> Place:
    """The place whose manifest has the job, or where a run of it is not finished: a job that was
    taken out of its manifest while it ran must be stopped all the same."""
    found = place(call, given)
    db = None if job in found.manifest.jobs else found.open_readonly()
    if db is not None:
        with db:
            if any(run.job == job for run in runs.unfinished(db, found.manifest.name)):
                return found
    return job_place(call, given, job)


def destination_place(call: Call, given: str | None, destination: str) -> Place:
    """The same for a destination."""
    found = place(call, given)
    if destination in found.manifest.destinations:
        return found
    if given is None:
        for other in _others(call, found):
            if destination in other.manifest.destinations:
                return other
    if found.broken:
        return found
    raise UsageError(
        text("there is no destination {name}", name=destination),
        code="unknown_destination",
        hint=did_you_mean(destination, found.manifest.destinations)
        or text("declare it under destinations: in the manifest, or name that with --config"),
    )


def resume_place(call: Call, given: str | None, kind: Paused, name: str) -> Place:
    """The place where something is paused, whether a manifest knows it or not: a pause that was
    taken while the manifest could not be read may be of nothing, and must end all the same.

    Else the place that declares it. A pause under a name that no manifest of the site has any more
    is found last; the place's manifest then goes by that name.
    """
    found = place(call, given)
    holders = _holders(found, kind, name)
    if name in declared(found.manifest, kind) or found.manifest.name in holders:
        return found
    if given is None:
        for other in _others(call, found):
            if name in declared(other.manifest, kind):
                return other
            if other.manifest.name in _holders(other, kind, name):
                return other
    if holders:
        return replace(found, manifest=replace(found.manifest, name=holders[0]))
    if kind is Paused.JOB:
        return job_place(call, given, name)
    return destination_place(call, given, name)


def declared(manifest: Manifest, kind: Paused) -> Collection[str]:
    """The names that can be paused."""
    return manifest.jobs if kind is Paused.JOB else manifest.destinations


def _holders(found: Place, kind: Paused, name: str) -> tuple[str, ...]:
    db = found.open_readonly()
    if db is None:
        return ()
    with db:
        return facts.paused_in(db, kind, name)


def place_with(call: Call, given: str | None, wanted: Callable[[Manifest], bool]) -> Place:
    """The usual place; where nothing was given and it lacks what is wanted, the first other one
    of the same site that has it.
    """
    found = place(call, given)
    if given is not None or wanted(found.manifest):
        return found
    return next((other for other in _others(call, found) if wanted(other.manifest)), found)


def did_you_mean(name: str, known: Iterable[str]) -> Text | None:
    """A hint for a misspelt name."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return text('did you mean "{name}"?', name=close[0]) if close else None


def unknown_job(job: str, manifest: Manifest) -> UsageError:
    if manifest.path is None and not manifest.jobs:
        return UsageError(
            text('there is no job "{job}": no manifest was found from here', job=job),
            code="unknown_job",
            hint=text("cd into the site, or name the manifest: --config PATH, or MITRARR_CONFIG"),
        )
    names = ", ".join(list(manifest.jobs)[:10]) or "-"
    return UsageError(
        text('there is no job "{job}" in manifest {manifest}', job=job, manifest=manifest.name),
        code="unknown_job",
        hint=did_you_mean(job, manifest.jobs) or text("its jobs: {names}", names=names),
    )
