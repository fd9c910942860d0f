"""How is a manifest loaded without being read? From `state/compiled/`, and the last good one.

    <name>.json            checked data of the manifest as it was when it was last saved
    <name>.key.json        for which path, which versions of its files, which program
    <name>.last_good.json  the last one that `apply` took, for the day a broken one is pushed

An entry is used only while every file has the size, mtime and inode it had, the folder has the
names it had, and the program's own files are the same. Anything unexpected in here means: read the
manifest. Nothing is trusted that a manifest's files could not have said.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from mitrarr_runner import atomic, footing, resources
from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.manifest import build, files, garbage
from mitrarr_runner.manifest.files import Stamp
from mitrarr_runner.manifest.loaded import Loaded, absolute
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.site import FoundRoot, Site, find_root

_UNUSABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
_ROOT = re.compile(
    rb"""(?<![\w-])root["']?[ \t]*:[ \t]*(?:"([^"\n]+)"|'([^'\n]+)'|([^\s,}#][^\n,}#]*))"""
)
_HEAD = re.compile(
    r'\{"fingerprint": "([0-9a-f]{12})", "at": ([0-9]{1,11}), "program": "([0-9a-f]{12})",'
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """The name and the root a manifest had when it was last good."""

    name: str
    root: FoundRoot


@dataclass(frozen=True, slots=True)
class _Head:
    fingerprint: str
    at: int
    program: str


@dataclass(frozen=True, slots=True)
class Known:
    """A manifest that has been applied in a site. path: absolute."""

    name: str
    path: Path
    fingerprint: str


def recall(shown: str, *, environment: Mapping[str, str], cwd: Path) -> Loaded | None:
    """The compiled manifest of a path, or None where it must be read.

    The entry lies in the site's root, which only the manifest itself may know (`settings.root`):
    where the other ways to a root do not lead to it, lines that look like that setting are tried.
    A wrong guess does no harm: an entry says itself for which path and root it was made.
    """
    path = absolute(shown, cwd)
    plain = find_root(None, path, environment, cwd)
    for root in (plain.root, *_guessed_roots(path)):
        for key in _keys(Site(root)):
            if key.get("path") == str(path) and _fits(key, root, plain):
                with contextlib.suppress(*_UNUSABLE), garbage.left_alone():
                    return _rebuilt(Site(root), key, shown, plain)
    return None


def remembered(shown: str, *, environment: Mapping[str, str], cwd: Path) -> Remembered | None:
    """What is known of a path that cannot be read now: without it, a comma too many in the file
    that says `settings.root` would hide the site, and with it the last good manifest."""
    path = absolute(shown, cwd)
    plain = find_root(None, path, environment, cwd)
    for root in (plain.root, *_guessed_roots(path)):
        for key in _keys(Site(root)):
            with contextlib.suppress(*_UNUSABLE):
                by_settings = key["root_from_settings"] is True
                if key["path"] == str(path) and (by_settings or root == plain.root):
                    found = FoundRoot(root, "settings") if by_settings else plain
                    return Remembered(str(key["name"]), found)
    return None


def save(loaded: Loaded) -> None:
    """Keep a good manifest for `recall`; does nothing where the site has no state yet or another
    user's, or where another path has an entry under the same name (a checkout that is only looked
    at). Raises OSError where the state cannot be written."""
    manifest = loaded.manifest
    if manifest is None or manifest.path is None or loaded.data is None:
        return
    site = Site(manifest.root)
    if not site.compiled.is_dir() or not footing.ours(site.state):
        return
    other = (_read(_key_file(site, manifest.name)) or {}).get("path")
    if isinstance(other, str) and other != str(manifest.path) and Path(other).exists():
        return
    _write(site, manifest, loaded)


def adopt(loaded: Loaded, now: datetime) -> None:
    """What `apply` does with a good manifest: keep it for `recall`, and as the last good one.

    Works on a Loaded that `recall` gave, too (and is quick then). The site's folders must exist.
    Raises OSError where the state cannot be written.
    """
    manifest = loaded.manifest
    if manifest is None or manifest.path is None or loaded.data is None:
        return
    site = Site(manifest.root)
    key = _read(_key_file(site, manifest.name))
    if key is None or key != _key(manifest, loaded):
        _write(site, manifest, loaded)
        for old in _keys(site):  # the same path under a name it had before
            if old.get("path") == str(manifest.path) and old.get("name") != manifest.name:
                _key_file(site, str(old["name"])).unlink(missing_ok=True)
    head = _head(site, manifest.name)
    if head is None or (head.fingerprint, head.program) != (manifest.fingerprint, program()):
        same = head is not None and head.fingerprint == manifest.fingerprint
        at = head.at if head is not None and same else epoch(now)
        _write_last_good(site, manifest, loaded, at)


def _write_last_good(site: Site, manifest: Manifest, loaded: Loaded, at: int) -> None:
    content = {
        "fingerprint": manifest.fingerprint,
        "at": at,
        "program": program(),
        "path": str(manifest.path),
        "files": [str(file) for file in manifest.files],
        "data": loaded.data,
    }
    atomic.write_file(_last_good_file(site, manifest.name), json.dumps(content).encode())


def load_last_good(site: Site, name: str) -> Manifest | None:
    """The last manifest of that name that apply took. Where the program has changed since, it is
    checked again and must still be good."""
    found = _read(_last_good_file(site, name))
    if found is None:
        return None
    with contextlib.suppress(*_UNUSABLE), garbage.left_alone():
        data = found["data"]
        if found["program"] != program():
            from mitrarr_runner.manifest import check
            from mitrarr_runner.manifest.merge import Marks, Merged

            problems = check.check(Merged(data, Marks(""), (), complete=True))
            if check.fatal(problems):
                return None
        files_then = tuple(Path(file) for file in found["files"])
        return build.build(data, path=Path(found["path"]), root=site.root, files=files_then)
    return None


def last_good_fingerprint(site: Site, name: str) -> str | None:
    """Of the last good manifest of that name, without reading all of it."""
    head = _head(site, name)
    return None if head is None else head.fingerprint


def last_good_at(site: Site, name: str) -> datetime | None:
    """When apply first took the last good manifest of that name."""
    head = _head(site, name)
    return None if head is None else from_epoch(head.at)


def known_manifests(site: Site) -> list[Known]:
    """The manifests that have been applied in this site and still exist, by name."""
    found = []
    for key in _keys(site):
        with contextlib.suppress(*_UNUSABLE):
            path = Path(key["path"])
            if path.exists():
                found.append(Known(key["name"], path, key["fingerprint"]))
    return sorted(found, key=lambda known: known.name)


@lru_cache(maxsize=1)
def program() -> str:
    """Names the program's version by 12 hex digits: any change of what the checks depend on makes
    every entry old. (Sizes and times of our files; the version's number would not change while
    one develops.)"""
    package = Path(__file__).parent.parent
    stamped = []
    for part in ("manifest", "schedule", "steps", "volumes", "engine"):
        with os.scandir(package / part) as files:
            stamped += [_stamped(one.path) for one in files if one.name.endswith(".py")]
    stamped.append(_stamped(str(resources.folder("schemas") / "manifest.schema.json")))
    stamped.sort()
    return hashlib.sha256(json.dumps(stamped).encode()).hexdigest()[:12]


def _stamped(path: str) -> tuple[str, int, int]:
    found = Path(path).stat()
    return path, found.st_size, found.st_mtime_ns


def _fits(key: Mapping[str, Any], root: Path, plain: FoundRoot) -> bool:
    with contextlib.suppress(*_UNUSABLE):
        stamps = tuple(Stamp(**stamp) for stamp in key["stamps"])
        return (
            key["root"] == str(root)
            and (key["root_from_settings"] or root == plain.root)
            and files.unchanged(stamps)
            and key["program"] == program()
        )
    return False


def _rebuilt(site: Site, key: Mapping[str, Any], shown: str, plain: FoundRoot) -> Loaded:
    content = json.loads((site.compiled / f"{key['name']}.json").read_bytes())
    if content["fingerprint"] != key["fingerprint"]:
        raise ValueError("another version")
    path, data = Path(key["path"]), content["data"]
    stamps = tuple(Stamp(**stamp) for stamp in key["stamps"])
    sources = tuple(Path(file) for file in key["files"])
    manifest = build.build(data, path=path, root=site.root, files=sources)
    if manifest.fingerprint != key["fingerprint"] or manifest.name != key["name"]:
        raise ValueError("another content")
    named = tuple((file, _shown(file, path, shown)) for file in sources)
    root = FoundRoot(site.root, "settings") if key["root_from_settings"] else plain
    return Loaded(shown, manifest, root, (), named, stamps, data)


def _shown(file: Path, path: Path, shown: str) -> str:
    return shown if file == path else f"{shown.rstrip('/')}/{file.name}"


def _write(site: Site, manifest: Manifest, loaded: Loaded) -> None:
    content = {"fingerprint": manifest.fingerprint, "data": loaded.data}
    # the key goes last: an entry without its key does not exist
    _key_file(site, manifest.name).unlink(missing_ok=True)
    _put(site.compiled / f"{manifest.name}.json", content)
    _put(_key_file(site, manifest.name), _key(manifest, loaded))


def _key(manifest: Manifest, loaded: Loaded) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "path": str(manifest.path),
        "root": str(manifest.root),
        "root_from_settings": loaded.root.why == "settings",
        "fingerprint": manifest.fingerprint,
        "files": [str(file) for file in manifest.files],
        "stamps": [asdict(stamp) for stamp in loaded.stamps],
        "program": program(),
    }


