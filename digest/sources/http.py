"""The polite client: the one module that talks HTTP to the world.

Every request names who asks, waits its turn (`Pace`), asks only for what changed (RFC 9110, section 13: ETag and
Last-Modified), honours Retry-After (section 10.2.3), and ends: after a time and after a number of bytes, counted
*after* decompression. Whatever goes wrong is a `SourceError` whose text fits the digest's status line and holds no
address.
"""

from __future__ import annotations

import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Protocol

import httpx
from httpx_retries import Retry, RetryTransport

from digest.errors import SourceError

Pace = Callable[[str, float], None]
"""`pace(key, interval)` returns when a request under *key* may be made: *interval* seconds after the last."""


@dataclass(frozen=True, slots=True)
class Validator:
    """What an upstream wants to be told next time, so that it can say "not changed"."""

    url: str
    etag: str
    last_modified: str


class Validators(Protocol):
    """Remembers validators between runs."""

    def get(self, url: str) -> tuple[str, str] | None:
        """(ETag, Last-Modified) last put for *url*, either may be empty; None where there is none."""

    def put(self, url: str, etag: str, last_modified: str) -> None:
        """Replace those of *url*."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much one request may take. Times in seconds."""

    connect: float = 10.0
    read: float = 20.0
    """Of silence."""
    total: float = 60.0
    """For one attempt, because a body may drip."""
    size: int = 20_000_000
    """Bytes of the decoded body; the largest answer we know, 2,000 entries of arXiv's API, has 5 million."""
    retries: int = 3
    backoff: float = 1.0
    longest_wait: float = 60.0
    """Between the attempts of one request, all in all; an upstream that asks for more is left alone."""


@dataclass(slots=True)
class Traffic:
    """What a pull cost."""

    requests: int = 0
    """Every attempt and every redirect is one."""
    bytes: int = 0
    """Of bodies, decoded."""
    waited: float = 0.0
    """Seconds, with back-off and pace."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: 200 and a body, 304 and none, or a status that the caller said it understands."""

    status: int
    body: bytes
    problem: str = ""
    """Why the body ends too early; empty when it is whole."""
    dated: datetime | None = None
    """What time it was there; None where it did not say."""
    validator: Validator | None = None
    """To be remembered once everything in the body is safely stored, not before."""

    @property
    def not_modified(self) -> bool:
        """Whether all of it was remembered as stored."""
        return self.status == HTTPStatus.NOT_MODIFIED


class _Incomplete(httpx.ReadError):
    """The body ended early; tried again, and what came is kept for the case that it never gets better."""

    def __init__(self, reason: str, response: httpx.Response, body: bytes) -> None:
        super().__init__(reason)
        self.response = response
        self.body = body


def unpaced(key: str, interval: float) -> None:
    """Never wait: for tests and for upstreams of one's own."""


