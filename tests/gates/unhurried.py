"""`postroomd` that answers a whole second before its callers' deadlines.

    python -m tests.gates.unhurried --config FILE

In the quarter of a second that it keeps elsewhere a disk may stand still that many
share, and then a caller hears from its own library.
"""

from __future__ import annotations

from postroom_server.__main__ import main
from postroom_server.rpc import context

if __name__ == "__main__":
    context.MARGIN = 1.0
    main()
