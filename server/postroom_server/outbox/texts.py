"""Recipients, attempts and events as the text of JSON objects, written piece by piece.

A mail is written as text two or three times and read hardly ever: objects and an
encoder between its values and the text cost twice as much as the text.  What each key
means is told where it is read, in `documents` and `records`.  The first value of each
object is always there, so that all others begin with a comma.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from postroom_server.domain.attempt import Attempt, AttemptOutcome, PhaseTiming
from postroom_server.domain.delivery import Recipient, RecipientStatus
from postroom_server.domain.events import Event
from postroom_server.domain.reply import Reply

quoted = encode_basestring_ascii
"""A text as JSON has it, with its quotes."""


def recipient_text(recipient: Recipient) -> str:
    """*recipient* as an object."""
    text = f'{{"w":{quoted(recipient.wire)}'
    if recipient.address != recipient.wire:
        text += f',"a":{quoted(recipient.address)}'
    if recipient.status is not RecipientStatus.PENDING:
        text += f',"s":{recipient.status:d}'
    if recipient.reason:
        text += f',"r":{recipient.reason:d}'
    if recipient.detail:
        text += f',"d":{quoted(recipient.detail)}'
    if recipient.settled_at is not None:
        text += f',"t":{recipient.settled_at}'
    if recipient.in_doubt:
        text += ',"u":true'
    return text + _end(recipient.reply)


def attempt_text(attempt: Attempt) -> str:
    """*attempt* as an object; how long its steps took, to the microsecond."""
    relay = quoted(attempt.relay)
    text = f'{{"i":{attempt.number},"l":{relay},"b":{attempt.started_at}'
    if attempt.ended_at is not None:
        text += f',"e":{attempt.ended_at}'
    if attempt.outcome is not AttemptOutcome.RUNNING:
        text += f',"o":{attempt.outcome:d}'
    if attempt.phase:
        text += f',"p":{attempt.phase:d}'
    if attempt.timings:
        text += f',"t":[{",".join(map(_timing, attempt.timings))}]'
    return text + _session(attempt) + _findings(attempt) + _end(attempt.reply)


def _timing(timing: PhaseTiming) -> str:
    # The shortest text of a float costs more than all else of an attempt.
    seconds, micros = divmod(round(timing.seconds * 1e6), 1_000_000)
    return f"[{timing.phase:d},{seconds}.{micros:06}]"


def _session(attempt: Attempt) -> str:
    text = ""
    if attempt.remote:
        text += f',"h":{quoted(attempt.remote)}'
    if attempt.session_reused:
        text += ',"u":true'
    if attempt.tls_version:
        text += f',"v":{quoted(attempt.tls_version)}'
    return text


def _findings(attempt: Attempt) -> str:
    text = ""
    if attempt.reason:
        text += f',"r":{attempt.reason:d}'
    if attempt.detail:
        text += f',"d":{quoted(attempt.detail)}'
    if attempt.recipients_delivered:
        text += f',"ok":{attempt.recipients_delivered}'
    if attempt.recipients_refused:
        text += f',"no":{attempt.recipients_refused}'
    if attempt.recipients_deferred:
        text += f',"df":{attempt.recipients_deferred}'
    return text


def event_text(event: Event) -> str:
    """*event* as an object, less what has a column: its kind and time."""
    text = _begun(int(event.status), event.attempt)
    if event.recipient:
        text += f',"to":{quoted(event.recipient)}'
    if event.reason:
        text += f',"r":{event.reason:d}'
    if event.detail:
        text += f',"d":{quoted(event.detail)}'
    if event.next_attempt_at is not None:
        text += f',"n":{event.next_attempt_at}'
    return text + _end(event.reply)


def listed(texts: Iterable[str]) -> str:
    """An array of objects."""
    return f"[{','.join(texts)}]"


@lru_cache(1024)
def _begun(status: int, attempt: int) -> str:
    return f'{{"s":{status},"a":{attempt}' if attempt else f'{{"s":{status}'


def _end(reply: Reply | None) -> str:
    """The reply, if there is one, and the end of its object."""
    if reply is None:
        return "}"
    enhanced, text = quoted(reply.enhanced_code), quoted(reply.text)
    return f',"re":[{reply.code},{enhanced},{text},{reply.phase:d}]}}'
