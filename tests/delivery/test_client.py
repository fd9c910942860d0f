"""From a destination to a client: where the password comes from, and where it never goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner.delivery.client import client_for, secret
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest.model import Login, SecretRef


def test_a_file_without_the_line_end_of_an_editor(world: Any, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes(b" s3nha com espa\xc3\xa7o \r\n")
    path.chmod(0o600)
    assert secret(SecretRef(file=path), log=world.log) == " s3nha com espaço "
    assert world.logged == ""


def test_a_file_that_everybody_can_read_is_warned_of(world: Any, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("s3nha\n")
    path.chmod(0o644)
    assert secret(SecretRef(file=path), log=world.log) == "s3nha"
    assert "secret_world_readable" in world.logged
    assert "s3nha" not in world.logged


def test_an_environment_variable(world: Any) -> None:
    given = {"FINDFACE_PASSWORD": "s3nha"}
    assert secret(SecretRef(env="FINDFACE_PASSWORD"), log=world.log, environment=given) == "s3nha"


def test_a_systemd_credential(world: Any, tmp_path: Path) -> None:
    (tmp_path / "findface").write_text("s3nha\n")
    (tmp_path / "findface").chmod(0o600)
    given = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert secret(SecretRef(credential="findface"), log=world.log, environment=given) == "s3nha"


@pytest.mark.parametrize(
    "reference",
    [
        SecretRef(file=Path("/nonexistent/password")),
        SecretRef(file=Path("/")),
        SecretRef(file=Path("/dev/null")),
        SecretRef(env="NO_SUCH_VARIABLE"),
        SecretRef(credential="findface"),
    ],
)
def test_a_missing_secret_says_where_it_was_looked_for(world: Any, reference: SecretRef) -> None:
    with pytest.raises(UsageError) as caught:
        secret(reference, log=world.log, environment={})
    assert caught.value.code == "secret_missing"
    assert caught.value.hint is not None


def test_the_client_logs_in_under_one_session_name_for_ever(online: Any, running: Any) -> None:
    online.change(login=Login("mitrarr", SecretRef(env="P")))
    before = running.report()["sessions"]
    for _ in range(2):
        with client_for(
            online.db,
            online.site,
            online.destination,
            clock=online.clock,
            log=online.log,
            environment={"P": "demo"},
        ) as client:
            assert "DETRAN" in client.watch_lists()
    assert running.report()["sessions"] == before + 1