def _put(path: Path, content: Mapping[str, Any]) -> None:
    atomic.write_file(path, json.dumps(content).encode(), durable=False)


def _key_file(site: Site, name: str) -> Path:
    return site.compiled / f"{name}.key.json"


def _last_good_file(site: Site, name: str) -> Path:
    return site.compiled / f"{name}.last_good.json"


def _keys(site: Site) -> Iterator[dict[str, Any]]:
    try:
        found: Iterable[Path] = sorted(site.compiled.glob("*.key.json"))
    except OSError:
        return
    for file in found:
        key = _read(file)
        if key is not None:
            yield key


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _head(site: Site, name: str) -> _Head | None:
    """What stands first in a last good file, without reading all of it."""
    try:
        with _last_good_file(site, name).open("rb") as file:
            match = _HEAD.match(file.read(200).decode("utf-8", "replace"))
    except OSError:
        return None
    return _Head(match[1], int(match[2]), match[3]) if match else None


def _guessed_roots(path: Path) -> Iterator[Path]:
    found = files.find(path, "")
    base = path if found.is_folder else path.parent
    for file, _ in found.files:
        with contextlib.suppress(OSError):
            for match in islice(_ROOT.finditer(file.read_bytes()), 5):
                named = next(filter(None, match.groups())).decode("utf-8", "replace").strip()
                yield Path(os.path.normpath(base / named))
