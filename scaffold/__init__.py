"""Tools of a developer: make a copy of the project, and keep it up to date.

They work on a checkout, so the wheel does not contain them. An update runs code of a
newer release, whose dependencies are perhaps not installed yet. Therefore, the modules
that an update runs need only the standard library.
"""
