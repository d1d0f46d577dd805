"""Libraries that only some jobs need: imported where they are used, with one clear error."""

import importlib
from types import ModuleType


def require(module: str, extra: str) -> ModuleType:
    """The module, imported. Raises ImportError that names samkit's extra where it is not installed.

    A module that is there but cannot be imported raises its own error: installing it again
    would not help.

    >>> require("json", extra="none").loads("[1]")
    [1]
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise ImportError(
            f'this needs {error.name}, which is not installed: pip install "samkit[{extra}]"'
        ) from error
