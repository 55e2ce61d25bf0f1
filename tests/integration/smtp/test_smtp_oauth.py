"""Log-ins by token: what goes over the wire, and what a refusal leads to."""

from __future__ import annotations

import base64
import logging
import threading

import pytest
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.secret import Secret
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.probe import probe
from postroom_server.smtp.session import open_session
from postroom_server.smtp.timeouts import NO_DEADLINE, Deadline
from postroom_server.smtp.tokens import NoToken, Tokens

from tests.support.relays import PoliteRelay, plays, ready, then
from tests.support.scripted_relay import PATIENCE, Peer, ScriptedRelay

ERROR = '{"status":"401","schemes":"bearer","scope":"https://mail.example/"}'
offers = ready("AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER")
goodbye = plays("C: QUIT\nS: 221 bye")


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def said(mechanism: str, token: str, port: int = 0) -> str:
    """What AUTH brings along, as text."""
    if mechanism == "xoauth2":
        return b64(f"user=ada\1auth=Bearer {token}\1\1")
    way = f"host=127.0.0.1\1port={port}"
    return b64(f"n,a=ada,\1{way}\1auth=Bearer {token}\1\1")


class Given:
    """A source that gives these tokens, one after the other, the last for ever."""

    def __init__(self, *tokens: str | NoToken) -> None:
        self.tokens = list(tokens)
        self.calls = 0

    def read(self) -> str:
        token = self.tokens[min(self.calls, len(self.tokens) - 1)]
        self.calls += 1
        if isinstance(token, NoToken):
            raise token
        return token

    def stop(self) -> None:
        pass


def log_in(relay: ScriptedRelay, source: Given, mechanism: str = "xoauth2"):
    return relay.settings(
        username="ada", tokens=Tokens(source, PATIENCE), auth_mechanism=mechanism
    )


class AuthServer:
    """A script that lets in who has *good*; notes what was said.

    *challenge* is sent before a refusal, and *hangs_up* ends the connection after it.
    """

    def __init__(
        self,
        mechanism: str,
        good: str = "",
        challenge: str = ERROR,
        refusal: str = "535 5.7.8 not accepted",
        *,
        hangs_up: bool = False,
    ) -> None:
        self.mechanism, self.good = mechanism, good
        self.challenge, self.refusal, self.hangs_up = challenge, refusal, hangs_up
        self.tried: list[str] = []
        self.answers: list[str] = []

    def __call__(self, peer: Peer) -> None:
        offers(peer)
        while (line := peer.line()) != "QUIT":
            if line.startswith("AUTH"):
                name, given = line.split()[1:]
                assert name == self.mechanism.upper()
                self._judge(peer, base64.b64decode(given).decode())
                if self.hangs_up and not self.let_in:
                    return
            else:
                peer.say("250 ok")
        peer.say("221 bye")

    @property
    def let_in(self) -> bool:
        return bool(self.good) and self.tried[-1] == self.good

    def _judge(self, peer: Peer, given: str) -> None:
        self.tried.append(given.partition("Bearer ")[2].strip("\1"))
        if self.let_in:
            peer.say("235 2.7.0 welcome")
            return
        if self.challenge:
            peer.say(f"334 {b64(self.challenge)}")
            self.answers.append(peer.line())
        peer.say(self.refusal)


MECHANISMS = pytest.mark.parametrize(
    ("mechanism", "acknowledged"), [("xoauth2", ""), ("oauthbearer", "AQ==")]
)


@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
def test_a_token_goes_along_with_auth(mechanism):
    def script(peer: Peer) -> None:
        offers(peer)
        line = f"AUTH {mechanism.upper()} {said(mechanism, 'tok', relay.port)}"
        _expect(peer, line)
        peer.say("235 welcome")
        goodbye(peer)

    with ScriptedRelay(script) as relay:
        session = open_session(log_in(relay, Given("tok"), mechanism))
        session.quit()

    assert session.auth_mechanism == mechanism.upper()


def _expect(peer: Peer, line: str) -> None:
    assert peer.line() == line


