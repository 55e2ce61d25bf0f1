"""Ways to send mail from Python that `peers` sets beside ours.

Each takes what was asked and says what it did, as `library` does; all compose each mail
anew with `EmailMessage`.
"""

from __future__ import annotations

import asyncio
import smtplib
import threading
import time
from argparse import Namespace
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

import aiosmtplib

from benchmarks import library
from benchmarks.library import Window, spent, told


def message(asked: Namespace) -> EmailMessage:
    """The mail as the standard library makes it."""
    mail = EmailMessage()
    mail["From"], mail["To"] = library.FROM, library.TO
    mail["Subject"] = "Your order has shipped \N{EN DASH} tracking inside"
    mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain="example.com")
    mail.set_content(asked.text)
    mail.add_alternative(asked.html, subtype="html")
    if asked.file:
        mail.add_attachment(
            asked.file, maintype="application", subtype="pdf", filename="invoice.pdf"
        )
    return mail


def with_noop(asked: Namespace) -> dict[str, Any]:
    """A kept connection of smtplib for each thread, asked before it is used again."""
    return keeping(asked, smtplib.SMTP.noop)


def kept(asked: Namespace) -> dict[str, Any]:
    """The same without asking."""
    return keeping(asked, lambda _: None)


def keeping(asked: Namespace, ask: Callable[[smtplib.SMTP], object]) -> dict[str, Any]:
    """A kept connection of smtplib for each thread; *ask* comes before each mail."""

    def send(window: Window) -> None:
        with smtplib.SMTP("127.0.0.1", asked.port) as relay:
            while (began := time.perf_counter()) < window.end:
                ask(relay)
                relay.send_message(message(asked))
                note(window, began)

    return in_threads(asked, send)


def connecting(asked: Namespace) -> dict[str, Any]:
    """A connection of smtplib for each mail."""

    def send(window: Window) -> None:
        while (began := time.perf_counter()) < window.end:
            with smtplib.SMTP("127.0.0.1", asked.port) as relay:
                relay.send_message(message(asked))
            note(window, began)

    return in_threads(asked, send)


def with_aiosmtplib(asked: Namespace) -> dict[str, Any]:
    """A kept connection of aiosmtplib for each task."""
    window, cpu = window_of(asked), [0.0, 0.0]

    async def send() -> None:
        async with aiosmtplib.SMTP(
            hostname="127.0.0.1", port=asked.port, start_tls=False
        ) as relay:
            while (began := time.perf_counter()) < window.end:
                await relay.send_message(message(asked))
                note(window, began)

    async def everybody() -> None:
        tasks = [asyncio.create_task(send()) for _ in range(asked.conc)]
        await asyncio.sleep(max(0.0, window.begin - time.perf_counter()))
        cpu[0] = spent()
        await asyncio.sleep(max(0.0, window.end - time.perf_counter()))
        cpu[1] = spent()
        await asyncio.gather(*tasks)

    asyncio.run(everybody())
    return told(window, asked.secs, cpu[1] - cpu[0])


def window_of(asked: Namespace) -> Window:
    """When to measure: from a little later on."""
    now = time.perf_counter()
    return Window(now + asked.warm, now + asked.warm + asked.secs)


def note(window: Window, began: float) -> None:
    """A mail was taken."""
    done = time.perf_counter()
    if window.begin <= done < window.end:
        window.took.append(done - began)


def in_threads(asked: Namespace, send: Callable[[Window], None]) -> dict[str, Any]:
    """Have so many threads send for the time of the window."""
    window = window_of(asked)
    threads = [threading.Thread(target=send, args=(window,)) for _ in range(asked.conc)]
    for thread in threads:
        thread.start()
    time.sleep(max(0.0, window.begin - time.perf_counter()))
    before = spent()
    time.sleep(max(0.0, window.end - time.perf_counter()))
    cpu = spent() - before
    for thread in threads:
        thread.join()
    return told(window, asked.secs, cpu)
