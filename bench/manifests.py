"""CPU seconds of reading, checking, building and recalling a manifest of many jobs.

python bench/manifests.py [JOBS]        (10,000 jobs where none are given)
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from mitrarr_runner.engine.obtain import obtain
from mitrarr_runner.engine.validate import validate
from mitrarr_runner.manifest import compiled
from mitrarr_runner.manifest.read import read
from mitrarr_runner.site import MARKER, Site

_HEAD = """\
settings: {timezone: America/Sao_Paulo}
sources:
  DETRAN: {spool: entrada}
destinations:
  findface:
    kind: findface_multi
    url: https://findface.example.gov.br
    login: {username: mitrarr, password: {env: FINDFACE_PASSWORD}}
    watch_lists: [DETRAN]
volumes:
  adiciona_nists: {per: day}
jobs:
"""
_JOB = """\
  job_{number}:
    description: Registra e envia
    schedule: "{minute} {hour} * * *"
    timeout: 20m
    overlap: skip
    retry: {{attempts: 3, backoff: 10s, factor: 2, max: 5m}}
    steps:
      - register_nist: {{source: DETRAN}}
      - send_to_findface: {{destination: findface, batch_size: 50}}
      - check_volume: {{label: adiciona_nists}}
"""


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    jobs = (_JOB.format(number=i, minute=i % 60, hour=i % 24) for i in range(count))
    content = (_HEAD + "".join(jobs)).encode()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / MARKER).touch()
        Site(folder).make()
        (folder / "m.yaml").write_bytes(content)
        print(f"{count} jobs, {len(content) / 1e6:.1f} MB of YAML; CPU seconds")
        _told("read", lambda: read("m.yaml", content))
        _told("validate", lambda: validate("m.yaml", environment={}, cwd=folder))
        loaded = validate("m.yaml", environment={}, cwd=folder).loaded
        _told("adopt", lambda: compiled.adopt(loaded, datetime.now(UTC)))
        _told("recall", lambda: obtain("m.yaml", environment={}, cwd=folder))
        _told("last good", lambda: compiled.load_last_good(Site(folder), "m"))


def _told(what: str, work: Callable[[], object]) -> None:
    started = time.process_time()
    work()
    print(f"  {what:<10} {time.process_time() - started:6.2f}")


if __name__ == "__main__":
    main()
