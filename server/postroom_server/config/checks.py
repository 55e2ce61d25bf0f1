"""Rules between keys, and of texts with a form of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from urllib.parse import parse_qsl, urlsplit

from postroom_server.config.access_checks import ID, access_findings
from postroom_server.config.credentials import UnreadablePassword, password_in
from postroom_server.config.errors import Finding
from postroom_server.config.problems import suggestion
from postroom_server.config.relay_checks import relay_findings
from postroom_server.config.schema import Root
from postroom_server.config.sharing_checks import sharing_findings
from postroom_server.config.text import number
from postroom_server.domain.hosts import is_loopback

SQLITE = "sqlite:///"
POSTGRESQL = "postgresql://"
OBJECTS = ("s3://", "gs://", "az://", "file:///")
_SCHEME = re.compile(r"[A-Za-z0-9+]{1,40}:")
_LISTEN = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/]+):(\d{1,5})|unix:[^\x00]+")


def findings(root: Root) -> Iterator[Finding]:
    """All that is wrong with a configuration whose keys are well formed."""
    yield from _listen(root)
    yield from _metrics(root)
    yield from _store(root)
    yield from sharing_findings(root)
    yield from _default_relay(root)
    yield from _retentions(root)
    for relay_id, relay in root.relays.items():
        yield from relay_findings(relay_id, relay)
    yield from access_findings(root)
    for tenant in root.tenants:
        if not ID.fullmatch(tenant):
            text = "a tenant's id is 1 to 63 of a-z, 0-9, _ and -"
            yield Finding((("tenants", tenant),), text)


def _listen(root: Root) -> Iterator[Finding]:
    found = _LISTEN.fullmatch(root.listen)
    if found is None or int(found[1] or 0) > 65535:
        text = 'must be "host:port" or "unix:/path"'
        yield Finding((("listen",),), text)


def _metrics(root: Root) -> Iterator[Finding]:
    key, listen = ("metrics", "listen"), root.metrics.listen
    found = _LISTEN.fullmatch(listen)
    if listen and (found is None or int(found[1] or 65536) > 65535):
        yield Finding((key,), 'must be "host:port"')
    elif listen and listen == root.listen and found and int(found[1]):
        yield Finding((key, ("listen",)), "must not be the same as listen")
    elif listen and not (
        root.metrics.beyond_loopback or is_loopback(listen.rpartition(":")[0])
    ):
        text = "other machines can reach it: set metrics.beyond_loopback to allow that"
        yield Finding((key,), text)


def _store(root: Root) -> Iterator[Finding]:
    key, url = ("store", "url"), root.store.url
    if url.startswith(POSTGRESQL):
        yield from _database(root)
    elif not url.startswith(SQLITE):
        # Not the whole of it: a store may have a password in its address.
        scheme = _SCHEME.match(url)
        got = f" (got {scheme[0]}...)" if scheme else ""
        text = f"must be sqlite:///path or postgresql://user@host/database{got}"
        yield Finding((key,), text)
    elif url.removeprefix(SQLITE) in {"", ":memory:"} or any(c in url for c in "?#\0"):
        yield Finding((key,), "must be sqlite:/// and the path of a file")


def _objects(root: Root) -> Iterator[Finding]:
    url = root.store.objects_url
    if not url:
        return
    if not url.startswith(OBJECTS) or "@" in url:
        text = "must be s3://, gs://, az:// or file:///, without credentials"
        yield Finding((("store", "objects_url"),), text)
    elif find_spec("obstore") is None:
        text = "needs the extra objects: pip install 'postroom-server[objects]'"
        yield Finding((("store", "objects_url"),), text)


def _database(root: Root) -> Iterator[Finding]:
    key, file = ("store", "url"), ("store", "password_file")
    try:
        parts = urlsplit(root.store.url)
        given = {name.lower() for name, _ in parse_qsl(parts.query)}
        has_password = parts.password is not None or "password" in given
    except ValueError:
        yield Finding((key,), "must be postgresql://user@host/database")
        return
    if has_password:
        yield Finding((key, file), "has a password: put it in store.password_file")
    if find_spec("psycopg") is None:
        text = "needs the extra postgres: pip install 'postroom-server[postgres]'"
        yield Finding((key,), text)
    yield from _objects(root)
    if root.store.password_file:
        try:
            password_in(root.store.password_file)
        except UnreadablePassword as error:
            yield Finding((file,), str(error))


def _default_relay(root: Root) -> Iterator[Finding]:
    wanted = root.default_relay
    if not root.relays:
        text = "at least one relay is needed, as a table [relays.main]"
        yield Finding((("relays",),), text)
    elif wanted and wanted not in root.relays:
        text = f"there is no such relay{suggestion(wanted, root.relays)}"
        yield Finding((("default_relay",),), text)


def _retentions(root: Root) -> Iterator[Finding]:
    """What is kept refers to what must be kept as long."""
    limits = root.limits
    pairs = (
        ("default_expiry", "max_expiry"),
        ("content_retention", "delivery_retention"),
        ("request_id_retention", "delivery_retention"),
        ("max_attachment_bytes", "max_attachments_bytes"),
    )
    for small, large in pairs:
        most = getattr(limits, large)
        if getattr(limits, small) > most:
            text = f"must not be more than {large} ({number(most)})"
            yield Finding((("limits", small), ("limits", large)), text)
