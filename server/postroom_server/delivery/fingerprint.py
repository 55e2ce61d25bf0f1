"""What makes two requests with one request id the same request.

The body is everything but the request id and how long the caller waits, compared by
meaning: defaults count as what they mean, contents by their SHA-256.  Wire bytes are
never compared: one message has several encodings.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Any

from postroom_server.delivery.options import completion_of
from postroom_server.domain.draft import (
    AttachmentDraft,
    Disposition,
    MessageDraft,
    RawDraft,
)
from postroom_server.domain.dsn import Dsn
from postroom_server.domain.octets import Contents
from postroom_server.domain.references import BLOBS
from postroom_server.domain.submission import OnUncertain, Priority, Submission


def fingerprint(submission: Submission, relay: str) -> bytes:
    """32 bytes, equal for requests that mean the same; *relay* is the one meant."""
    message = submission.message
    if isinstance(message, RawDraft):
        mail = _raw(message, submission.parts)
    else:
        mail = _mail(message, submission.parts)
    meaning = {
        **mail,
        "relay": relay,
        "completion": completion_of(submission),
        "retry": submission.retry,
        "on_uncertain": submission.on_uncertain or OnUncertain.RETRY,
        "expire_at": submission.expire_at,
        "all_or_none": submission.all_recipients_or_none,
        "dsn": submission.dsn and _dsn(submission.dsn),
        "metadata": sorted(submission.metadata),
        "tags": sorted(submission.tags),
        **_when_and_how(submission),
    }
    return of_values(**meaning)


def _when_and_how(submission: Submission) -> dict[str, Any]:
    """Options that older versions lack: named only where they are given, so that a
    request from before an upgrade is the same after it.
    """
    asked: dict[str, Any] = {}
    if submission.send_at is not None:
        asked["send_at"] = submission.send_at
    if submission.priority not in {Priority.UNSPECIFIED, Priority.NORMAL}:
        asked["priority"] = submission.priority
    return asked


def of_values(**meaning: object) -> bytes:
    """32 bytes, equal for equal values."""
    return _sha256(_ENCODER.encode(meaning).encode()).digest()


def _fields(value: Any) -> dict[str, Any]:  # noqa: ANN401  a dataclass
    """What stands for *value* in JSON: each of its fields by its name."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


# Made once: the functions of `json` make one for each call.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_fields)


def _dsn(dsn: Dsn) -> dict[str, Any]:
    return {**_fields(dsn), "notify": sorted(dsn.notify)}


def _mail(message: MessageDraft, parts: Contents) -> dict[str, Any]:
    return {
        "message": _fields(message) | _TOLD_APART,
        "text": _named(message.text_blob, parts) or _digest(message.text),
        "html": _named(message.html_blob, parts) or _digest(message.html),
        "attachments": [_attachment(a, parts) for a in message.attachments],
    }


_TOLD_APART: dict[str, Any] = {
    "text": None,
    "text_blob": None,
    "html": None,
    "html_blob": None,
    "attachments": (),
}
"""Of a message, what stands for its contents: only their digests do."""


def _raw(draft: RawDraft, parts: Contents) -> dict[str, Any]:
    digest = _sha256(draft.data or b"").hexdigest()
    return {
        "mime": _named(draft.blob, parts) or digest,
        "envelope_from": draft.envelope_from,
        "recipients": draft.recipients,
    }


def _named(name: str | None, parts: Contents) -> str:
    """The digest of what *name* stands for; empty where there is no name.

    That of a blob is its name, so that a repetition is known when the blob is gone.
    """
    if name is None:
        return ""
    part = parts.get(name)
    return name.removeprefix(BLOBS) if part is None else part.sha256


def _attachment(attachment: AttachmentDraft, parts: Contents) -> list[str | int]:
    return [
        attachment.filename,
        attachment.content_type,
        attachment.disposition or Disposition.ATTACHMENT,
        attachment.content_id,
        _named(attachment.blob, parts) or _content_digest(attachment),
    ]


def _content_digest(attachment: AttachmentDraft) -> str:
    if attachment.data_base64 is None:
        return _sha256(attachment.data or b"").hexdigest()
    try:
        data = b64decode(attachment.data_base64, validate=True)
    except (Base64Error, ValueError):
        return _digest(attachment.data_base64) + " (not base64)"
    return _sha256(data).hexdigest()


def _digest(text: str | None) -> str:
    if text is None:
        return ""
    return _sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _sha256(octets: bytes) -> hashlib._Hash:
    """The digest of *octets*, of few of them without giving up the interpreter.

    `hashlib` lets others run while it looks at much; getting the lock back costs more
    than the digest of a body does.
    """
    if len(octets) > _FEW:
        return hashlib.sha256(octets)
    digest = hashlib.sha256()
    for start in range(0, len(octets), _AT_ONCE):
        digest.update(octets[start : start + _AT_ONCE])
    return digest


_AT_ONCE = 2047  # hashlib: HASHLIB_GIL_MINSIZE is one more
_FEW = 32 * _AT_ONCE
