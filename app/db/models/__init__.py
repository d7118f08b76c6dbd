"""One module a resource. All are imported, so that `Base.metadata` is complete."""

from importlib import import_module
from pkgutil import iter_modules

for module in iter_modules(__path__, __name__ + "."):
    import_module(module.name)
