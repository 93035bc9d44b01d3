"""Calls what the market offers, as a client does."""

import uuid
from typing import Any

EDITION = "edition { id version title priceCents stock story { id } }"
ORDER = "order { id version status totalCents buyer { handle } author { handle } lines { quantity priceCents edition { id } } }"
REFUSED = """
... on Failure { code message retry { kind afterMs } }
... on InvalidError { fields { path message } }
"""
OUT_OF_STOCK = "... on OutOfStockError { available edition { id version stock story { id } } }"
CONFLICT = """
... on ConflictError {
  expected overlaps { path base mine theirs }
  current { __typename id version ... on Edition { stock } ... on Order { status } }
}
"""


class MarketCalls:
    """The mutations of the market, for whoever can `ask`."""

    def ask(self, query: str, **variables: Any) -> Any:
        """The data; a caller says how."""
        raise NotImplementedError

    def create_edition(
        self, story: str, stock: int = 5, price: int = 300, title: str = "First edition", key: str | None = None
    ) -> Any:
        query = (
            "mutation ($s: ID!, $t: String!, $p: Int!, $n: Int!, $k: UUID) { createEdition(story: $s, title: $t, "
            f"priceCents: $p, stock: $n, key: $k) {{ __typename ... on EditionSuccess {{ applied {EDITION} }} {REFUSED} }} }}"
        )
        return self.ask(query, s=story, t=title, p=price, n=stock, k=key)["createEdition"]

    def adjust_stock(self, edition: str, delta: int, key: str | None = None) -> Any:
        query = (
            "mutation ($e: ID!, $d: Int!, $k: UUID!) { adjustStock(edition: $e, delta: $d, key: $k) { __typename "
            f"... on EditionSuccess {{ applied {EDITION} }} {REFUSED} {OUT_OF_STOCK} }} }}"
        )
        return self.ask(query, e=edition, d=delta, k=key or str(uuid.uuid4()))["adjustStock"]

    def set_stock(self, edition: str, to: int, version: str, key: str | None = None) -> Any:
        query = (
            "mutation ($e: ID!, $t: Int!, $x: Expect!, $k: UUID) { setStock(edition: $e, to: $t, expect: $x, key: $k) "
            f"{{ __typename ... on EditionSuccess {{ applied {EDITION} }} {REFUSED} {CONFLICT} }} }}"
        )
        return self.ask(query, e=edition, t=to, x={"version": version}, k=key)["setStock"]

    def place_order(self, *lines: tuple[str, int], key: str | None = None) -> Any:
        """Each line is an edition and a quantity."""
        query = (
            "mutation ($l: [OrderLineInput!]!, $k: UUID!) { placeOrder(lines: $l, key: $k) { __typename "
            f"... on OrderSuccess {{ applied {ORDER} }} {REFUSED} {OUT_OF_STOCK} }} }}"
        )
        wanted = [{"edition": edition, "quantity": quantity} for edition, quantity in lines]
        return self.ask(query, l=wanted, k=key or str(uuid.uuid4()))["placeOrder"]

    def update_order(self, order: str, to: str, version: str, key: str | None = None) -> Any:
        query = (
            "mutation ($i: ID!, $t: OrderStatus!, $x: Expect!, $k: UUID) { updateOrder(id: $i, to: $t, expect: $x, key: $k) "
            f"{{ __typename ... on OrderSuccess {{ applied {ORDER} }} {REFUSED} {CONFLICT} }} }}"
        )
        return self.ask(query, i=order, t=to, x={"version": version}, k=key)["updateOrder"]

    def stock_of(self, edition: str) -> int:
        """How many copies are left."""
        query = "query ($id: ID!) { node(id: $id) { ... on Edition { stock } } }"
        stock: int = self.ask(query, id=edition)["node"]["stock"]
        return stock
