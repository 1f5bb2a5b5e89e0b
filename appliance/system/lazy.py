"""Lazy package faces: public names of a package whose modules are imported on first use."""

import importlib
from collections.abc import Mapping
from typing import Any


def load_member(package: str, modules: Mapping[str, str], name: str) -> Any:
    """Return the public object `name` of `package`, importing the module that defines it (PEP 562).

    Args:
        package: The package's `__name__`.
        modules: Public name → module of the package that defines it.
        name: The name asked for.

    Raises:
        AttributeError: The package has no such public name.
    """
    if name not in modules:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
