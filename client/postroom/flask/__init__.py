"""Mail from Flask through Postroom: ``mail = Postroom(app)``, ``mail.send(...)``.

It needs the extra `postroom[flask]`.
"""

from __future__ import annotations

from postroom._service import needs

with needs("flask"):
    from postroom.flask.extension import Postroom
    from postroom.flask.message import Message

__all__ = ["Message", "Postroom"]
