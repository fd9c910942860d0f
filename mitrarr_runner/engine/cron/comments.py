"""What do the comments of a crontab block and of a unit file say, and which lines are comments?

They are for whoever opens the file, in the language of the call that writes it. Two texts that
differ in nothing else are the same here: a second install in another language, or by a newer
program with other words, must find nothing to do, or it would rewrite root's crontab for each
operator's locale in turn.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from mitrarr_runner.text import Catalogue, Text

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_COLUMNS = 80
_SIGN = "#"


def bare(content: str, marks: re.Pattern[str] | None = None) -> str:
    """`content` without its comments; its first line is a mark, and so is what matches `marks`."""
    lines = _LINE.findall(content)
    kept = [line for line in lines[1:] if line[0] != _SIGN or _marks(line, marks)]
    return "".join([*lines[:1], *kept])


def _marks(line: str, marks: re.Pattern[str] | None) -> bool:
    return marks is not None and marks.fullmatch(line.rstrip("\r\n")) is not None


def commented(content: str, words: Sequence[Text], say: Catalogue) -> str:
    """Bare `content` with its comments below the first line, one paragraph for each Text."""
    first, *others = _LINE.findall(content)
    lines = [line for paragraph in words for line in _wrapped(say(paragraph))]
    return "".join([first, *(f"{line}\n" for line in lines), *others])


def _wrapped(paragraph: str) -> list[str]:
    sign = f"{_SIGN} "
    return textwrap.wrap(
        paragraph,
        _COLUMNS,
        initial_indent=sign,
        subsequent_indent=sign,
        break_long_words=False,
        break_on_hyphens=False,
    )
