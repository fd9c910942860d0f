"""Does a three-minute job delay a one-minute job? Asked of a real cron and of a real systemd.

    sudo python bench/ticks.py [--minutes N]

Boots this host's own system a second time in a container (systemd-nspawn on an overlay in memory;
nothing of it stays), installs the project there for a user of its own, and calls apply for two
sites with `mitrarr cron install`: by crontab and by systemd timer. In each, `quick` runs every
minute and `slow` sleeps three minutes of every four. After N minutes (12) the apply of each running
`slow` is killed; its worker has to go on. At the end `mitrarr cron remove` takes both out again.

Prints for each form what ran and the worst delay between a slot and its start. Exits 1 unless every
minute has exactly one good `quick`, none began more than 20 seconds late, all of `slow` ended well,
and nothing is left installed; exits 2 where this host cannot do it. Needs root, Linux with overlay,
and the Debian packages systemd-container, dbus and cron.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("systemd-nspawn", "nsenter", "/usr/sbin/cron", "/usr/bin/python3")
USER = "findface"
FORMS = {"crontab": "", "systemd": "--systemd"}
MITRARR = "/opt/mitrarr/bin/mitrarr"
LATE = timedelta(seconds=20)
MANIFEST = """\
version: 1
name: {name}
settings: {{timezone: America/Sao_Paulo, root: ..}}
jobs:
  quick:
    schedule: "* * * * *"
    steps: [{{command: {{argv: ["true"]}}}}]
  slow:
    schedule: "*/4 * * * *"
    steps: [{{command: {{argv: [sleep, "180"]}}}}]
"""


@dataclass(frozen=True)
class Machine:
    """The booted system: its files as seen from here, and the process that is its number 1."""

    root: Path
    init: int

    def run(self, line: str, user: str = "root") -> str:
        """A line of shell in there; what it printed. Raises CalledProcessError."""
        argv = ["nsenter", "-t", str(self.init), "-a", "su", "-", user, "-c", line]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@contextmanager
def overlay() -> Iterator[Path]:
    """This host's files; what is changed in them stays in memory and is gone at the end."""
    top = Path(tempfile.mkdtemp(prefix="mitrarr-ticks-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", top], check=True)
    try:
        upper, work, root = (top / name for name in ("upper", "work", "root"))
        for folder in (upper, work, root):
            folder.mkdir()
        layers = f"lowerdir=/,upperdir={upper},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, root], check=True)
        try:
            yield root
        finally:
            subprocess.run(["umount", root], check=True)
    finally:
        subprocess.run(["umount", top], check=True)
        top.rmdir()


def install(root: Path) -> None:
    """The project below /opt, for a Python that every user may start."""
    source = root / "opt" / "mitrarr-source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", ".venv", "demo-site"))
    (root / "etc" / "machine-id").unlink(missing_ok=True)
    (root / "etc" / "machine-id").touch()
    lines = (
        "/usr/bin/python3 -m venv /opt/mitrarr",
        "cd /opt/mitrarr-source",
        "/opt/mitrarr/bin/pip install -qq --constraint constraints.txt .",
        f"useradd --create-home --shell /bin/bash {USER}",
    )
    subprocess.run(["chroot", root, "/bin/sh", "-ec", "\n".join(lines)], check=True)


