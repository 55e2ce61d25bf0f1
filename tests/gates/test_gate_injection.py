"""No text of a caller becomes a command, a header, a line or a mail of its own.

Each text goes into each field, through the whole service, to relays that keep every
octet.  It is refused at its field, or it arrives as part of one mail.
"""

from __future__ import annotations

import json

import pytest
from google.protobuf.descriptor import FieldDescriptor
from postroom import Client
from postroom.v1 import message_pb2 as message_pb

from tests.gates.figures import figure
from tests.gates.injected import judge
from tests.gates.oracle import assert_stats_are_true
from tests.gates.payloads import INJECTIONS, SMUGGLING, naughty_strings
from tests.gates.posting import FIELDS, OPTIONS, SMUGGLED_FIELDS, Post
from tests.support.process import daemon, free_port
from tests.support.relays import ALL_EXTENSIONS, PoliteRelay
from tests.support.scripted_relay import ScriptedRelay
from tests.support.service import plain, settings
from tests.support.wire_fields import leaves

pytestmark = pytest.mark.gate


@pytest.fixture
def sent(tmp_path):
    """A function that sends texts in fields, and returns what went wrong."""

    def send(fields, texts, relays):
        chunking = PoliteRelay(ALL_EXTENSIONS)
        dots = PoliteRelay(tuple(e for e in ALL_EXTENSIONS if e != "CHUNKING"))
        with ScriptedRelay(chunking) as bdat, ScriptedRelay(dots) as data:
            config = settings(
                tmp_path,
                {"bdat": plain(bdat.port), "data": plain(data.port)},
                extra='log = { level = "debug", format = "json" }',
                default="bdat",
            )
            with daemon(config, free_port()) as service:
                post = Post(service.target)
                post.send_all(fields, texts, relays)
                post.close()
                with Client(service.target) as client:
                    assert_stats_are_true(client)
                assert service.stop() == 0
        for line in service.log:
            assert isinstance(json.loads(line), dict), line
        assert any(a.code is None for a in post.asked)
        return judge(post.asked, {"bdat": (bdat, chunking), "data": (data, dots)})

    return send


def test_the_table_has_every_text_of_a_message():
    texts = {
        str(leaf)
        for leaf in leaves(message_pb.Message.DESCRIPTOR)
        if leaf.path[-1].type == FieldDescriptor.TYPE_STRING
    }
    # A reference to octets names them, and is nowhere in the mail.
    references = {text for text in texts if text.endswith("blob")}

    assert texts - references == set(FIELDS)


def test_no_second_mail_is_smuggled(sent):
    mistakes = sent(SMUGGLED_FIELDS, SMUGGLING, ("bdat", "data"))

    assert not mistakes, "\n".join(mistakes)


def test_no_header_or_command_is_injected(sent):
    mistakes = sent(FIELDS, INJECTIONS, ("bdat", "data"))

    assert not mistakes, "\n".join(mistakes)


def test_nothing_beside_the_mail_is_injected(sent):
    mistakes = sent(OPTIONS, INJECTIONS, ("bdat", "data"))

    assert not mistakes, "\n".join(mistakes)


def test_naughty_strings_stay_where_they_were_put(sent, corpora):
    texts = naughty_strings(corpora, figure(40, 1000))
    mistakes = sent(FIELDS, texts, ("data",))

    assert not mistakes, "\n".join(mistakes)
