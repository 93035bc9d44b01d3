"""The market's own refusal."""

import logging

from backend.engine.errors import Refusal
from backend.market.models import Edition


class OutOfStock(Refusal):
    """Fewer copies are left than were ordered. `edition` is the present row, `available` how many are left."""

    code = "OUT_OF_STOCK"
    event, log_level = "out of stock", logging.NOTSET

    def __init__(self, edition: Edition, *, available: int) -> None:
        super().__init__(f"Less is left of this edition than was asked for: {available}. Nothing was written.")
        self.edition = edition
        self.available = available
