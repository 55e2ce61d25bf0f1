"""What is allowed and probably not meant; told to callers who ask (ValidateMessage)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from urllib.parse import quote

from postroom_server.domain.draft import Disposition
from postroom_server.domain.limits import MB
from postroom_server.domain.message import Mailbox, Message
from postroom_server.domain.octets import StoredText

MOST_WARNINGS = 20
_LONGEST_URL = 898
"""Characters of a URI that stands on one line, brackets not counted."""
_SEARCHED = MB
"""Characters of the HTML that are searched for references to inline parts."""


def warnings_of(message: Message) -> tuple[str, ...]:
    """At most 20 sentences about *message*."""
    return tuple(islice(_warnings(message), MOST_WARNINGS))


def _warnings(message: Message) -> Iterator[str]:
    yield from _about_texts(message)
    yield from _about_recipients(message)
    yield from _about_authors(message)
    yield from _about_inline_parts(message)
    yield from _about_unsubscribing(message)


def _about_texts(message: Message) -> Iterator[str]:
    if not message.subject.strip():
        yield "The subject looks empty."
    text = _beginning(message.text)
    if message.text is None:
        yield "There is HTML and no text; some readers and spam filters want both."
    elif not text.strip() and message.html is None:
        yield "The text looks empty."
    elif not text.strip():
        yield "The text looks empty; readers that prefer it won't see the HTML."


def _about_recipients(message: Message) -> Iterator[str]:
    visible = _keys((*message.to, *message.cc))
    if not visible:
        yield "Every recipient is in bcc; mail without To or Cc often counts as spam."
    hidden = _keys(message.bcc)
    if hidden & visible:
        yield "An address in bcc is visible, because it is also in to or cc."
    named = len(message.to) + len(message.cc) + len(message.bcc)
    repeated = named - len(message.recipients())
    if repeated:
        yield f"{repeated} recipients are named more than once and get one copy."


def _about_authors(message: Message) -> Iterator[str]:
    author = message.from_mailbox.address
    if author.key in _keys(message.reply_to):
        yield "Reply-To names the From address, where replies go anyway."
    if message.sender and message.sender.address.key == author.key:
        yield "Sender equals From and is left out."


def _about_inline_parts(message: Message) -> Iterator[str]:
    html = _beginning(message.html)
    for part in message.attachments:
        if part.disposition is not Disposition.INLINE:
            continue
        name = part.content_id
        if f"cid:{name}" not in html and f"cid:{quote(name)}" not in html:
            yield f"The HTML does not refer to the inline part cid:{name}."


def _beginning(body: str | StoredText | None) -> str:
    """As much of *body* as is looked at."""
    if isinstance(body, StoredText):
        return body.beginning(_SEARCHED)
    return (body or "")[:_SEARCHED]


def _about_unsubscribing(message: Message) -> Iterator[str]:
    asked = message.unsubscribe
    if asked is None:
        return
    if len(asked.url) > _LONGEST_URL:
        yield "The URI to unsubscribe is folded, which some readers don't undo."
    if len(message.recipients()) > 1 and asked.url:
        yield "Each of several recipients gets the same URI to unsubscribe."


def _keys(mailboxes: tuple[Mailbox, ...]) -> set[str]:
    return {mailbox.address.key for mailbox in mailboxes}
