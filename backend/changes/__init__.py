"""The change log: what was written, in an order in which nothing that commits late is missed. It knows no noun."""
