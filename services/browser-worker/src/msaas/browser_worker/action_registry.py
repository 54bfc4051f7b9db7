"""Finds the actions: every class in the modules of `actions` that has a task type."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from msaas.browser_worker import actions
from msaas.browser_worker.actions.base import BrowserAction


def find_action_types() -> Mapping[str, type[BrowserAction]]:
    modules = [
        import_module(f"{actions.__name__}.{found.name}")
        for found in iter_modules(actions.__path__)
    ]
    return {
        value.task_type: value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, BrowserAction)
        and hasattr(value, "task_type")
    }
