"""Alerts: facts -> conditions -> judge -> incidents and an outbox of notices -> channels."""
