"""The API as curl sees it: a real server on 127.0.0.1, real requests."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

Job = Callable[..., dict[str, Any]]


class Served:
    """A running `mitrarr serve`."""

    def __init__(self, site: Any, *words: str) -> None:
        self.process = subprocess.Popen(
            site.command("serve", "--port", "0", *words),
            cwd=site.root,
            env=site.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "127.0.0.1:" in line, line + self.process.stdout.read()
        self.port = int(line.split("127.0.0.1:")[1].split()[0])

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        data = None if body is None else json.dumps(body).encode()
        sent = {
            "Host": f"localhost:{self.port}",
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        if data is not None:
            sent["Content-Type"] = "application/json"
        for _ in range(100):
            try:
                connection.request(method, path, data, sent)
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        with contextlib.closing(connection), connection.getresponse() as answer:
            return answer.status, json.loads(answer.read())

    def stop(self) -> int:
        self.process.terminate()
        code = self.process.wait(timeout=15)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def served(site: Any, job: Job) -> Iterator[Served]:
    site.write(jobs={"job_a": job("true")}, api={"loopback": "operator"})
    server = Served(site)
    yield server
    server.stop()


def test_pause_state_resume(site: Any, served: Served) -> None:
    assert served.ask("GET", "/health") == (200, {"version": 1, "status": "ok"})
    status, answer = served.ask("POST", "/jobs/job_a/pause")
    assert (status, answer["job"], answer["paused"], answer["already"]) == (
        200,
        "job_a",
        True,
        False,
    )
    assert served.ask("POST", "/jobs/job_a/pause")[1]["already"] is True
    assert served.ask("GET", "/jobs/job_a")[1]["state"] == "paused"
    assert site.run("status", "--format", "json").json["jobs"][0]["paused"] is True
    site.due()
    assert site.run("apply").code == 0
    assert site.history() == []
    status, answer = served.ask("POST", "/jobs/job_a/resume", {"by": "ana"})
    assert (status, answer["was_paused"]) == (200, True)
    assert served.ask("GET", "/jobs")[1]["jobs"][0]["paused"] is False


def test_a_pause_says_who_why_and_until(served: Served, site: Any) -> None:
    body = {"by": "ana", "reason": "SMTP", "until": "2099-01-01T00:00:00-03:00"}
    status, answer = served.ask("POST", "/jobs/job_a/pause", body)
    assert (status, answer["paused_by"], answer["paused_until"]) == (
        200,
        "ana",
        "2099-01-01T03:00:00Z",
    )
    assert '"SMTP"' in site.run("plan").out


def test_an_unknown_job_is_404_with_a_hint(served: Served) -> None:
    status, answer = served.ask("POST", "/jobs/job_b/pause")
    assert (status, answer["code"]) == (404, "unknown_job")
    assert "job_a" in answer["hint"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Host": "evil.example"}, 421, "host"),
        ({"Host": "localhost.evil.example"}, 421, "host"),
        ({"Host": "localhost:8000.evil.example"}, 421, "host"),
        ({"Host": "127.0.0.1\t"}, 200, None),
        ({"Origin": "http://evil.example"}, 403, "origin"),
        ({"Origin": "http://localhost.evil.example"}, 403, "origin"),
        ({"Origin": "null"}, 403, "origin"),
        ({"Sec_Fetch_Site": "cross-site"}, 403, "origin"),
        ({"Origin": "http://localhost:8000"}, 200, None),
    ],
)
def test_only_this_machine_and_no_foreign_page(
    served: Served, headers: dict[str, str], status: int, code: str | None
) -> None:
    got, answer = served.ask("POST", "/jobs/job_a/pause", None, **headers)
    assert got == status
    assert answer.get("code") == code


def test_bad_bodies_are_refused(served: Served) -> None:
    assert served.ask("POST", "/jobs/job_a/pause", {"unknown": 1})[0] == 422
    assert served.ask("POST", "/jobs/job_a/pause", {"until": "yesterday"})[0] == 422
    assert served.ask("POST", "/jobs/job_a/pause", {"reason": "x" * 20_000})[0] == 413
    assert served.ask("GET", "/jobs/job_a")[1]["paused"] is False


def test_without_leave_in_the_manifest_nobody_may_call(site: Any, job: Job) -> None:
    site.write(jobs={"job_a": job("true")})
    server = Served(site)
    try:
        status, answer = server.ask("POST", "/jobs/job_a/pause")
    finally:
        server.stop()
    assert (status, answer["code"]) == (401, "token")
    assert "api.loopback: operator" in answer["hint"]


def test_a_manifest_edited_while_it_serves_counts_at_once(
    site: Any, served: Served, job: Job
) -> None:
    site.write(jobs={"job_b": job("true")}, api={"loopback": "operator"})
    assert served.ask("POST", "/jobs/job_b/pause")[0] == 200


def test_a_port_in_use_is_one_clear_message(site: Any, served: Served) -> None:
    answer = site.run("serve", "--port", str(served.port))
    assert answer.code == 2
    assert "in use" in answer.err
    assert "--port" in answer.err
    assert "Traceback" not in answer.err
