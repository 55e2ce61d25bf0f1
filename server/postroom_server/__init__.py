"""Postroom: a gRPC e-mail delivery service."""

from __future__ import annotations

import os

# gRPC writes lines of its own to the standard error, one for each handshake that fails:
# whoever reaches the port could fill the log.  It asks this once, when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
