"""People: their profiles, their accounts, and the tokens that they sign in with."""
