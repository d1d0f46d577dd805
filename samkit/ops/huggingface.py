"""What other libraries fetch from the Hugging Face hub: told quickly where it cannot be reached."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
SECONDS_TO_ANSWER = 3.0


def from_hub(fetch: Callable[[], T], what: str) -> T:
    """What `fetch` returns, a function that loads something by way of the huggingface_hub library.

    Where the hub does not answer within three seconds, only files that are there from earlier are
    tried: the library by itself goes on asking for most of a minute.

    what: is named in the error. Raises OSError with the cure where it cannot be had.
    """
    reachable = hub_answers()
    try:
        with contextlib.nullcontext() if reachable else _offline():
            return fetch()
    except Exception as error:  # each library wraps what the hub's raises in kinds of its own
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = lines[0] if reachable else "the Hugging Face hub cannot be reached from here"
        raise OSError(
            f"cannot load {what}: {reason}. Give a local file or folder, or fetch it once where there "
            "is a network; it is then found in the cache"
        ) from error


def hub_answers(seconds: float = SECONDS_TO_ANSWER) -> bool:
    """Whether the hub takes a connection, itself or the proxy to it, within so many seconds."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return False
    address = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    place = urlsplit(proxy) if proxy else address
    host, port = place.hostname or "huggingface.co", place.port or 443
    answered: list[bool] = []

    def connect() -> None:
        with contextlib.suppress(OSError), socket.create_connection((host, port), seconds):
            answered.append(True)

    # In a thread: finding the address of a name has no limit of its own.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answered)


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
