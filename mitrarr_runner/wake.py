"""Is anything due at all? The first thing every call does, before the program itself is loaded.

System cron calls `mitrarr apply` each minute, and in most minutes nothing is due. The last apply
left `state/wake/<name>.json`: the earliest instant at which anything can be due, and the stamps of
the manifest's files. While that instant lies ahead, the clock has not gone back, no file has
changed and the state is the caller's, this module touches the heartbeat and leaves. In every other
case it loads the program.

Standard library only, and as little of it as can be; it imports nothing of ours, and therefore
repeats the look-up of the root (site.find_root) in its simplest form: where it is not sure, it
takes the full way.
"""

import os
import sys
import time

_QUIET = {"apply", "run-schedule"}


def main() -> int:
    """The console scripts' entry point. Returns the process's exit code."""
    try:
        if _nothing_due(sys.argv[1:]):
            return 0
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        pass  # anything unexpected: the full way knows better
    import gc

    # Most calls are short: what they import and build stays alive to their end, and walking it
    # again and again took an eighth of a due apply (bench/due.py).
    gc.set_threshold(50_000, 20, 100)
    from mitrarr_runner.cli.door import run

    return run(sys.argv)


def _nothing_due(words: list[str]) -> bool:
    path = _manifest(words)
    if path is None:
        return False
    for position, root in enumerate(_roots(path)):
        folder = os.path.join(root, "state", "wake")
        try:
            names = os.listdir(folder)
        except OSError:
            names = []
        for name in names:
            if name.endswith(".json"):
                found = _read(os.path.join(folder, name), path)
                if found is not None:
                    return _asleep(found, root, certain=position == 0)
    return False


def _manifest(words: list[str]) -> str | None:
    """The manifest of a plain `apply [PATH]` or `run-schedule --config FILE`; None = not plain."""
    if not words or words[0] not in _QUIET:
        return None
    rest = words[1:]
    if words[0] == "run-schedule" and len(rest) == 2 and rest[0] == "--config":
        rest = rest[1:]
    if len(rest) > 1 or (rest and rest[0].startswith("-")):
        return None
    given = rest[0] if rest else os.environ.get("MITRARR_CONFIG") or os.path.join("configs", "prod")
    return os.path.abspath(given)


def _roots(manifest: str) -> list[str]:
    """Where the root may be, in the order of site.find_root."""
    roots = []
    if os.environ.get("MITRARR_ROOT"):
        roots.append(os.path.abspath(os.environ["MITRARR_ROOT"]))
    for start in (os.getcwd(), manifest):
        folder = start
        while True:
            if os.path.lexists(os.path.join(folder, ".mitrarr-site")):
                roots.append(folder)
                break
            parent = os.path.dirname(folder)
            if parent == folder:
                break
            folder = parent
    configs = manifest
    while os.path.basename(configs) != "configs" and os.path.dirname(configs) != configs:
        configs = os.path.dirname(configs)
    if os.path.basename(configs) == "configs":
        roots.append(os.path.dirname(configs))
    roots.append(os.getcwd())
    return roots


def _read(name: str, manifest: str) -> dict[str, object] | None:
    import json

    with open(name, "rb") as file:
        found = json.loads(file.read())
    return found if found["manifest"] == manifest else None


def _asleep(found: dict[str, object], root: str, *, certain: bool) -> bool:
    """certain: `root` is where a manifest without `settings.root` must have its state; a later
    candidate is believed only when the manifest itself named that root."""
    now = time.time()
    if not certain and found["root_from"] != "settings":
        return False
    if not float(str(found["written"])) <= now < float(str(found["at"])):
        return False
    stamps = found["stamps"]
    if not isinstance(stamps, list) or any(_stamp(stamp[0]) != stamp for stamp in stamps):
        return False
    if os.stat(os.path.join(root, "state")).st_uid != os.geteuid():
        return False  # root may enter every state: the full way refuses (footing.check)
    os.utime(str(found["heartbeat"]))
    return True


def _stamp(path: str) -> list[object]:
    found = os.stat(path)
    return [path, found.st_size, found.st_mtime_ns, found.st_ino]


if __name__ == "__main__":
    raise SystemExit(main())
