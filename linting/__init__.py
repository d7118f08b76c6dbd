"""Checks for this project that no other tool makes: `python -m linting`."""
