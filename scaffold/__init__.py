"""Tools of a developer: make a copy of the project, and keep it up to date.

They work on a checkout, so the wheel does not contain them. Only `commands` imports
packages that are not in the standard library: an update runs the other modules of a
newer release, whose dependencies may not be installed yet.
"""
