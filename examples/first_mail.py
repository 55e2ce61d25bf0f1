"""Start Postroom with a sandbox relay, send a mail through it, show what arrived.

python examples/first_mail.py           keeps serving until Ctrl-C
python examples/first_mail.py --once    stops after the mail
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from postroom import Attachment, Client, Health, PostroomError

TARGET = os.environ.get("POSTROOM_TARGET", "127.0.0.1:50051")
FOLDER = Path(os.environ.get("POSTROOM_SANDBOX", ".build/sandbox"))
START_TIMEOUT = 30.0


def main() -> int:
    """Run the tour; the exit status of what failed, or 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--once", action="store_true", help="stop after the mail")
    once = parser.parse_args().once
    if is_taken():
        print(f"Another service answers at {TARGET}, and would get the mail.")
        print("Choose another address:  POSTROOM_TARGET=127.0.0.1:50052 make run")
        return 1
    # `kill` stops the service too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = start_server()
    try:
        with Client(TARGET) as client:
            if not came_up(client, server):
                return server.wait()
            send_one(client)
        if not once:
            keep_serving(server)
    finally:
        server.terminate()
        server.wait()
    return 0


def is_taken() -> bool:
    """Whether a service is there already, which is not ours."""
    try:
        with Client(TARGET, max_attempts=1) as client:
            client.health()
    except PostroomError:
        return False
    return True


def start_server() -> subprocess.Popen[bytes]:
    """`postroomd` on the loopback, with a sandbox relay inside."""
    command = [sys.executable, "-m", "postroom_server", "--sandbox", str(FOLDER)]
    environment = {"POSTROOM_LOG__LEVEL": "warning", **os.environ}
    return subprocess.Popen(command, env={**environment, "POSTROOM_LISTEN": TARGET})


def came_up(client: Client, server: subprocess.Popen[bytes]) -> bool:
    """Whether the service answers; False as soon as it has ended instead."""
    give_up_at = time.monotonic() + START_TIMEOUT
    while server.poll() is None and time.monotonic() < give_up_at:
        try:
            if client.health() is Health.SERVING:
                return True
        except PostroomError:
            time.sleep(0.1)
    return False


def send_one(client: Client) -> None:
    """A mail with text, HTML and an attachment, and what became of it."""
    result = client.send(
        from_="Postroom <hello@sandbox.example>",
        to="Ada Lovelace <ada@sandbox.example>",
        subject="It works: your first mail through Postroom",
        text="Hello Ada,\n\nthis came over gRPC, SMTP and a durable outbox.\n",
        html="<p>Hello Ada,</p><p>this came over gRPC, SMTP and a durable outbox.</p>",
        attachments=[Attachment("note.txt", "text/plain", b"Attached, too.\n")],
    )
    print(result.to_json(indent=2))
    print(f"\n{result.status}: the relay has the mail.")
    print(f"Read it:  {newest_mail()}")


def newest_mail() -> Path:
    """The file that the sandbox relay wrote last."""
    return max((FOLDER / "mail").glob("*.eml"), key=lambda path: path.stat().st_mtime)


def keep_serving(server: subprocess.Popen[bytes]) -> None:
    """Say what can be done now, and wait for Ctrl-C."""
    try:
        tell_what_next()
        while server.poll() is None:
            # Not one wait without end: Ctrl-C right before it would go unheard.
            time.sleep(0.2)
    except KeyboardInterrupt:
        print("\nstopping")


def tell_what_next() -> None:
    """What can be done now, from another terminal."""
    print(f"\nServing on {TARGET}; Ctrl-C ends it.  In another terminal:")
    print(
        "  .venv/bin/postroom send --to bounce@sandbox.example --subject Hi --text Hi"
    )
    print(f"  grpcurl -plaintext {TARGET} describe postroom.v1.DeliveryService")


if __name__ == "__main__":
    sys.exit(main())
