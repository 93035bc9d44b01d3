"""What clients may ask and what they may hear."""
