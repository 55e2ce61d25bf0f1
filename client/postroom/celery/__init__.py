"""Mail from Celery through Postroom: ``send_email_async.delay(to=..., ...)``.

It needs the extra `postroom[celery]`.
"""

from __future__ import annotations

from postroom._service import needs

with needs("celery"):
    from postroom.celery.tasks import send_email_async

__all__ = ["send_email_async"]
