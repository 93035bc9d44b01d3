"""Invariants of editions and orders, for `manage.py verify`: no copy is sold twice, none is lost."""

from backend.engine.checks import Check
from backend.market.models import OrderStatus

STATUSES = ", ".join(f"'{status}'" for status in OrderStatus.values)

INVARIANTS = (
    Check(
        "stock_adds_up",
        "what an edition began with and was adjusted by, less what is ordered and not cancelled, is its stock",
        "market_edition",
        """
        SELECT id, initial, adjusted, coalesce(sold, 0) AS sold, stock FROM market_edition
        LEFT JOIN (
            SELECT edition_id AS id, sum(quantity) AS sold
            FROM market_orderline JOIN market_order ON market_order.id = order_id
            WHERE status <> 'CANCELLED' GROUP BY edition_id
        ) AS ordered USING (id)
        WHERE initial + adjusted - coalesce(sold, 0) <> stock
        """,
    ),
    Check(
        "stock_not_negative",
        "no more copies are sold than there are",
        "market_edition",
        "SELECT id, stock FROM market_edition WHERE stock < 0",
    ),
    Check(
        "editions_of_authors",
        "each edition is of a story of its author",
        "market_edition",
        """
        SELECT edition.id, edition.author_id, story.author_id AS of_story
        FROM market_edition AS edition JOIN stories_story AS story ON story.id = edition.story_id
        WHERE edition.author_id <> story.author_id
        """,
    ),
    Check(
        "orders_cost_their_lines",
        "the total of each order is the sum of its lines, of which it has some",
        "market_order",
        """
        SELECT id, total_cents, cost FROM market_order LEFT JOIN (
            SELECT order_id AS id, sum(quantity::bigint * price_cents) AS cost FROM market_orderline GROUP BY order_id
        ) AS lines USING (id)
        WHERE total_cents IS DISTINCT FROM cost
        """,
    ),
    Check(
        "lines_in_their_order",
        "each line is in an order of the author whose edition it is, and no order has two at one place",
        "market_orderline",
        """
        SELECT line.order_id, line.edition_id, line.number
        FROM market_orderline AS line
        LEFT JOIN market_order AS placed ON placed.id = line.order_id
        LEFT JOIN market_edition AS edition ON edition.id = line.edition_id
        WHERE placed.author_id IS DISTINCT FROM line.author_id OR edition.author_id IS DISTINCT FROM line.author_id
        UNION ALL
        SELECT order_id, NULL, number FROM market_orderline GROUP BY order_id, number HAVING count(*) > 1
        """,
    ),
    Check(
        "orders_came_where_they_may",
        "each order has a known status, and was written once for each step to it",
        "market_order",
        f"""
        SELECT id, status, version FROM market_order
        WHERE status NOT IN ({STATUSES}) OR NOT CASE status
            WHEN 'PLACED' THEN version = 1 WHEN 'CONFIRMED' THEN version = 2 WHEN 'SHIPPED' THEN version = 3
            ELSE version IN (2, 3) END
        """,
    ),
)
