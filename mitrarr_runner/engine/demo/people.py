"""Who comes to the demo? Invented people with drawn faces, as ANSI/NIST files.

Of the 24 files one is cut short, one shows a bare wall, one repeats the bytes of another, one
carries its face as PNG and one as JPEG 2000. Nobody of them exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from mitrarr_runner import images
from mitrarr_runner.nist.writer import RecordDraft, face, write

NAMES = (
    "João da Conceição",
    "María Núñez Peña",
    "José Antônio Guimarães",
    "Zoë Ångström",
    "Luís Inácio Brandão",
    "Conceição de Araújo",
    "André Gonçalves",
    "Renée Lefèvre",
    "Íris Simões",
    "Tomé Sebastião Cação",
    "Úrsula Magalhães",
    "Ênio Falcão",
)

TRUNCATED = 13
"""Number of the file that is cut short."""
WALL = 17
"""Number of the file whose photo shows nobody."""
REPEATED = 24
"""Number of the file that repeats the bytes of the first."""
PNG = 5
JPEG_2000 = 9
COUNT = 24


@dataclass(frozen=True, slots=True)
class MadeFile:
    name: str
    data: bytes


def made_files(today: date) -> list[MadeFile]:
    """The demo's files; the same for the same day."""
    files = [MadeFile(f"{n:03d}.nst", _transaction(n, today)) for n in range(1, COUNT)]
    cut = files[TRUNCATED - 1]
    files[TRUNCATED - 1] = MadeFile(cut.name, cut.data[: len(cut.data) * 2 // 3])
    return [*files, MadeFile(f"{REPEATED:03d}.nst", files[0].data)]


def _transaction(number: int, today: date) -> bytes:
    name = NAMES[number % len(NAMES)]
    person = RecordDraft(2, 0, {18: f"{name} {number}", 20: "BR"})
    photo = face(1, _photo(number), src="BR/DEMO", date=today)
    return write(
        [person, photo],
        date=today,
        dai="BR/MITRARR",
        ori="BR/DEMO",
        tcn=f"DEMO-{today:%Y}-{number:04d}",
        charset="utf-8",
    )


def _photo(number: int) -> bytes:
    if number == WALL:
        return images.draw_wall(number)
    kinds = {PNG: "png", JPEG_2000: "jp2"}
    return images.draw_face(number, kind=kinds.get(number, "jpeg"))