@contextmanager
def booted(root: Path) -> Iterator[Machine]:
    argv = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network"]
    argv += ["--console=read-only", "--machine=ticks", "--boot", f"--directory={root}"]
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        machine = Machine(root, init_of(process.pid))
        machine.run("systemctl is-system-running --wait || true")
        machine.run("systemctl is-active cron")
        yield machine
    finally:
        process.send_signal(signal.SIGTERM)  # a clean shutdown; the second one is not
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def init_of(nspawn: int) -> int:
    """The child that has become the container's systemd."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        children = Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()
        for child in children:
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        time.sleep(0.2)
    raise SystemExit("the container did not boot")


def site(machine: Machine, form: str) -> str:
    """A site of that form, with apply called from now on; its manifest."""
    path = f"/srv/{form}/configs/prod.yaml"
    home = machine.root / "srv" / form / "configs"
    home.mkdir(parents=True)
    (home / "prod.yaml").write_text(MANIFEST.format(name=form))
    machine.run(f"chown -R {USER} /srv/{form}")
    print(machine.run(f"{MITRARR} cron install {FORMS[form]} --config {path}", by(form)).strip())
    return path


def by(form: str) -> str:
    """Units of the host are root's to install, a crontab is its owner's."""
    return "root" if form == "systemd" else USER


def runs(machine: Machine, path: str, job: str) -> list[dict[str, Any]]:
    words = f"{MITRARR} history {job} --limit 1000 --format json --config {path}"
    found: list[dict[str, Any]] = json.loads(machine.run(words, USER))["runs"]
    return found


def kill_applies(machine: Machine) -> int:
    """SIGKILL to each process that supervises a running job; how many. Its worker is its child."""
    found = machine.run("pgrep -f '[m]itrarr apply /srv/' || true").split()
    supervisors = [
        pid for pid in found if machine.run(f"ps -o ppid= -p {pid} || true").strip() not in found
    ]
    if supervisors:
        machine.run(f"kill -9 {shlex.join(supervisors)}")
    return len(supervisors)


def judged(machine: Machine, form: str, path: str) -> list[str]:
    """Print what ran; what was not as it should be."""
    quick, slow = (runs(machine, path, job) for job in ("quick", "slow"))
    slots = sorted(datetime.fromisoformat(run["slot"]) for run in quick)
    delays = [
        datetime.fromisoformat(run["started_at"]) - datetime.fromisoformat(run["slot"])
        for run in quick
    ]
    minutes = int((slots[-1] - slots[0]) / timedelta(minutes=1)) + 1
    taken = [run["seconds"] for run in slow]
    print(
        f"{form:<8} quick: {len(quick)} runs in {minutes} minutes, the worst began"
        f" {max(delays).seconds} s late; slow: {len(slow)} runs of"
        f" {min(taken):.0f} to {max(taken):.0f} s"
    )
    problems = []
    if len(slots) != minutes or len(set(slots)) != minutes:
        problems.append(f"{form}: a minute was left out or run twice")
    if max(delays) > LATE:
        problems.append(f"{form}: quick waited for slow")
    if {run["outcome"] for run in quick + slow} != {"ok"} or not slow:
        problems.append(f"{form}: not everything ended well")
    return problems


def watched(machine: Machine, minutes: int) -> list[str]:
    paths = {form: site(machine, form) for form in FORMS}
    until = time.monotonic() + minutes * 60
    while (left := until - time.monotonic()) > 0:
        print(f"{left / 60:.0f} minutes to go", file=sys.stderr, flush=True)
        time.sleep(min(60, left))
    while any(
        run["outcome"] is not None for path in paths.values() for run in newest(machine, path)
    ):
        time.sleep(1)  # until both are in the middle of `slow`
    time.sleep(5)
    print(f"killed: {kill_applies(machine)} applies of a running job; their workers go on")
    while any(run["outcome"] is None for path in paths.values() for run in newest(machine, path)):
        time.sleep(1)
    problems = []
    for form, path in paths.items():
        print(machine.run(f"{MITRARR} cron remove {FORMS[form]} --config {path}", by(form)).strip())
        problems += judged(machine, form, path)
    left_over = machine.run("ls /etc/systemd/system | grep mitrarr || true")
    left_over += machine.run("crontab -l 2>/dev/null || true", USER)
    return [*problems, f"left behind: {left_over}"] if left_over.strip() else problems


def newest(machine: Machine, path: str) -> list[dict[str, Any]]:
    return runs(machine, path, "slow")[:1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=12)
    asked = parser.parse_args()
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        print(f"cannot be done here: root={os.geteuid() == 0}, missing: {' '.join(missing) or '-'}")
        return 2
    with overlay() as root:
        install(root)
        with booted(root) as machine:
            problems = watched(machine, asked.minutes)
    print("\n".join(problems) or "everything held")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
