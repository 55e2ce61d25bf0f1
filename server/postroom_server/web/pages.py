"""The pages of the HTTP side: the metrics, and whether the service lives and serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from postroom_server.telemetry.exposition import Exposition
from postroom_server.web.server import Page, PageOf

SERVICE_UNAVAILABLE = 503


def pages(exposition: Exposition, is_ready: Callable[[], bool]) -> Mapping[str, PageOf]:
    """The pages by path; *is_ready* says whether mail is taken."""

    def metrics(accept: str) -> Page:
        content_type, body = exposition.page(accept)
        return Page(body, content_type)

    def ready(_accept: str) -> Page:
        if is_ready():
            return Page(b"ready\n")
        return Page(b"not ready\n", status=SERVICE_UNAVAILABLE)

    return {"/metrics": metrics, "/healthz": _alive, "/readyz": ready}


def _alive(_accept: str) -> Page:
    return Page(b"alive\n")
