"""A progress line on a terminal: rewritten in place, gone when the step is done. (Door to rich.)"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID


class Line:
    """One live line. Nothing is imported or drawn before the first `show`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def show(self, label: str, done: int, total: int | None) -> None:
        """done of total (None: not known yet)."""
        if self._bar is None:
            self._bar = self._make()
            self._task = self._bar.add_task(label, total=total)
            self._bar.start()
        assert self._task is not None  # noqa: S101 - set together with the bar
        self._bar.update(self._task, description=label, completed=done, total=total)

    def clear(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _make(self) -> Bar:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        return Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            console=Console(file=self._stream, color_system=None, legacy_windows=False),
            transient=True,
        )
