"""How does the vendor's server say no? Its error object, for every refusal of the simulator."""

from __future__ import annotations

from typing import Any

from fastapi.responses import JSONResponse


class VendorError(Exception):
    """A refusal: {"traceback", "code", "desc", "param"} under its status."""

    def __init__(self, status: int, code: str, desc: str, param: str = "", **more: object) -> None:
        super().__init__(code)
        self.status = status
        self.body: dict[str, Any] = {
            "traceback": "",
            "code": code,
            "desc": desc,
            "param": param,
            **more,
        }

    def answer(self) -> JSONResponse:
        return JSONResponse(self.body, status_code=self.status)


def bad_param(param: str, desc: str) -> VendorError:
    return VendorError(400, "BAD_PARAM", desc, param)


def invalid_pk(param: str, key: object) -> VendorError:
    return bad_param(param, f'Invalid pk "{key}" - object does not exist.')


def not_found() -> VendorError:
    return VendorError(404, "NOT_FOUND", "Not found.")


def unauthorized() -> VendorError:
    return VendorError(401, "UNAUTHORIZED", "Authentication credentials were not provided.")


def licence() -> VendorError:
    return VendorError(401, "LICENSE_ERROR", "License is invalid or expired.")


def forbidden() -> VendorError:
    return VendorError(
        403,
        "PERMISSION_DENIED",
        "You do not have permission to perform this action.",
        missing_permissions=["ffsecurity.add_humancard"],
    )


def too_many() -> VendorError:
    return VendorError(429, "THROTTLED", "Request was throttled.")


def broken() -> VendorError:
    return VendorError(500, "INTERNAL_ERROR", "Internal server error.")
