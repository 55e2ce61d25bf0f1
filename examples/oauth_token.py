"""Prints an OAuth access token for a relay: a token command for postroomd.

    python3 oauth_token.py https://oauth2.googleapis.com/token credentials.json

credentials.json is what the identity provider gave you: client_id, client_secret, scope
where it asks for one, and refresh_token.  Without a refresh_token the program asks in
its own name (client credentials).
"""

from __future__ import annotations

import json
import sys
import urllib.parse
import urllib.request
from pathlib import Path

TIMEOUT = 8.0
"""Seconds; less than the service waits for us."""


def main(endpoint: str, file: str) -> None:
    """Print a token, or end with an error that names no secret."""
    credentials = json.loads(Path(file).read_text(encoding="utf-8"))
    grant = "refresh_token" if "refresh_token" in credentials else "client_credentials"
    form = urllib.parse.urlencode({"grant_type": grant, **credentials})
    with urllib.request.urlopen(endpoint, form.encode(), TIMEOUT) as response:
        print(json.load(response)["access_token"])


if __name__ == "__main__":
    main(*sys.argv[1:])
