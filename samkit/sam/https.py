"""Bytes over https and nothing else: one answer to one request, with its faults told apart."""

import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from samkit import __version__

TIMEOUT_SECONDS = 60.0
PIECE_BYTES = 1 << 16  # little is lost when the process is killed


class BrokenOff(Exception):
    """The connection failed or ended early; asking again may help."""


@dataclass(frozen=True)
class Answer:
    """What a server sends: where in the file it begins, and its bytes piece by piece.

    start: offset of the first byte; 0 where a server knows no ranges and sends everything anew.
    total: size of the whole file as the server says, None where it does not. is_page: whether the
    server calls it a web page, which is what logins and notices on the way answer with.
    """

    start: int
    total: int | None
    is_page: bool
    response: http.client.HTTPResponse = field(repr=False)

    def pieces(self) -> Iterator[bytes]:
        """The bytes. Raises BrokenOff where the connection ends before the answer does."""
        try:
            while piece := self.response.read(PIECE_BYTES):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise BrokenOff(str(error) or type(error).__name__) from error
        if self.response.length:  # read(n) gives b"" for a lost connection as for a finished answer
            raise BrokenOff("the connection ended early")


@contextmanager
def ask(address: str, start: int = 0) -> Iterator[Answer]:
    """The file at an https address from byte `start` on, or all of it where the server gives no such part.

    The system's certificates are trusted, or those that SSL_CERT_FILE names; proxies are those of
    the environment. Raises ValueError for an address, or a redirect, that is not https; BrokenOff
    where asking again may help; OSError where it will not (no such file, an untrusted certificate).
    """
    _require_https(address)
    headers = {"User-Agent": f"samkit/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with closing(_open(urllib.request.Request(address, headers=headers))) as response:
        answer = _answer(response)
        if answer is not None and answer.start in (0, start):
            yield answer
            return
    if not start:
        raise BrokenOff("the server sent a part of what was asked for whole")
    with ask(address) as whole:
        yield whole


def _open(request: urllib.request.Request) -> http.client.HTTPResponse:
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=ssl.create_default_context()), _HttpsRedirects()
    )
    try:
        return cast(http.client.HTTPResponse, opener.open(request, timeout=TIMEOUT_SECONDS))
    except urllib.error.HTTPError as error:
        error.close()
        told = f"the server answered {error.code} {error.reason}"
        if error.code >= 500 or error.code in (408, 429):
            raise BrokenOff(told) from error
        if error.code == 416:
            return cast(http.client.HTTPResponse, error)
        raise OSError(f"{request.full_url}: {told}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise OSError(
                f"{request.full_url}: the server's certificate is not trusted "
                f"({reason.verify_message}); SSL_CERT_FILE can name a file of certificates to trust"
            ) from error
        raise BrokenOff(str(reason) or type(reason).__name__) from error


def _answer(response: http.client.HTTPResponse) -> Answer | None:
    """None where the server has no such part, or sends one without saying which."""
    if response.status == 416:
        return None
    is_page = response.headers.get_content_type() == "text/html"
    if response.status != 206:
        return Answer(0, response.length, is_page, response)
    span = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", span)
    total = None if match is None or match[2] == "*" else int(match[2])
    return None if match is None else Answer(int(match[1]), total, is_page, response)


def _require_https(address: str) -> None:
    if not address.lower().startswith("https://"):
        raise ValueError(f"only https addresses are read, got {address}")


class _HttpsRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https only: a plain one could be answered by anybody on the way."""

    def redirect_request(self, *request: Any) -> urllib.request.Request | None:
        address = request[-1]
        if not address.lower().startswith("https://"):
            raise ValueError(f"{request[0].full_url} redirects to {address}, which is not https")
        return super().redirect_request(*request)