@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
@pytest.mark.parametrize("length", [400, 8192])
def test_a_long_token_waits_for_the_relays_word(mechanism, length):
    token = "t" * length

    def script(peer: Peer) -> None:
        offers(peer)
        _expect(peer, f"AUTH {mechanism.upper()}")
        peer.say("334 ")
        line = peer.line()
        assert line == said(mechanism, token, relay.port)
        assert len(line) + 2 <= 12_288
        peer.say("235 2.7.0 welcome")
        goodbye(peer)

    with ScriptedRelay(script) as relay:
        open_session(log_in(relay, Given(token), mechanism)).quit()


def test_a_relay_that_takes_no_initial_response_is_told_again():
    given = said("xoauth2", "tok")
    dialogue = plays(f"C: AUTH .+\nS: 334 \nC: {given}\nS: 235 welcome")
    with ScriptedRelay(then(offers, dialogue, goodbye)) as relay:
        open_session(log_in(relay, Given("tok"))).quit()


@MECHANISMS
@pytest.mark.parametrize("challenge", ["", ERROR, "not JSON"])
def test_a_refused_token_is_renewed_once(mechanism, acknowledged, challenge):
    server = AuthServer(mechanism, "new", challenge)
    source = Given("old", "new")
    with ScriptedRelay(server) as relay:
        session = open_session(log_in(relay, source, mechanism))
        session.quit()

    assert server.tried == ["old", "new"]
    assert server.answers == ([acknowledged] if challenge else [])
    assert source.calls == 2
    assert relay.connections == 1


@MECHANISMS
def test_a_token_refused_twice_is_a_failure_of_authentication(mechanism, acknowledged):
    server = AuthServer(mechanism)
    source = Given("one", "two", "three")
    with ScriptedRelay(server) as relay, pytest.raises(SessionError) as failed:
        open_session(log_in(relay, source, mechanism))

    assert server.tried == ["one", "two"]
    assert server.answers == [acknowledged] * 2
    assert (failed.value.phase, failed.value.reason, failed.value.permanent) == (
        Phase.AUTH,
        FailureReason.AUTHENTICATION,
        True,
    )
    assert str(failed.value) == (
        f"AUTH: the relay refused our token by {mechanism.upper()}: status 401, "
        "schemes bearer, scope https://mail.example/ (535 5.7.8 not accepted)"
    )


@pytest.mark.parametrize(
    ("refusal", "permanent"),
    [
        ("454 4.7.0 later", False),
        ("504 5.5.4 unknown mechanism", True),
        ("534 5.7.9 too weak", True),
    ],
)
def test_a_refusal_of_something_else_asks_for_no_other_token(refusal, permanent):
    server = AuthServer("xoauth2", challenge="", refusal=refusal)
    source = Given("one", "two")
    with ScriptedRelay(server) as relay, pytest.raises(SessionError) as failed:
        open_session(log_in(relay, source))

    assert source.calls == 1
    assert failed.value.permanent is permanent


def test_a_token_that_can_not_be_renewed_leaves_the_refusal_to_stand():
    server = AuthServer("xoauth2")
    source = Given("one", NoToken("it is away"))
    with ScriptedRelay(server) as relay, pytest.raises(SessionError) as failed:
        open_session(log_in(relay, source))

    assert server.tried == ["one"]
    assert failed.value.reply.code == 535


def test_a_relay_that_hangs_up_with_its_refusal_gets_the_fresh_token():
    server = AuthServer("xoauth2", "new", hangs_up=True)
    with ScriptedRelay(server) as relay:
        session = open_session(log_in(relay, Given("old", "new")))
        session.quit()

    assert server.tried == ["old", "new"]
    assert relay.connections == 2


def test_a_relay_that_hangs_up_each_time_is_not_asked_without_end():
    server = AuthServer("xoauth2", hangs_up=True)
    source = Given("one", "two", "three")
    with ScriptedRelay(server) as relay, pytest.raises(SessionError) as failed:
        open_session(log_in(relay, source))

    assert server.tried == ["one", "two"]
    assert failed.value.reason is FailureReason.AUTHENTICATION


