from __future__ import annotations

import csv
import json
import threading

import grpc
import pytest
from postroom.cli.app import app
from postroom.v1 import send_pb2
from typer.testing import CliRunner

from tests.integration.client.answers import result, sent
from tests.support.fake_service import Refusal

PEOPLE = "to,name,code\nada@example.com,Ada,<1>\nbob@example.com,,2\n"
TEMPLATE = ["--subject", "For {name}", "--text", "Your code: {code}"]
AWAY = Refusal(code=grpc.StatusCode.UNAVAILABLE, reason="OVERLOADED", pushback="-1")
BROKEN = Refusal(code=grpc.StatusCode.INTERNAL, reason="INTERNAL")
PLAIN = ["--subject", "x", "--text", "x"]
INVALID = Refusal(code=grpc.StatusCode.INVALID_ARGUMENT, reason="INVALID_MESSAGE")


@pytest.fixture
def run(service, tmp_path):
    """Runs a batch, one mail after the other."""

    def run(people, *arguments, template=TEMPLATE):
        path = tmp_path / "people.csv"
        path.write_text(people, "utf-8", newline="")
        command = ["--target", service.target, "send", "--batch", str(path)]
        command += [*template, "--parallel", "1", *arguments]
        return CliRunner().invoke(app, command)

    return run


@pytest.fixture
def fates(tmp_path):
    def read():
        with (tmp_path / "people.result.csv").open(
            encoding="utf-8", newline=""
        ) as file:
            return [(row["row"], row["status"]) for row in csv.DictReader(file)]

    return read


def sent_to(service):
    return [request.message.to[0].address for request in service.requests]


def test_each_row_is_a_mail_of_its_own(run, service, fates):
    ended = run(PEOPLE, "--html", "<p>{name}: {code}</p>")
    first, second = service.requests

    assert ended.exit_code == 1  # the fake service tells no fate
    assert (first.message.to[0].name, first.message.subject) == ("Ada", "For Ada")
    assert first.message.text_body == "Your code: <1>"
    assert first.message.html_body == "<p>Ada: &lt;1&gt;</p>"
    assert second.message.subject == "For "
    assert first.request_id != second.request_id


def test_fates_are_told_row_by_row_and_summed_up(run, service, tmp_path):
    refused = sent("REJECTED", detail="no such user")
    service.script("SendMessage", sent(), refused)
    ended = run(PEOPLE, "--json")
    with (tmp_path / "people.result.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert ended.exit_code == 1
    assert json.loads(ended.stdout) == {
        "rows": 2,
        "skipped": 0,
        "statuses": {"REJECTED": 1, "SUCCESS": 1},
        "result": str(tmp_path / "people.result.csv"),
    }
    assert rows[0] == {
        "row": "2",
        "request_id": service.requests[0].request_id,
        "status": "SUCCESS",
        "delivery": "deliveries/0198",
        "detail": "",
    }
    assert (rows[1]["row"], rows[1]["detail"]) == ("3", "no such user")


def test_a_batch_run_again_sends_only_what_is_open(run, service, fates):
    people = "to\n" + "".join(f"{name}@example.com\n" for name in "abcde")
    template = ["--subject", "x", "--text", "y"]
    temporary = sent("TEMP_FAILED", is_retryable=True)
    answers = [sent(), temporary, INVALID, BROKEN, sent("REJECTED")]
    service.script("SendMessage", *answers, *[sent()] * 3)
    first = run(people, template=template)
    ids = [request.request_id for request in service.requests]
    second = run(people, template=template)
    again = service.requests[5:]

    assert (first.exit_code, second.exit_code) == (4, 0)
    assert [mail.request_id for mail in again] == ids[1:4]
    assert "skipped" in second.stdout
    assert [status for _, status in fates()][5:] == ["SUCCESS"] * 3


def test_a_result_of_other_words_is_not_gone_on_with(run, service, tmp_path):
    service.script("SendMessage", *[sent()] * 4)
    run(PEOPLE)
    other = run(PEOPLE, "--no-retry")
    meant = run(PEOPLE, "--no-retry", "--result", str(tmp_path / "other.csv"))

    assert other.exit_code == 2
    assert "is of another batch" in other.stderr
    assert meant.exit_code == 0
    assert len(service.requests) == 4


def test_a_batch_with_a_new_row_is_the_same_batch(run, service):
    service.script("SendMessage", *[sent()] * 3)
    run(PEOPLE)
    longer = run(PEOPLE + "eve@example.com,Eve,3\n")

    assert longer.exit_code == 0
    assert sent_to(service)[2:] == ["eve@example.com"]


def test_a_batch_ends_when_the_service_goes_away_and_goes_on_later(run, service, fates):
    service.script("SendMessage", AWAY)
    first = run(PEOPLE)
    service.script("SendMessage", sent(), sent())
    second = run(PEOPLE)

    assert first.exit_code == 4
    assert "run it again" in first.stderr
    assert second.exit_code == 0
    assert [status for _, status in fates()] == ["ERROR", "SUCCESS", "SUCCESS"]
    assert service.requests[0].request_id == service.requests[1].request_id


def test_a_line_that_was_cut_short_is_not_written(run, service, tmp_path, fates):
    service.script("SendMessage", *[sent()] * 3)
    run(PEOPLE)
    path = tmp_path / "people.result.csv"
    path.write_bytes(path.read_bytes()[:-5])
    run(PEOPLE)

    assert sent_to(service) == ["ada@example.com", "bob@example.com", "bob@example.com"]
    assert fates() == [("2", "SUCCESS"), ("3", "SUCCESS")]


def test_equal_rows_are_one(run, service):
    service.script("SendMessage", sent())
    ended = run("to\nada@example.com\nada@example.com\n", template=["--subject", "x"])

    assert ended.exit_code == 0
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "same"),
    [
        ([], True),
        (["--batch-id", "x"], False),
        (["--header", "X-A: 1"], False),
        (["--inline", f"cid={__file__}"], False),
    ],
)
def test_the_request_id_follows_from_batch_and_row(
    run, service, tmp_path, arguments, same
):
    run(PEOPLE)
    (tmp_path / "people.result.csv").unlink()
    run(PEOPLE, *arguments)
    ids = [request.request_id for request in service.requests]

    assert (ids[:2] == ids[2:]) is same
    assert len(set(ids)) == (2 if same else 4)


