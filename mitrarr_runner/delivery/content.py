"""What is sent of a person: a name with our token, and a picture.

Both are made before the card is: nobody is to exist at the destination without a face because of
something we could have known. Whatever is wrong with them is a reason to park this one person.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mitrarr_runner.delivery import reasons
from mitrarr_runner.delivery.exchange import Photo
from mitrarr_runner.delivery.token import card_comment, card_name
from mitrarr_runner.errors import FailedError
from mitrarr_runner.manifest.model import Card
from mitrarr_runner.store import deliveries
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.deliveries import Delivery

PhotoSource = Callable[[int], Photo]
"""From a registry row's id to the picture to send; raises FailedError where it is not usable."""


@dataclass(frozen=True, slots=True)
class Content:
    name: str = field(repr=False)
    comment: str = field(repr=False)
    photo: Photo = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unfit:
    """detail: a code for the log."""

    reason: str
    detail: str = ""


def content_of(db: Database, delivery: Delivery, card: Card, photo: PhotoSource) -> Content | Unfit:
    """Raises UsageError (code "template") where the card's template is at fault, not the person."""
    person = deliveries.person_of(db, delivery.registry)
    if person is None:
        return Unfit(reasons.NO_RECORD)
    name = card_name(card.name, person.source, person.id, delivery.token)
    comment = card_comment(card.comment, person.source, person.id)
    try:
        return Content(name, comment, photo(delivery.registry))
    except FailedError as error:
        return Unfit(reasons.of_photo(error), error.code)
