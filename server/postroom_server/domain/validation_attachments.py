"""Which files may travel with a mail.

Sizes count decoded bytes and are known before base64 is decoded.  A ``message/*`` part
may carry no transfer encoding but identity (RFC 2046 §5.2), and everything that we
send is 7-bit: such a file must be 7-bit text with CRLF line ends, since changing its
bytes would be repair.
"""

from __future__ import annotations

import binascii
import re

from postroom_server.domain.draft import AttachmentDraft, Disposition, MessageDraft
from postroom_server.domain.limits import MB, Limits
from postroom_server.domain.lines import LineScan
from postroom_server.domain.media import MediaType, MediaTypeProblem, parse_media_type
from postroom_server.domain.message import Attachment
from postroom_server.domain.octets import (
    YET_TO_COME,
    Contents,
    StoredOctets,
    blocks_of,
)
from postroom_server.domain.validation_problems import Problems
from postroom_server.domain.validation_text import has_html, is_line

MAX_FILENAME = 255
MAX_CONTENT_ID = 255

# Controls, what turns the direction of text (threat A11), and path separators.
_NOT_IN_FILENAMES = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069/\\]"
)
# RFC 2045 §7 wants a msg-id; what stands in a "cid:" URI needs no "@".  Some readers
# would decode what looks like an encoded word.
_CONTENT_ID = re.compile(r"(?!.*=\?)[!#-'*-;=?-\[\]-~]{1,255}")


def check_attachments(
    problems: Problems, draft: MessageDraft, contents: Contents, limits: Limits
) -> tuple[Attachment, ...]:
    """The files of *draft*, decoded; those that are wrong are left out."""
    drafts = draft.attachments
    if not drafts:
        return ()
    if len(drafts) > limits.max_attachments:
        problems.add(
            "message.attachments",
            f"{len(drafts):,} attachments; at most {limits.max_attachments:,} allowed.",
        )
        drafts = drafts[: limits.max_attachments]
    if sum(_size(a, contents) for a in drafts) > limits.max_attachments_bytes:
        allowed = f"{limits.max_attachments_bytes / MB:g} MB"
        problems.add("message.attachments", f"Together larger than {allowed}.")
    _check_unique_ids(problems, drafts)
    shown = has_html(draft, contents)
    checked = (
        _Check(problems, f"message.attachments[{i}]", contents, limits).attachment(
            a, has_html=shown
        )
        for i, a in enumerate(drafts)
    )
    return tuple(attachment for attachment in checked if attachment)


class _Check:
    """Looks at one attachment; *path* is its place in the request."""

    def __init__(
        self, problems: Problems, path: str, contents: Contents, limits: Limits
    ) -> None:
        self._problems = problems
        self._path = path
        self._contents = contents
        self._limits = limits

    def attachment(
        self, draft: AttachmentDraft, *, has_html: bool
    ) -> Attachment | None:
        self._filename(draft.filename)
        self._placing(draft, has_html=has_html)
        media = self._media_type(draft.content_type)
        data = self._data(draft)
        if data is None or media is None:
            return None
        if media.is_message and not _is_within_7_bit(data):
            self._wrong(
                "content_type",
                "A message/* part must be 7-bit lines of at most 998 octets that end "
                "in CRLF; attach other bytes as application/octet-stream.",
            )
        return Attachment(
            filename=draft.filename,
            content_type=str(media),
            data=data,
            disposition=draft.disposition or Disposition.ATTACHMENT,
            content_id=draft.content_id,
        )

    def _filename(self, name: str) -> None:
        if not name:
            self._wrong("filename", "A file name is required.")
        elif not is_line(name) or _NOT_IN_FILENAMES.search(name):
            self._wrong(
                "filename",
                'No "/", "\\", control or bidirectional-override characters.',
            )
        elif len(name.encode()) > MAX_FILENAME:
            self._wrong("filename", f"Longer than {MAX_FILENAME} octets of UTF-8.")
        elif name in {".", ".."}:
            self._wrong("filename", "This is a folder's name.")

    def _media_type(self, content_type: str) -> MediaType | None:
        try:
            return parse_media_type(content_type)
        except MediaTypeProblem as problem:
            self._wrong("content_type", str(problem))
            return None

    def _placing(self, draft: AttachmentDraft, *, has_html: bool) -> None:
        if draft.content_id and not _CONTENT_ID.fullmatch(draft.content_id):
            self._wrong(
                "content_id",
                f"1 to {MAX_CONTENT_ID} visible ASCII characters without "
                '"<", ">", "(", ")", "\\", "=?" and quotes.',
            )
        if draft.disposition is Disposition.INLINE and not draft.content_id:
            self._wrong("content_id", "Required for an inline part.")
        if draft.disposition is Disposition.INLINE and not has_html:
            self._wrong("disposition", "An inline part needs an HTML body.")

    def _data(self, draft: AttachmentDraft) -> bytes | StoredOctets | None:
        field = "data" if draft.data_base64 is None else "data_base64"
        field = field if draft.blob is None else "blob"
        limit = self._limits.max_attachment_bytes
        size = _size(draft, self._contents)
        if not size:
            self._wrong(field, "At least 1 byte is required.")
            return None
        if size > limit:
            self._wrong(field, f"Larger than {limit / MB:g} MB.")
            return None
        if draft.blob is not None:
            return self._contents[draft.blob]
        if draft.data_base64 is None:
            return draft.data
        try:
            return binascii.a2b_base64(draft.data_base64, strict_mode=True)
        except ValueError:  # also for what is not ASCII
            self._wrong(
                field, "Not base64 (RFC 4648 section 4, padded, without line breaks)."
            )
            return None

    def _wrong(self, field: str, description: str) -> None:
        self._problems.add(f"{self._path}.{field}", description)


def _is_within_7_bit(data: bytes | StoredOctets) -> bool:
    if data is YET_TO_COME:
        return True
    scan = LineScan.of(blocks_of(data))
    return scan.are_lines and scan.is_ascii


def _size(draft: AttachmentDraft, contents: Contents) -> int:
    """Bytes when decoded."""
    if draft.blob is not None:
        return contents[draft.blob].size
    text = draft.data_base64
    if text is None:
        return len(draft.data or b"")
    return len(text) * 3 // 4 - text.count("=", -2)


def _check_unique_ids(problems: Problems, drafts: tuple[AttachmentDraft, ...]) -> None:
    seen: set[str] = set()
    for i, draft in enumerate(drafts):
        if draft.content_id and draft.content_id in seen:
            problems.add(
                f"message.attachments[{i}].content_id", "Used by another attachment."
            )
        seen.add(draft.content_id)
