"""The rules, the rows and the engine: everything that would stay if GraphQL went away."""

VERSION = "0.1.0"
