"""The data sets, an entry each: every file in this folder is found by itself, and registers what it has."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
