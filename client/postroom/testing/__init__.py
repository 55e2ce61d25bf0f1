"""A Postroom for your tests: the real service, with a relay that keeps what it gets.

::

    from postroom.testing import PostroomDouble

    with PostroomDouble() as postroom:
        welcome(postroom.client(), "ada@example.com")  # your code

        mail = postroom.inbox.one(to="ada@example.com")
        assert mail.subject == "Welcome"

It needs ``pip install postroom[testing]``.  pytest finds the fixture `postroom` by
itself.  Nothing leaves the machine.
"""

from __future__ import annotations

try:
    import postroom_server  # noqa: F401  the others need it
except ModuleNotFoundError:
    text = "the test double is the service itself: pip install 'postroom[testing]'"
    raise ModuleNotFoundError(text, name="postroom_server") from None

from postroom.testing.double import PostroomDouble
from postroom.testing.inbox import Inbox
from postroom.testing.received import Headers, ReceivedMail
from postroom.testing.relay import RelayDouble, Trouble

__all__ = [
    "Headers",
    "Inbox",
    "PostroomDouble",
    "ReceivedMail",
    "RelayDouble",
    "Trouble",
]
