"""`postroomd store`, on the file of a service that runs or ran."""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from postroom_server.__main__ import cli
from postroom_server.domain.clock import Instant, SystemClock
from postroom_server.outbox.sqlite import SqliteOutbox
from postroom_server.outbox.store import DeliveryQuery
from typer.testing import CliRunner

from tests.support.blobs import stored_files, upload, with_file
from tests.support.builders import DAY, SECOND, a_new_delivery
from tests.support.outboxes import accept, claim
from tests.support.service import plain, settings

STORES = Path(__file__).parents[2] / "stores"
CLOCK = SystemClock()


@pytest.fixture
def run(tmp_path):
    """Runs a command of the store; its exit code and what it said beside its log."""
    config = settings(tmp_path, {"main": plain(1)})

    def command(*words: str) -> tuple[int, str]:
        options = ("--config", str(config), "store")
        result = CliRunner().invoke(cli, [*options, *words])
        lines = (line for line in result.output.splitlines() if line[:1] != "{")
        return result.exit_code, "\n".join((*lines, ""))

    root, hook = logging.getLogger(), threading.excepthook
    handlers, level = root.handlers[:], root.level
    yield command
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:], threading.excepthook = handlers, hook
    root.setLevel(level)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "postroom.db"


@pytest.fixture
def open_outbox(path):
    opened = []

    def open_at(where: Path = path) -> SqliteOutbox:
        opened.append(SqliteOutbox.open(where, clock=CLOCK))
        return opened[-1]

    yield open_at
    for outbox in opened:
        outbox.close()


def live(outbox, **fields):
    """A delivery accepted now."""
    now = CLOCK.now()
    times = {"accepted_at": now, "due_at": now, "expire_at": Instant(now + DAY)}
    return accept(outbox, **{**times, **fields})


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as store:
        store.executescript(sql)


# Migrate


def test_an_older_store_is_migrated(run, path):
    change(path, (STORES / "0001.sql").read_text())
    code, said = run("migrate")

    assert (code, "was 0001" in said) == (0, True)
    assert run("check")[0] == 0


def test_a_store_that_is_served_is_not_migrated(run, open_outbox):
    open_outbox()
    code, said = run("migrate")

    assert (code, "in use by another process" in said) == (3, True)


@pytest.mark.parametrize(
    "words", [("migrate",), ("check",), ("backup", "copy.db")], ids=lambda w: w[0]
)
def test_where_there_is_no_store_none_is_made(run, path, words):
    code, said = run(*words)

    assert (code, "there is no store at" in said) == (3, True)
    assert not path.exists()


# Check


def test_a_sound_store_is_sound_while_it_is_served(run, open_outbox):
    outbox = open_outbox()
    live(outbox)
    outbox.accept(a_new_delivery(), with_file(upload(outbox.blobs).octets), None)

    assert run("check") == (0, "the store is sound\n")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DELETE FROM content", "1 live deliveries have no content, such as "),
        ("DELETE FROM due", "1 waiting deliveries are never due, such as "),
        ("UPDATE due SET relay = 'x'", "1 rows are due whose delivery does not wait"),
        ("UPDATE delivery SET status = 4", "1 deliveries have a status that contra"),
        ("UPDATE delivery SET id = 'x'", "1 contents are of no delivery, such as "),
        ("DELETE FROM event", "1 live deliveries have other events than were counted"),
        ("DELETE FROM tally", "1 tenants have other deliveries than were counted"),
        ("UPDATE delivery SET doc = '{}'", "1 deliveries can't be read, such as "),
        ("UPDATE content SET data = x'00'", "1 contents can't be read, such as "),
        ("UPDATE blob SET size = 1", "1 octets are gone, or cut short, such as "),
        (
            "INSERT INTO attempt VALUES ('x', 1, '{}')",
            "1 attempts are of no delivery, such as x",
        ),
        (
            "INSERT INTO content_file VALUES ('x', 'y')",
            "1 references to octets are of no delivery, such as x",
        ),
        (
            "INSERT INTO recipient VALUES ('a', 'b', 1, 'x')",
            "1 entries of lists are of no delivery, such as x",
        ),
    ],
)
def test_what_is_wrong_is_told_and_left(run, open_outbox, path, damage, said):
    outbox = open_outbox()
    live(outbox)
    upload(outbox.blobs)
    outbox.close()
    change(path, damage)
    code, words = run("check")

    assert (code, said in words) == (1, True), words
    assert run("check") == (code, words)


def test_a_file_that_is_gone_is_told(run, open_outbox, path):
    upload(open_outbox().blobs)
    stored_files(path)[0].unlink()

    assert run("check")[1].startswith("1 octets are gone, or cut short")


def test_a_damaged_file_is_told(run, open_outbox, path):
    outbox = open_outbox()
    for _ in range(20):
        live(outbox)
    outbox.close()
    octets = bytearray(path.read_bytes())
    octets[5 * 4096 : 6 * 4096] = b"\xaa" * 4096
    path.write_bytes(octets)
    code, said = run("check")

    assert code in {1, 3}
    assert "damaged" in said or "can't be read as a store" in said


def test_an_older_store_is_not_checked(run, path):
    change(path, (STORES / "0003.sql").read_text())
    code, said = run("check")

    assert (code, "run `postroomd store migrate`" in said) == (3, True)


# Backup, and what follows from it


