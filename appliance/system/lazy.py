"""Lazy package interfaces: a module is imported only when one of its public names is first used."""

import importlib
from collections.abc import Mapping
from typing import Any


def load_member(package: str, modules: Mapping[str, str], name: str) -> Any:
    """Return the public object `name` of `package`; import the module that defines it (PEP 562).

    Args:
        package: The package's `__name__`.
        modules: Public name → the module of the package that defines it.
        name: The requested name.

    Raises:
        AttributeError: The package has no such public name.
    """
    if name not in modules:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