class Client:
    """Fetches; shared by all sources and safe to use from several threads.

    Args:
        contact: an address or URL of the operator, for the User-Agent.
        validators: None asks for everything anew each time.
        pace: called before each attempt of a request that names a key.
    """

    def __init__(
        self,
        contact: str = "",
        validators: Validators | None = None,
        pace: Pace = unpaced,
        limits: Limits = Limits(),
    ) -> None:
        self._validators = validators
        self._limits = limits
        retry = Retry(
            total=limits.retries,
            backoff_factor=limits.backoff,
            status_forcelist=(429, 500, 502, 503, 504),
            max_backoff_wait=limits.longest_wait,
            total_timeout=limits.longest_wait,
        )
        self._http = httpx.Client(
            transport=RetryTransport(_Whole(pace, limits), retry),
            headers={
                "User-Agent": f"digest/{version('digest')}" + (f" (+{contact})" if contact else ""),
                "Accept-Encoding": "gzip",
            },
            timeout=httpx.Timeout(limits.read, connect=limits.connect),
            trust_env=False,  # a proxy in somebody's shell must not decide where a newsletter gets its papers
            follow_redirects=True,
            max_redirects=5,
            event_hooks={"response": [_refuse_downgrade]},
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def get(
        self,
        url: str,
        *,
        traffic: Traffic,
        pace: tuple[str, float] | None = None,
        understood: Iterable[int] = (),
        remembered: bool = True,
    ) -> Answer:
        """Ask for *url*, again if need be.

        Args:
            url: http or https.
            traffic: where the cost is added.
            pace: key and interval in seconds of the queue to stand in.
            understood: statuses beside 200 and 304 whose body the caller wants to read.
            remembered: whether "not changed since you stored it" is a good answer.

        Raises:
            SourceError: there is no answer that could be read.
        """
        headers = self._conditions(url) if remembered else {}
        started = time.monotonic()
        try:
            response, problem = self._send(url, headers, traffic, pace)
        finally:
            traffic.waited += time.monotonic() - started
        if response.status_code not in {HTTPStatus.OK, HTTPStatus.NOT_MODIFIED, *understood}:
            raise SourceError(_answered(response))
        validator = _validator(url, response) if remembered and not problem else None
        return Answer(response.status_code, response.content, problem, _dated(response), validator)

    def remember(self, validators: Iterable[Validator]) -> None:
        """From now on ask only for what is newer. Call it once the answers they came with are safely stored."""
        if self._validators is not None:
            for validator in validators:
                self._validators.put(validator.url, validator.etag, validator.last_modified)

    def _conditions(self, url: str) -> dict[str, str]:
        etag, modified = (self._validators.get(url) if self._validators else None) or ("", "")
        return {name: value for name, value in (("If-None-Match", etag), ("If-Modified-Since", modified)) if value}

    def _send(
        self, url: str, headers: dict[str, str], traffic: Traffic, pace: tuple[str, float] | None
    ) -> tuple[httpx.Response, str]:
        """The answer, and why its body ends too early."""
        try:
            return self._http.get(url, headers=headers, extensions={"traffic": traffic, "pace": pace}), ""
        except _Incomplete as error:
            traffic.bytes += len(error.body)
            if not error.body:
                raise SourceError(str(error)) from error
            return httpx.Response(error.response.status_code, content=error.body), str(error)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise SourceError(_reason(error, self._limits)) from error


class _Whole(httpx.BaseTransport):
    """Sends one attempt in its turn and reads its whole body, so that a body that breaks is tried again as well."""

    def __init__(self, pace: Pace, limits: Limits) -> None:
        self._inner = httpx.HTTPTransport(limits=httpx.Limits(keepalive_expiry=30))
        self._pace = pace
        self._limits = limits

    def close(self) -> None:
        self._inner.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.extensions.get("pace"):
            self._pace(*request.extensions["pace"])
        traffic: Traffic = request.extensions["traffic"]
        traffic.requests += 1
        deadline = time.monotonic() + self._limits.total
        response = self._inner.handle_request(request)
        try:
            self._refuse_long_wait(response)
            body = self._read(response, deadline)
        finally:
            response.close()
        traffic.bytes += len(body)
        headers = [(k, v) for k, v in response.headers.multi_items() if k not in {"content-encoding", "content-length"}]
        return httpx.Response(response.status_code, headers=headers, content=body, extensions=response.extensions)

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        body = bytearray()
        try:
            for chunk in _decoded(response, self._limits.size + 1):
                body += chunk
                self._refuse_excess(len(body), deadline)
        except httpx.ReadTimeout as error:
            seconds = self._limits.total if time.monotonic() > deadline else self._limits.read
            raise _Incomplete(f"timed out after {seconds:g} s", response, bytes(body)) from error
        except (httpx.TransportError, zlib.error) as error:
            raise _Incomplete(f"cut off after {len(body):,} bytes", response, bytes(body)) from error
        return bytes(body)

    def _refuse_excess(self, size: int, deadline: float) -> None:
        if size > self._limits.size:
            raise SourceError(f"answered with more than {self._limits.size:,} bytes")
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("drips")

    def _refuse_long_wait(self, response: httpx.Response) -> None:
        asked = response.headers.get("Retry-After", "").strip()
        if response.is_error and asked.isdecimal() and float(asked) > self._limits.longest_wait:
            raise SourceError(f"{_answered(response)} and asks to wait for {float(asked[:9]) / 60:,.0f} minutes")


def _decoded(response: httpx.Response, most: int) -> Iterator[bytes]:
    """The body in pieces of at most *most* bytes. httpx would inflate a whole packet first, a thousandfold and more."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in {"identity", ""}:
        yield from response.iter_raw()
        return
    if encoding not in {"gzip", "x-gzip"}:
        raise SourceError("answered in a compression that was not asked for")
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for packet in response.iter_raw():
        rest = packet
        while rest and not inflate.eof:
            yield inflate.decompress(rest, most)
            rest = inflate.unconsumed_tail
    if not inflate.eof:
        raise zlib.error("ends too early")


def _refuse_downgrade(response: httpx.Response) -> None:
    """A redirect stays in its scheme, or goes up from http to https."""
    if response.has_redirect_location:
        target = response.url.join(response.headers["Location"]).scheme
        if target not in {response.url.scheme, "https"}:
            raise SourceError("redirected to an address that is not encrypted")


def _dated(response: httpx.Response) -> datetime | None:
    """RFC 9110, section 6.6.1."""
    try:
        return parsedate_to_datetime(response.headers.get("Date", "")).astimezone(UTC)
    except ValueError:
        return None


def _validator(url: str, response: httpx.Response) -> Validator | None:
    etag, modified = (response.headers.get(name, "") for name in ("ETag", "Last-Modified"))
    usable = response.status_code == HTTPStatus.OK and len(etag + modified) < 1000
    return Validator(url, etag, modified) if usable and (etag or modified) else None


def _answered(response: httpx.Response) -> str:
    return f"answered {response.status_code} {response.reason_phrase}".strip()


def _reason(error: Exception, limits: Limits) -> str:
    """A transport's trouble in words for a reader; never its own text, which may hold the address."""
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {limits.connect:g} s"
    if isinstance(error, httpx.TimeoutException):
        return f"timed out after {limits.read:g} s"
    if isinstance(error, httpx.ConnectError):
        return "certificate not accepted" if _is_tls(error) else "could not be reached"
    reasons: Mapping[type[Exception], str] = {
        httpx.TooManyRedirects: "redirected too often",
        httpx.UnsupportedProtocol: "not a web address",
        httpx.InvalidURL: "not a web address",
        UnicodeError: "not a web address",
    }
    return reasons.get(type(error), "hung up without an answer")


def _is_tls(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ssl.SSLError):
        seen = seen.__cause__ or seen.__context__
    return seen is not None
