"""The site key: made once, kept apart from the store, refused when lost or foreign."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import mitrarr_runner
from mitrarr_runner.delivery.site_key import path_of, session_uuid, site_key
from mitrarr_runner.errors import StateError
from mitrarr_runner.store.database import open_database


def test_it_is_made_once_and_only_its_owner_reads_it(world: Any) -> None:
    key = site_key(world.db, world.site)
    assert len(key) == 32
    assert path_of(world.site).stat().st_mode & 0o777 == 0o600
    assert site_key(world.db, world.site) == key


def test_it_is_not_in_the_store(world: Any) -> None:
    key = site_key(world.db, world.site)
    for file in world.site.state.glob("mitrarr.db*"):
        content = file.read_bytes()
        assert key not in content
        assert key.hex().encode() not in content


def test_a_lost_key_is_refused_and_not_made_anew(world: Any) -> None:
    site_key(world.db, world.site)
    path_of(world.site).unlink()
    with pytest.raises(StateError) as caught:
        site_key(world.db, world.site)
    assert caught.value.code == "site_key_missing"
    assert not path_of(world.site).exists()


def test_a_foreign_key_is_refused(world: Any) -> None:
    site_key(world.db, world.site)
    path_of(world.site).write_bytes(b"x" * 32)
    with pytest.raises(StateError) as caught:
        site_key(world.db, world.site)
    assert caught.value.code == "site_key_foreign"


def test_an_unreadable_key_is_a_state_error(world: Any) -> None:
    path_of(world.site).mkdir()
    with pytest.raises(StateError) as caught:
        site_key(world.db, world.site)
    assert caught.value.code == "site_key_unreadable"


def test_a_second_store_of_the_site_takes_the_same_key(world: Any) -> None:
    key = site_key(world.db, world.site)
    with open_database(world.site.state / "other.db") as other:
        assert site_key(other, world.site) == key


def test_the_session_name_is_stable_and_says_nothing_about_the_key() -> None:
    key = bytes(range(32))
    assert session_uuid(key) == session_uuid(key) == str(UUID(session_uuid(key)))
    assert session_uuid(key) != session_uuid(bytes(32))


def test_processes_that_start_together_agree_on_one_key(world: Any, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from mitrarr_runner.site import Site;"
        "from mitrarr_runner.delivery.site_key import site_key;"
        "from mitrarr_runner.store.database import open_database;"
        "site = Site(Path(sys.argv[1]));"
        "print(site_key(open_database(site.state / 'mitrarr.db'), site).hex())"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(mitrarr_runner.__file__).parent.parent)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(world.site.root)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(4)
    ]
    assert len({process.communicate()[0] for process in started}) == 1