def test_a_copy_has_all_mail_with_its_files_while_it_is_served(
    run, open_outbox, tmp_path
):
    outbox = open_outbox()
    live(outbox)
    mail = a_new_delivery()
    content = with_file(upload(outbox.blobs).octets)
    outbox.accept(mail, content, None)
    target = tmp_path / "copies" / "postroom.db"
    target.parent.mkdir()
    code, said = run("backup", str(target))
    live(outbox)
    copy = open_outbox(target)

    assert (code, said) == (0, f"{target}: 2 deliveries, 1 files of 11 octets\n")
    assert len(copy.list(DeliveryQuery(tenant="default"))) == 2
    assert copy.content(mail.after.id) == content
    assert not target.with_name("postroom.db.partial").exists()


def test_a_copy_is_for_its_owner_alone(run, open_outbox, tmp_path):
    upload(open_outbox().blobs)
    target = tmp_path / "copy.db"
    run("backup", str(target))
    copied = [target, *stored_files(target)]

    assert [oct(p.stat().st_mode & 0o777) for p in copied] == ["0o600"] * 2


def test_nothing_is_copied_over_what_is_there(run, open_outbox, tmp_path):
    open_outbox()
    target = tmp_path / "copy.db"
    target.write_text("precious")
    code, said = run("backup", str(target))

    assert (code, "is there already" in said) == (3, True)
    assert target.read_text() == "precious"


def test_octets_that_are_gone_are_told_and_the_rest_is_copied(
    run, open_outbox, path, tmp_path
):
    outbox = open_outbox()
    upload(outbox.blobs)
    upload(outbox.blobs, data=b"others")
    stored_files(path)[0].unlink()
    code, said = run("backup", str(tmp_path / "copy.db"))

    assert code == 1
    assert "1 files of" in said
    assert "gone or damaged: " in said


def test_octets_that_changed_are_not_copied(run, open_outbox, path, tmp_path):
    upload(open_outbox().blobs)
    stored_files(path)[0].write_bytes(b"MANY octets")
    target = tmp_path / "copy.db"
    code, said = run("backup", str(target))

    assert (code, "gone or damaged: " in said) == (1, True)
    assert stored_files(target) == []


def test_the_store_that_was_copied_goes_on(run, open_outbox, tmp_path):
    outbox = open_outbox()
    epoch, delivery = outbox.epoch, live(outbox)
    run("backup", str(tmp_path / "copy.db"))
    outbox.close()
    outbox = open_outbox()

    assert outbox.epoch == epoch
    assert [one.id for one in claim(outbox, CLOCK.now())] == [delivery.id]


def test_a_copy_is_on_hold_under_another_identity_each_time(run, open_outbox, tmp_path):
    outbox = open_outbox()
    live(outbox)
    target = tmp_path / "copy.db"
    run("backup", str(target))
    second = tmp_path / "second.db"
    second.write_bytes(target.read_bytes())
    copies = [open_outbox(target), open_outbox(second)]

    assert len({outbox.epoch, *(one.epoch for one in copies)}) == 3
    assert all(claim(one, CLOCK.now()) == [] for one in copies)
    assert "restored from the backup of 20" in copies[0].hold.now().reason


def test_a_copy_that_was_opened_stays_on_hold_under_its_identity(
    run, open_outbox, tmp_path
):
    open_outbox()
    target = tmp_path / "copy.db"
    run("backup", str(target))
    first = open_outbox(target)
    epoch, hold = first.epoch, first.hold.now()
    first.close()
    again = open_outbox(target)

    assert (again.epoch, again.hold.now()) == (epoch, hold)


# Hold and resume


@pytest.fixture
def held(run, open_outbox, path):
    """A store on hold with two deliveries from before, one of them for tomorrow."""
    outbox = open_outbox()
    live(outbox, tags=("waiting",))
    live(outbox, tags=("tomorrow",), due_at=Instant(CLOCK.now() + DAY - SECOND))
    outbox.close()
    assert run("hold", "--reason", "copied by hand", "--restored")[0] == 0
    return path


def statuses(outbox) -> dict[str, str]:
    found = outbox.list(DeliveryQuery(tenant="default"))
    return {one.tags[0]: one.status.name for one in found}


@pytest.mark.parametrize(
    ("assume", "status"),
    [("delivered", "SUCCESS"), ("uncertain", "UNCERTAIN"), ("queued", "QUEUED")],
)
def test_what_waited_is_taken_for_what_was_said(run, held, open_outbox, assume, status):
    code, said = run("resume", "--assume", assume)
    outbox = open_outbox()

    assert (code, "the hold is over" in said) == (0, True)
    assert statuses(outbox) == {"waiting": status, "tomorrow": "QUEUED"}
    assert outbox.hold.now() is None
    assert run("check")[0] == 0


def test_what_is_in_question_can_be_counted_first(run, held, open_outbox):
    code, said = run("resume", "--assume", "uncertain", "--dry-run")

    assert (code, said) == (0, "1 deliveries are in question\n")
    assert open_outbox().hold.now().reason == "copied by hand"


def test_a_time_says_what_is_in_question(run, held, open_outbox):
    since = ("--since", "2020-01-31T09:30:00Z")
    run("resume", "--assume", "uncertain", *since)

    assert statuses(open_outbox())["waiting"] == "QUEUED"


def test_a_time_that_is_none_is_told(run, held):
    code, said = run("resume", "--assume", "queued", "--since", "yesterday")

    assert (code, "'yesterday' is no time such as" in said) == (2, True)


def test_a_store_that_is_not_on_hold_is_not_resumed(run, open_outbox):
    open_outbox().close()
    code, said = run("resume", "--assume", "uncertain")

    assert (code, "not on hold: nothing was done" in said) == (1, True)


def test_another_identity_comes_with_what_was_restored_alone(run, open_outbox):
    epochs = []
    for words in ((), ("--restored",), ()):
        outbox = open_outbox()
        epochs.append(outbox.epoch)
        outbox.close()
        run("hold", *words)

    assert epochs[0] == epochs[1] != epochs[2]
