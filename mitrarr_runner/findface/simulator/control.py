"""What happened on the simulated server, and what shall happen next? Outside of the vendor's API.

`GET /_simulator/report` counts people, faces, duplicates and troubles; `POST /_simulator/faults`
changes the rates. No login: it is for the test, the demo or the trainer on the same machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from mitrarr_runner.findface.simulator.errors import bad_param
from mitrarr_runner.findface.simulator.faults import Faults
from mitrarr_runner.findface.simulator.people import People


class FaultsBody(BaseModel):
    """Rates by name, instead of the present ones; how many more faults at most, all and each."""

    rates: dict[str, float] = Field(default_factory=dict)
    most: int | None = None
    each: dict[str, int] = Field(default_factory=dict)


def router(people: People, faults: Faults, requests: Callable[[], int]) -> APIRouter:
    control = APIRouter(prefix="/_simulator")

    @control.get("/report")
    async def report() -> dict[str, Any]:
        happened = {str(fault): count for fault, count in faults.happened.items()}
        return {**people.report(), "faults": happened, "requests": requests()}

    @control.post("/faults")
    async def change(body: FaultsBody) -> dict[str, Any]:
        try:
            faults.set(body.rates, most=body.most, each=body.each)
        except ValueError as error:
            raise bad_param("rates", str(error)) from None
        return {"rates": body.rates, "most": body.most}

    return control
