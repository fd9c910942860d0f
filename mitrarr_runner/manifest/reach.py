"""How is data reached that may have any shape? Whatever is not as expected counts as not there.

The checks run beside the schema, which reports wrong types; they must neither fail nor repeat it.
"""

from __future__ import annotations

from collections.abc import Iterator

from mitrarr_runner.manifest.document import Data, Path


def mapping(data: Data, *path: str) -> dict[str, Data]:
    """The mapping at `path`, or an empty one."""
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def mappings(data: Data, *path: str) -> Iterator[tuple[str, dict[str, Data]]]:
    """The named mappings inside the mapping at `path`."""
    for name, value in mapping(data, *path).items():
        if isinstance(value, dict):
            yield name, value


def items(data: Data) -> Iterator[tuple[int, Data]]:
    """The items of a list with their indexes."""
    return iter(enumerate(data)) if isinstance(data, list) else iter(())


def names(data: Data) -> Iterator[tuple[int, str]]:
    """The texts in a list with their indexes."""
    return ((index, item) for index, item in items(data) if isinstance(item, str))


def steps(data: Data) -> Iterator[tuple[Path, str, dict[str, Data]]]:
    """Every step of every job: path of the options, kind, options."""
    for job, content in mappings(data, "jobs"):
        for index, step in items(content.get("steps")):
            for kind, options in step.items() if isinstance(step, dict) else ():
                if isinstance(options, dict):
                    yield ("jobs", job, "steps", index, kind), kind, options
