"""Imports the module of each resource, because `Base.metadata` must be complete."""

from importlib import import_module
from pkgutil import iter_modules

for module in iter_modules(__path__, __name__ + "."):
    import_module(module.name)
