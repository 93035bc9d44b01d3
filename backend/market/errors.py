"""The refusal that only the market knows."""

from backend.engine.errors import Refusal
from backend.market.models import Edition


class OutOfStock(Refusal):
    """Less is left than was asked for. `edition` is what there is too little of, and `available` how much is left."""

    code = "OUT_OF_STOCK"

    def __init__(self, edition: Edition, *, available: int) -> None:
        super().__init__(f"Less is left of this edition than was asked for: {available}. Nothing was written.")
        self.edition = edition
        self.available = available
