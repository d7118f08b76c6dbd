"""Checks of this project that no tool has: `python -m linting`."""
