"""Measurements of the product: each module here with a `main` is one, run by `scripts/bench NAME`."""
