"""Where are the schemas, templates and shipped configs? In the wheel, or beside the package."""

from __future__ import annotations

from pathlib import Path


def folder(name: str) -> Path:
    """The folder `schemas`, `templates` or `configs` of this installation."""
    package = Path(__file__).parent
    inside = package / "_data" / name
    return inside if inside.is_dir() else package.parent / name