def test_a_relay_that_hung_up_and_then_refuses_is_not_asked_once_more():
    leaves, stays = AuthServer("xoauth2", hangs_up=True), AuthServer("xoauth2")
    source = Given("one", "two", "three")
    with (
        ScriptedRelay(leaves, stays) as relay,
        pytest.raises(SessionError) as failed,
    ):
        open_session(log_in(relay, source))

    assert (leaves.tried, stays.tried) == (["one"], ["two"])
    assert failed.value.reply.code == 535


def test_a_relay_that_never_answers_ends_with_our_time():
    heard = threading.Event()

    def script(peer: Peer) -> None:
        offers(peer)
        peer.line()
        heard.set()
        peer.expect_end()

    def deadline() -> Deadline:
        return Deadline(0) if heard.is_set() else NO_DEADLINE

    with ScriptedRelay(script) as relay, pytest.raises(SessionError) as failed:
        open_session(log_in(relay, Given("tok")), deadline)

    assert failed.value.reason is FailureReason.DEADLINE


def test_a_relay_that_only_challenges_is_given_up():
    def script(peer: Peer) -> None:
        offers(peer)
        try:
            while True:
                peer.line()
                peer.say(f"334 {b64(ERROR)}")
        except EOFError:
            return

    with (
        ScriptedRelay(script) as relay,
        pytest.raises(SessionError, match="without end"),
    ):
        open_session(log_in(relay, Given("tok")))


def test_without_a_token_nothing_is_tried():
    script = PoliteRelay(extensions=("AUTH XOAUTH2",))
    source = Given(NoToken("the token command failed: exit status 1"))
    with ScriptedRelay(script) as relay, pytest.raises(SessionError) as failed:
        open_session(log_in(relay, source))

    assert script.log_ins == []
    assert failed.value.reason is FailureReason.AUTHENTICATION
    assert failed.value.detail == "the token command failed: exit status 1"


def test_where_no_mechanism_fits_no_token_is_asked_for():
    source = Given("tok")
    with (
        ScriptedRelay(PoliteRelay(extensions=("AUTH PLAIN LOGIN",))) as relay,
        pytest.raises(SessionError, match="no way to log in"),
    ):
        open_session(log_in(relay, source, ""))

    assert source.calls == 0


@MECHANISMS
@pytest.mark.parametrize("dash", ["-", "\\u002d"])
def test_nothing_of_a_token_is_ever_shown(caplog, mechanism, acknowledged, dash):
    caplog.set_level(logging.DEBUG)
    canary = "canary-token-91be"
    masked = canary.replace("-", dash)
    told = f'{{"status":"{masked}","scope":"for ada"}}'
    echo = f"535 5.7.8 {canary} {b64(canary)} {said(mechanism, canary)}"
    server = AuthServer(mechanism, challenge=told, refusal=echo)
    with ScriptedRelay(server) as relay:
        settings = log_in(relay, Given(canary), mechanism)
        report = probe(settings)
        with pytest.raises(SessionError) as failed:
            open_session(settings)

    shown = f"{settings!r} {failed.value} {failed.value!r} {report!r} {caplog.text}"
    assert "refused our token" in shown
    for secret in (canary, b64(canary), said(mechanism, canary)):
        assert secret not in shown


def test_testing_the_way_tells_the_mechanism_and_why_it_was_refused():
    with ScriptedRelay(AuthServer("oauthbearer")) as relay:
        refused = probe(log_in(relay, Given("tok"), ""))
    with ScriptedRelay(AuthServer("oauthbearer", "tok")) as relay:
        welcome = probe(log_in(relay, Given("tok"), ""))

    assert "by OAUTHBEARER: status 401, schemes bearer" in refused.diagnosis
    assert not refused.ok
    assert welcome.auth_mechanism == "OAUTHBEARER"


def test_a_token_is_a_secret_in_the_settings():
    with ScriptedRelay(PoliteRelay()) as relay:
        settings = log_in(relay, Given("canary"))

    assert "canary" not in repr(settings)
    assert Secret("canary").reveal() == settings.tokens.ask(Deadline()).reveal()
