"""Django's e-mail through Postroom: ``EMAIL_BACKEND = "postroom.django.EmailBackend"``.

It needs the extra `postroom[django]`.
"""

from __future__ import annotations

from postroom._service import needs

with needs("django"):
    from postroom.django.backend import EmailBackend

__all__ = ["EmailBackend"]
