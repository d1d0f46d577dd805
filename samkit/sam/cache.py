"""Where downloads are kept."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """The folder for downloads: SAMKIT_HOME where it is set, else samkit's in the platform's cache.

    That is XDG_CACHE_HOME (~/.cache) on Linux, ~/Library/Caches on macOS, LOCALAPPDATA on Windows.
    The folder need not be there yet.
    """
    if home := os.environ.get("SAMKIT_HOME"):
        return Path(home).expanduser()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "samkit" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "samkit"
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    return (Path(xdg) if os.path.isabs(xdg) else Path.home() / ".cache") / "samkit"
