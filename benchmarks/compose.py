"""What composing costs beside the standard library's `EmailMessage`.

Prints the processor time of both for text and HTML of 10 KB, without and with a file
of 1 MB, and the ratio (the median over alternating rounds).

    python benchmarks/compose.py [--rounds 9]
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid

from postroom_server.domain.clock import SystemClock
from postroom_server.domain.draft import AttachmentDraft, MailboxDraft, MessageDraft
from postroom_server.domain.limits import Limits
from postroom_server.domain.validation import SenderDefaults, check_message
from postroom_server.mail.composer import compose
from postroom_server.mail.identity import new_identity

FROM, TO = "sender@example.com", "rcpt@example.net"
SUBJECT = "Your order has shipped \u2013 tracking inside"
WORDS = ("order", "shipment", "tracking", "invoice", "customer", "delivery", "paid")
SECONDS = 0.15
"""How long each side runs in each round."""


def prose(size: int, rng: random.Random) -> str:
    """About *size* characters in lines of some ten words."""
    lines = []
    while sum(map(len, lines)) < size:
        lines.append(" ".join(rng.choices(WORDS, k=9)) + "\n")
    return "".join(lines)


def draft(file: bytes | None) -> MessageDraft:
    """A mail as callers ask for it."""
    rng = random.Random(1)
    rows = "".join(
        f'<p class="x">{line}</p>\n' for line in prose(5200, rng).split("\n")
    )
    attached = AttachmentDraft(
        filename="invoice.pdf", content_type="application/pdf", data=file
    )
    return MessageDraft(
        from_mailbox=MailboxDraft(FROM),
        to=(MailboxDraft(TO),),
        subject=SUBJECT,
        text=prose(3300, rng),
        html=f"<!doctype html><html><body>\n{rows}</body></html>\n",
        attachments=() if file is None else (attached,),
    )


def ours(asked: MessageDraft) -> Callable[[], object]:
    """Composing, and everything that each mail needs for it."""
    valid = check_message(asked, SenderDefaults(), Limits())
    clock = SystemClock()

    def run() -> object:
        return compose(valid.message, new_identity(valid.message, clock.now()))

    return run


def checked(asked: MessageDraft) -> Callable[[], object]:
    """Validation as well."""
    clock = SystemClock()

    def run() -> object:
        message = check_message(asked, SenderDefaults(), Limits()).message
        return compose(message, new_identity(message, clock.now()))

    return run


def theirs(asked: MessageDraft) -> Callable[[], object]:
    """The same mail by the standard library."""

    def run() -> object:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = FROM, TO, SUBJECT
        mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain="x.example")
        mail.set_content(asked.text)
        mail.add_alternative(asked.html, subtype="html")
        for file in asked.attachments:
            mail.add_attachment(
                file.data, maintype="application", subtype="pdf", filename=file.filename
            )
        return mail.as_bytes(policy=SMTP)

    return run


def milliseconds(run: Callable[[], object]) -> float:
    """Processor time of one *run*."""
    run()
    count, begun = 0, time.thread_time()
    while (spent := time.thread_time() - begun) < SECONDS:
        run()
        count += 1
    return spent / count * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    print(
        f"{'':12}{'EmailMessage':>14}{'ours':>9}{'ratio':>7}{'+check':>9}{'ratio':>7}"
    )
    files = {"10 KB": None, "10 KB + 1 MB": random.Random(2).randbytes(1 << 20)}
    for name, file in files.items():
        asked = draft(file)
        runs = [theirs(asked), ours(asked), checked(asked)]
        rows = [[milliseconds(run) for run in runs] for _ in range(rounds)]
        a, b, c = (statistics.median(column) for column in zip(*rows, strict=True))
        plain = statistics.median(row[0] / row[1] for row in rows)
        whole = statistics.median(row[0] / row[2] for row in rows)
        print(f"{name:12}{a:11.3f} ms{b:9.4f}{plain:7.1f}{c:9.4f}{whole:7.1f}")


if __name__ == "__main__":
    main()
