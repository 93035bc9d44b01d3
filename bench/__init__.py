"""What a request costs: nine works over HTTP, and beside each the best hand-written SQL for the same, as the limit."""
