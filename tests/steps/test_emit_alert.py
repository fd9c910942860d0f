"""The verb emit-alert, as a step."""

from __future__ import annotations

from typing import Any

from mitrarr_runner.steps import emit_alert
from mitrarr_runner.steps.contract import StepOutcome

OPTIONS = {"type": "relatorio", "severity": "info", "message": "Relatório do mês pronto"}


def test_each_run_raises_one_alert(bench: Any) -> None:
    results = [bench.run(emit_alert, OPTIONS) for _ in range(2)]
    assert [result.outcome for result in results] == [StepOutcome.OK] * 2
    assert [str(result.message) for result in results] == ["alert A1 raised", "alert A2 raised"]
    lines = (bench.site.logs / "alerts.log").read_text(encoding="utf-8").splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [
        'A1 INFO emitted relatorio adiciona_nists "Relatório do mês pronto"',
        'A2 INFO emitted relatorio adiciona_nists "Relatório do mês pronto"',
    ]


def test_a_log_that_cannot_be_written_does_not_fail_the_step(bench: Any) -> None:
    (bench.site.logs / "alerts.log").mkdir()
    result = bench.run(emit_alert, OPTIONS)
    assert result.outcome is StepOutcome.OK
    with bench.store() as db:
        (waiting,) = db.rows("SELECT sent_at, error FROM notices")
    assert (waiting["sent_at"], waiting["error"]) == (None, "log_unwritable")


def test_describe_raises_nothing_and_masks(bench: Any) -> None:
    options = emit_alert.parse({**OPTIONS, "message": "CPF 123.456.789-09"})
    told = str(emit_alert.describe(options, bench.view(None)))
    assert told == 'info: "CPF 12*******"'
    assert not (bench.site.logs / "alerts.log").exists()