def test_a_batch_of_a_name_keeps_its_request_ids_whatever_it_says(run, service):
    run(PEOPLE, "--batch-id", "x")
    run(PEOPLE, "--batch-id", "x", "--result", "/dev/null", "--header", "X-A: 1")
    ids = [request.request_id for request in service.requests]

    assert ids[:2] == ids[2:]


@pytest.mark.parametrize(
    ("people", "told"),
    [
        (
            "to\na, b\n\nc@example.com\nnobody\n",
            ["line 2: ", "line 4: there", "line 5: to: 'nobody'"],
        ),
        ("name\nAda\n", ["line 1: there is no column 'to'"]),
        ("to,to\na@example.com,b\n", ["line 1: a column 'to' is there twice"]),
        ("to,name\na@example.com\n", ["line 2: 1 cells for 2 columns"]),
        ("to,name\n", ["there are no rows"]),
        ("", ["line 1: there is no column 'to'"]),
        ("to,name\na@example.com,x\n", ["line 2: there is no column 'code'"]),
        ('to,code,name\na@example.com,1,"b\nc"\n', ["line 3: the subject"]),
        ('to,name,code\na@example.com,"x"y,1\n', ["line 2: "]),
    ],
)
def test_bad_rows_are_told_with_their_lines_before_anything_is_sent(
    run, service, people, told, tmp_path
):
    ended = run(people)
    lines = ended.stderr.splitlines()

    assert ended.exit_code == 3
    assert all(
        line.startswith(f"postroom: {one}")
        for line, one in zip(lines, told, strict=False)
    )
    assert lines[-1] == "postroom: nothing was sent"
    assert service.requests == []
    assert not (tmp_path / "people.result.csv").exists()


def test_a_thousand_bad_rows_are_not_a_thousand_lines(run):
    ended = run("to\n" + "nobody\n" * 1000, template=["--subject", "x"])

    assert len(ended.stderr.splitlines()) == 22
    assert "and 980 more" in ended.stderr


def test_a_file_of_a_spreadsheet_is_read(run, service):
    run("\ufeffto,name,code\r\nada@example.com,Ada,1\r\n")

    assert sent_to(service) == ["ada@example.com"]


def test_a_row_may_have_a_subject_of_its_own(run, service):
    run(
        "to,subject\nada@example.com,Mine {x}\nbob@example.com,\n",
        template=["--subject", "x"],
    )

    assert [one.message.subject for one in service.requests] == ["Mine {x}", "x"]


def test_each_row_has_its_own_way_to_unsubscribe(run, service):
    people = "to,code\nada@example.com,a b&c=<1>\nbob@example.com,2\n"
    run(people, "--unsubscribe-url", "https://example.com/u?c={code}", template=PLAIN)

    assert [one.message.unsubscribe.url for one in service.requests] == [
        "https://example.com/u?c=a%20b%26c%3D%3C1%3E",
        "https://example.com/u?c=2",
    ]


def test_other_braces_stand_for_themselves(run, service):
    css = "<style>@media print{p{color:red}} {{code}} {code} { code }"
    run(PEOPLE, "--html", css)

    assert service.requests[1].message.html_body == (
        "<style>@media print{p{color:red}} {code} 2 { code }"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "x@example.com"], "--to"),
        (["--request-id", "x"], "--request-id"),
        (["--validate-only"], "--validate-only"),
        (["--expire", "2h"], "--expire has to be a time"),
        (["--in", "2h"], "give --at"),
    ],
)
def test_what_makes_no_sense_for_a_batch_is_wrong_usage(run, service, arguments, said):
    ended = run(PEOPLE, *arguments)

    assert ended.exit_code == 2
    assert said in ended.stderr
    assert service.requests == []


def test_another_file_is_not_taken_for_a_result(run, service, tmp_path):
    (tmp_path / "people.result.csv").write_text("something else\n")
    ended = run(PEOPLE)

    assert ended.exit_code == 2
    assert service.requests == []
    assert (tmp_path / "people.result.csv").read_text() == "something else\n"


def test_no_cell_of_the_result_is_a_formula(run, service, tmp_path):
    service.script("SendMessage", sent("REJECTED", detail='=HYPERLINK("x")\nnext'))
    run("to\na@example.com\n", template=["--subject", "x"])

    assert "'=HYPERLINK" in (tmp_path / "people.result.csv").read_text()
    assert "\nnext" not in (tmp_path / "people.result.csv").read_text()


def test_several_mails_go_at_once_and_no_more_than_said(run, service):
    lock, together = threading.Lock(), threading.Barrier(2)
    now, most = [], []

    def answer(request):
        with lock:
            now.append(request)
            most.append(len(now))
        together.wait(10)
        with lock:
            now.remove(request)
        return send_pb2.SendMessageResponse(result=result())

    service.script("SendMessage", *[answer] * 6)
    people = "to\n" + "".join(f"{name}@example.com\n" for name in "abcdef")
    ended = run(people, "--parallel", "2", template=["--subject", "x"])

    assert ended.exit_code == 0
    assert len(service.requests) == 6
    assert max(most) == 2
