"""What the documents say is there, is there; what is there, they say."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from _pytest.mark import ParameterSet
from postroom.cli.app import app
from postroom.v1 import delivery_service_pb2, error_reason_pb2, relay_service_pb2
from postroom_server.__main__ import cli
from postroom_server.config import load_config
from postroom_server.rpc.server_info import FEATURES
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.callers import tls_files
from tests.support.service import plain, running
from tests.support.sources import ROOT, SERVER, python_files, shown

DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "protos").glob("*.md")]
)
DECISIONS = sorted((DOCS / "decisions").glob("0*.md"))
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FIRST_CELL = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
EVENT = re.compile(
    r"(?:(?:_log|get_logger\(__name__\))\.[a-z]+\(|\btell\(\"[a-z]+\",)\s*\"([\w. ]+)\""
)
THREAD = re.compile(r"\"(postroom-[a-z]+(?:-[a-z]+)*)-?[\"{]")
NO_THREADS = {"postroom-server"}
TARGET = "localhost:50051"


def written(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def text(path: str) -> str:
    return written(ROOT / path)


def examples(language: str) -> list[ParameterSet]:
    """The fenced blocks of that language, each with where it stands."""
    return [
        pytest.param(block, id=f"{shown(page)}-{place}")
        for page in PAGES
        for place, (kind, block) in enumerate(FENCE.findall(written(page)))
        if kind == language
    ]


def prose(page: Path) -> str:
    return FENCE.sub("", written(page))


def anchors(page: Path) -> set[str]:
    """What headings are called in links."""
    names = (re.sub(r"[^\w\s-]", "", h.lower()) for h in HEADING.findall(prose(page)))
    return {name.strip().replace(" ", "-") for name in names}


def places(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Links of a page within the repository: as written, file, anchor."""
    for link in LINK.findall(prose(page)):
        if "://" not in link:
            name, _, anchor = link.partition("#")
            yield link, (page.parent / name) if name else page, anchor


def options(command: typer.core.TyperCommand) -> set[str]:
    """The options of a command but for help, by their long names."""
    names = {name for p in command.params for name in p.opts if name.startswith("--")}
    return names - {"--help", "--install-completion", "--show-completion"}


COMMAND = typer.main.get_command(app)
DAEMON = typer.main.get_command(cli)


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_somewhere(page):
    broken = [
        link
        for link, file, anchor in places(page)
        if not file.exists() or (anchor and anchor not in anchors(file))
    ]

    assert broken == []


def test_every_page_can_be_reached_from_the_readme():
    reached, ahead = set(), {ROOT / "README.md"}
    while ahead:
        page = ahead.pop()
        reached.add(page)
        ahead |= {
            file.resolve() for _, file, _ in places(page) if file.suffix == ".md"
        } - reached

    assert [
        shown(page) for page in sorted(DOCS.rglob("*.md")) if page not in reached
    ] == []


def test_errors_lists_every_reason_and_no_other():
    reasons = error_reason_pb2.ErrorReason.keys()
    table = text("docs/reference/errors.md").partition("## The reasons")[2]
    listed = FIRST_CELL.findall(table.partition("\n## ")[0])

    assert listed == [r.removeprefix("ERROR_REASON_") for r in reasons][1:]


def test_api_describes_every_method_and_no_other():
    files = (delivery_service_pb2, relay_service_pb2)
    services = [s for f in files for s in f.DESCRIPTOR.services_by_name.values()]
    methods = [method.name for service in services for method in service.methods]
    headings = HEADING.findall(text("docs/reference/api.md"))
    others = ["API", "Conventions", "RelayService", "Health", "Statuses"]

    assert [h for h in headings if h not in others] == methods


def test_cli_describes_every_command_and_no_other():
    headings = re.findall(
        r"^### `postroom (\w+)`$", text("docs/reference/cli.md"), re.MULTILINE
    )

    assert headings == list(COMMAND.commands)


@pytest.mark.parametrize("name", COMMAND.commands)
def test_cli_names_every_option_of(name):
    page = text("docs/reference/cli.md")
    section = page.partition(f"### `postroom {name}`")[2].partition("\n##")[0]
    missing = options(COMMAND.commands[name]) - {"--json"}

    assert {option for option in missing if f"`{option}`" not in section} == set()


@pytest.mark.parametrize(
    ("heading", "command"), [("`postroom`", COMMAND), ("`postroomd`", DAEMON)]
)
def test_cli_names_every_option_before_a_command(heading, command):
    page = text("docs/reference/cli.md")
    section = page.partition(f"## {heading}\n")[2].partition("\n##")[0]

    assert {o for o in options(command) if f"`{o}`" not in section} == set()


def test_features_lists_every_name_and_no_other():
    table = text("docs/features.md").partition("\n## ")[0]

    assert tuple(FIRST_CELL.findall(table)) == FEATURES


def test_threads_names_every_thread():
    page = text("docs/explanation/threads.md")
    named = {
        name for path in python_files(SERVER) for name in THREAD.findall(written(path))
    }

    assert {n for n in named - NO_THREADS if n not in page} == set()


def test_log_events_lists_every_event_and_no_other():
    table = text("docs/reference/log-events.md").partition("\n## Events")[2]
    rows = re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE)
    listed = [event for row in rows for event in re.findall(r"`([^`]+)`", row)]
    logged = {
        event for path in python_files(SERVER) for event in EVENT.findall(written(path))
    }

    assert {"service.ready", "outbox.opened", "delivery.recovered"} <= logged
    assert sorted(listed) == sorted(logged)


def test_events_are_named_by_their_part():
    logged = {
        event for path in python_files(SERVER) for event in EVENT.findall(written(path))
    }

    assert {e for e in logged if not re.fullmatch(r"[a-z]+(\.[a-z_]+)+", e)} == set()


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_is_short_and_says_when_to_revisit_it(page):
    page_text = written(page)

    assert HEADING.findall(page_text)[1:] == [
        "Context",
        "Decision",
        "Consequences",
        "When to revisit",
    ]
    assert page_text.count("\n") <= 40
    assert f"({page.name})" in text("docs/decisions/README.md")


@pytest.fixture
def target(tmp_path):
    """A service in place of the one that examples speak with."""
    with (
        SandboxRelay() as relay,
        running(
            tmp_path,
            {"main": plain(relay.port, from_address="postroom@sandbox.example")},
            relay,
        ) as service,
    ):
        yield service.app.server.address


@pytest.mark.parametrize("source", examples("python"))
def test_a_python_example_runs(source, target, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = compile(source.replace(TARGET, target), "example", "exec")

    exec(code, {"__name__": "example"})


@pytest.mark.parametrize("source", examples("toml"))
def test_a_toml_example_is_a_configuration(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("smtp-password").write_text("secret\n")
    files = tls_files(tmp_path)
    shutil.copy(files.authority, "clients.pem")
    Path("relay-token").write_text("secret\n")
    # A key alone stands for a file that has it and what every file needs.
    needed = "" if "[relays." in source else '\n[relays.main]\nhost = "localhost"\n'
    Path("postroom.toml").write_text(source + needed)

    assert load_config(Path("postroom.toml"), {}).relays
