"""The frames of mails and blobs that are sent in pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import psycopg
from postroom.v1.content_pb2 import UploadBlobHeader, UploadBlobRequest
from postroom.v1.send_pb2 import SendMessageRequest
from postroom.v1.send_stream_pb2 import (
    ContentEnd,
    PartChunk,
    SendMessageStreamRequest,
)

from tests.support.service import ON_POSTGRES, Service

CHUNK = 64 * 1024
Octets = bytes | Iterable[bytes]


def header(request: SendMessageRequest) -> SendMessageStreamRequest:
    return SendMessageStreamRequest(header=request)


def chunk(data: bytes, part: str = "") -> SendMessageStreamRequest:
    return SendMessageStreamRequest(chunk=PartChunk(part=part, data=data))


def end(data: bytes = b"", **fields) -> SendMessageStreamRequest:
    """The end of *data*; *fields* replace what it says."""
    return SendMessageStreamRequest(end=content_end(data, **fields))


def content_end(data: bytes = b"", **fields) -> ContentEnd:
    told = {"size_bytes": len(data), "sha256": hashlib.sha256(data).digest()}
    return ContentEnd(**{**told, **fields})


def pieces(octets: Octets, size: int = CHUNK) -> Iterator[bytes]:
    """*octets* in chunks: cut up, or as they come."""
    if isinstance(octets, bytes):
        for start in range(0, max(1, len(octets)), size):
            yield octets[start : start + size]
    else:
        yield from octets


def mail_frames(
    request: SendMessageRequest, parts: Mapping[str, Octets], size: int = CHUNK
) -> Iterator[SendMessageStreamRequest]:
    """*request* with its *parts*, whole and in order."""
    yield header(request)
    digest, total = hashlib.sha256(), 0
    for name, octets in parts.items():
        part = name
        for piece in pieces(octets, size):
            yield chunk(piece, part)
            part = ""
            digest.update(piece)
            total += len(piece)
    told = ContentEnd(size_bytes=total, sha256=digest.digest())
    yield SendMessageStreamRequest(end=told)


def blob_frames(
    data: bytes, size: int = CHUNK, end: ContentEnd | None = None, **fields
) -> Iterator[UploadBlobRequest]:
    """An upload of *data*; *fields* are those of its header."""
    yield UploadBlobRequest(header=UploadBlobHeader(**fields))
    for piece in pieces(data, size):
        yield UploadBlobRequest(chunk=piece)
    yield UploadBlobRequest(end=end or content_end(data))


def stored_files(service: Service) -> list[Path]:
    """All files of large contents, whole ones and those under way.

    Of a database: the names of the whole ones; what is under way is in none.
    """
    if ON_POSTGRES:
        with psycopg.connect(service.app.config.store_url) as connection:
            rows = connection.execute("SELECT sha256 FROM octets").fetchall()
        return [Path(sha256) for (sha256,) in rows]
    store = service.app.config.store_path
    folder = store.with_name(f"{store.name}.files")
    return [file for file in folder.rglob("*") if file.is_file()]
