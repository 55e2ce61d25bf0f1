"""TLS at the door: certificates good and bad, changed while calls go on, and mTLS."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import timedelta

import grpc
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from postroom.v1.server_info_pb2 import GetServerInfoRequest
from postroom_server.domain.clock import SystemClock, after
from postroom_server.domain.principal import Credential, Principal, Role
from postroom_server.rpc.certificates import (
    SOON,
    ServerCertificates,
    read_chain,
)
from postroom_server.rpc.listening import ListenError
from postroom_server.rpc.settings import TlsSettings
from structlog.testing import capture_logs

from tests.support.callers import (
    a_caller,
    bearer,
    client_certificate,
    secure_channel,
    stub,
    tls_files,
)
from tests.support.certificates import FAR_AWAY, LONG_AGO, authority

CALL = 20.0
URI = "spiffe://example.com/web"
CALLER = a_caller()


@pytest.fixture
def files(tmp_path):
    return tls_files(tmp_path)


@pytest.fixture
def settings(files):
    return TlsSettings(cert_file=str(files.cert), key_file=str(files.key))


@pytest.fixture
def mutual(files):
    """Settings with which every client must show a certificate."""
    return TlsSettings(
        cert_file=str(files.cert),
        key_file=str(files.key),
        client_ca_file=str(files.authority),
    )


def asked(channel, metadata=()):
    return stub(channel).GetServerInfo(
        GetServerInfoRequest(), timeout=CALL, metadata=metadata
    )


def code_of(channel, metadata=()):
    try:
        asked(channel, metadata)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def serial_of(server):
    """The number of the certificate that a new connection is shown."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.load_verify_locations(cadata=authority().cert_pem.bytes().decode())
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=CALL) as plain,
        context.wrap_socket(plain) as tls,
    ):
        der = tls.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der).serial_number


def number(leaf):
    pem = leaf.cert_chain_pems[0].bytes()
    return x509.load_pem_x509_certificate(pem).serial_number


def test_calls_are_encrypted(serve, settings):
    server = serve(tls=settings).server

    with secure_channel(server.address) as channel:
        assert asked(channel) is not None


def test_plain_text_is_not_answered(serve, settings):
    running = serve(tls=settings)

    assert code_of(running.channel()) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("version", "welcome"),
    [
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_old_versions_of_tls_are_refused(serve, settings, version, welcome):
    server = serve(tls=settings).server
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", server.port), timeout=CALL) as plain:
        try:
            context.wrap_socket(plain).close()
        except (ssl.SSLError, ConnectionError):
            assert not welcome
        else:
            assert welcome


@pytest.mark.parametrize(
    "dates",
    [
        {"not_before": LONG_AGO, "not_after": LONG_AGO + timedelta(days=90)},
        {"not_before": FAR_AWAY - timedelta(days=90), "not_after": FAR_AWAY},
    ],
    ids=["expired", "not yet valid"],
)
def test_a_certificate_out_of_its_time_is_refused_by_callers(
    serve, files, settings, dates
):
    files.renew(authority().issue_cert("127.0.0.1", **dates))
    server = serve(tls=settings).server

    with secure_channel(server.address) as channel:
        assert code_of(channel) is grpc.StatusCode.UNAVAILABLE


def test_an_expired_certificate_is_logged_at_the_start(serve, files, settings):
    ended = LONG_AGO + timedelta(days=90)
    files.renew(
        authority().issue_cert("127.0.0.1", not_before=LONG_AGO, not_after=ended)
    )
    with capture_logs() as logs:
        serve(tls=settings)

    assert [e for e in logs if e["event"] == "certificate.expired"] == [
        {
            "event": "certificate.expired",
            "log_level": "error",
            "file": settings.cert_file,
        }
    ]


def test_a_new_certificate_is_shown_without_a_restart(serve, files, settings):
    server = serve(tls=settings).server
    before = serial_of(server)
    renewed = files.renew()

    assert serial_of(server) == number(renewed) != before


def test_calls_under_way_and_connections_outlive_a_certificate(serve, files, settings):
    server = serve(tls=settings).server
    with secure_channel(server.address) as channel:
        asked(channel)
        files.renew()

        assert asked(channel) is not None


def test_no_call_fails_while_certificates_are_changed(serve, files, settings):
    server = serve(tls=settings, credentials=(CALLER.credential,)).server
    over = threading.Event()
    failures, answered = [], []

    def call():
        while not over.is_set():
            # Each has a connection of its own, and so a handshake.
            with secure_channel(server.address) as channel:
                for _ in range(3):
                    try:
                        asked(channel, CALLER.metadata)
                        answered.append(1)
                    except grpc.RpcError as error:
                        failures.append(error)

    callers = [threading.Thread(target=call, name=f"caller-{n}") for n in range(4)]
    for caller in callers:
        caller.start()
    seen = set()
    for _ in range(15):
        files.renew()
        seen.add(serial_of(server))
    over.set()
    for caller in callers:
        caller.join(CALL)

    assert failures == []
    assert len(seen) == 15
    assert answered


BROKEN = {
    "no key": lambda files: files.key.unlink(),
    "no certificate": lambda files: files.cert.write_text(""),
    "half a certificate": lambda files: files.cert.write_bytes(
        files.cert.read_bytes()[:200]
    ),
    "half a key": lambda files: files.key.write_bytes(files.key.read_bytes()[:100]),
    "another's key": lambda files: files.key.write_bytes(
        authority().issue_cert("127.0.0.1").private_key_pem.bytes()
    ),
}


@pytest.mark.parametrize("spoil", BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_used_changes_nothing_and_is_logged(
    serve, files, settings, spoil
):
    server = serve(tls=settings).server
    before = serial_of(server)
    secret = files.key.read_text().splitlines()[3]
    with capture_logs() as logs:
        spoil(files)
        after_it = [serial_of(server), serial_of(server)]
    told = [entry for entry in logs if entry["event"] == "certificate.refused"]

    assert after_it == [before, before]
    assert len(told) == 1
    assert str(files.folder) in told[0]["problem"]
    assert secret not in repr(logs)


def test_what_was_broken_is_taken_once_it_is_whole(serve, files, settings):
    server = serve(tls=settings).server
    files.key.write_text("")
    serial_of(server)
    renewed = files.renew()

    assert serial_of(server) == number(renewed)


@pytest.mark.parametrize("spoil", BROKEN.values(), ids=BROKEN)
def test_a_server_does_not_start_with_what_cannot_be_used(
    serve, files, settings, spoil
):
    spoil(files)
    with pytest.raises(ListenError, match="can't listen with TLS"):
        serve(tls=settings)


def test_other_machines_may_come_with_tls_and_credentials(serve, settings):
    server = serve(
        listen="0.0.0.0:0", tls=settings, credentials=(CALLER.credential,)
    ).server

    with secure_channel(f"127.0.0.1:{server.port}") as channel:
        assert code_of(channel, CALLER.metadata) is grpc.StatusCode.OK


def test_other_machines_may_not_come_without_credentials(serve, settings):
    with pytest.raises(ListenError, match="without credentials"):
        serve(listen="0.0.0.0:0", tls=settings)


def test_tokens_do_not_travel_in_plain_text(serve):
    with pytest.raises(ListenError, match="--insecure-tokens-over-plaintext"):
        serve(
            listen="0.0.0.0:0",
            insecure_plaintext=True,
            credentials=(CALLER.credential,),
        )


def test_tokens_travel_in_plain_text_where_the_operator_insists(serve):
    running = serve(
        listen="0.0.0.0:0",
        insecure_plaintext=True,
        insecure_tokens=True,
        credentials=(CALLER.credential,),
    )

    assert running.server.port > 0


def by_certificate(*names, role=Role.SENDER, **fields):
    principal = Principal(name="web", tenant="acme", role=role)
    return Credential(principal=principal, certificates=names, **fields)


def shown(*names, **fields):
    return client_certificate(*names, **fields)


WEB = x509.UniformResourceIdentifier(URI)


def test_a_client_without_a_certificate_is_refused(serve, mutual):
    server = serve(tls=mutual, credentials=(CALLER.credential,)).server

    with secure_channel(server.address) as channel:
        assert code_of(channel, CALLER.metadata) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    "names",
    [[WEB], [x509.DNSName("web.example.com")], [x509.DNSName("WEB.example.com")]],
)
def test_a_certificate_stands_for_a_credential(serve, mutual, names):
    known = by_certificate(URI, "Web.example.com")
    running = serve(tls=mutual, credentials=(known,))

    with secure_channel(running.server.address, shown(*names)) as channel:
        assert code_of(channel) is grpc.StatusCode.OK
    (record,) = running.records.until(1)
    assert (record.tenant, record.credential) == ("acme", "web")


@pytest.mark.parametrize(
    "names",
    [
        [x509.UniformResourceIdentifier(f"{URI}/other")],
        [x509.UniformResourceIdentifier(URI.upper())],
        # A name of another kind, with the same letters.
        [x509.DNSName(URI)],
        [x509.UniformResourceIdentifier("web.example.com")],
        [x509.RFC822Name("web.example.com")],
        [x509.DNSName("*.example.com")],
        # Two callers at once.
        [WEB, x509.DNSName("ops.example.com")],
    ],
    ids=["longer", "case", "dns", "uri", "mail", "wildcard", "two"],
)
def test_another_certificate_of_the_authority_is_nobody(serve, mutual, refused, names):
    known = (
        by_certificate(URI, "web.example.com"),
        by_certificate("ops.example.com", role=Role.ADMINISTRATOR),
    )
    server = serve(tls=mutual, credentials=known).server
    with secure_channel(server.address, shown(*names)) as channel:
        refusal = refused(stub(channel).GetServerInfo, GetServerInfoRequest())

    assert refusal.info.reason == "CREDENTIAL_REFUSED"


def test_a_certificate_that_ended_is_refused(serve, mutual):
    server = serve(tls=mutual, credentials=(by_certificate(URI),)).server
    lapsed = shown(WEB, ends_in=timedelta(days=-1))

    with secure_channel(server.address, lapsed) as channel:
        assert code_of(channel) is grpc.StatusCode.UNAVAILABLE


def test_a_certificate_that_ends_on_an_open_connection_ends_there(serve, mutual):
    running = serve(tls=mutual, credentials=(by_certificate(URI),))
    with secure_channel(running.server.address, shown(WEB)) as channel:
        before = code_of(channel)
        running.server._admission._credentials._clock = Tomorrow()

        assert before is grpc.StatusCode.OK
        assert code_of(channel) is grpc.StatusCode.UNAUTHENTICATED


class Tomorrow:
    def now(self):
        return after(SystemClock().now(), 2 * 86_400)


def test_a_certificate_of_another_authority_is_refused(serve, mutual):
    server = serve(tls=mutual, credentials=(by_certificate("web.example.com"),)).server
    leaf = trustme.CA().issue_cert("web.example.com")
    client = (leaf.private_key_pem.bytes(), leaf.cert_chain_pems[0].bytes())

    with secure_channel(server.address, client) as channel:
        assert code_of(channel) is grpc.StatusCode.UNAVAILABLE


def test_a_certificate_of_a_server_is_no_clients(serve, mutual):
    server = serve(tls=mutual, credentials=(by_certificate(URI),)).server
    for use, code in (
        (ExtendedKeyUsageOID.CLIENT_AUTH, grpc.StatusCode.OK),
        (ExtendedKeyUsageOID.SERVER_AUTH, grpc.StatusCode.UNAVAILABLE),
    ):
        with secure_channel(server.address, shown(WEB, use=use)) as channel:
            assert code_of(channel) is code


def test_a_certificate_cannot_sign_others(serve, mutual):
    server = serve(tls=mutual, credentials=(by_certificate(URI),)).server
    key = ec.generate_private_key(ec.SECP256R1())
    _, signer = shown(WEB, key=key)
    issuer = x509.load_pem_x509_certificate(signer)
    forged_key = ec.generate_private_key(ec.SECP256R1())
    forged = (
        x509.CertificateBuilder()
        .subject_name(issuer.subject)
        .issuer_name(issuer.subject)
        .public_key(forged_key.public_key())
        .serial_number(7)
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName([WEB]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = forged_key.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
    )
    client = (private, forged.public_bytes(form.Encoding.PEM) + signer)

    with secure_channel(server.address, client) as channel:
        assert code_of(channel) is grpc.StatusCode.UNAVAILABLE


def test_a_token_goes_before_a_certificate(serve, mutual):
    known = (by_certificate(URI), CALLER.credential)
    running = serve(tls=mutual, credentials=known)

    with secure_channel(running.server.address, shown(WEB)) as channel:
        assert code_of(channel, CALLER.metadata) is grpc.StatusCode.OK
        wrong = code_of(channel, bearer("x" * 40))
    assert wrong is grpc.StatusCode.UNAUTHENTICATED


def test_a_role_holds_for_certificates_too(serve, mutual, refused):
    from postroom.v1.connection_pb2 import TestConnectionRequest as Asking

    server = serve(tls=mutual, credentials=(by_certificate(URI),)).server
    with secure_channel(server.address, shown(WEB)) as channel:
        refusal = refused(stub(channel).TestConnection, Asking())

    assert refusal.info.reason == "METHOD_NOT_ALLOWED"


def ending_in(seconds, files):
    """Certificates that end after *seconds*, on a clock that says when that is."""
    settings = TlsSettings(cert_file=str(files.cert), key_file=str(files.key))
    return ServerCertificates(settings, EndsIn(seconds, read_chain(settings).not_after))


class EndsIn:
    def __init__(self, seconds, at):
        self.seconds, self.at = seconds, at

    def now(self):
        return after(self.at, -self.seconds)


@pytest.mark.parametrize(
    ("seconds", "events"),
    [
        (SOON + 60, []),
        (SOON - 60, ["certificate.ends_soon"]),
        (60, ["certificate.ends_soon"]),
        (0, ["certificate.expired"]),
        (-60, ["certificate.expired"]),
    ],
)
def test_the_end_of_a_certificate_is_told_in_time(files, seconds, events):
    certificates = ending_in(seconds, files)
    with capture_logs() as logs:
        certificates.look()

    assert [entry["event"] for entry in logs] == events


def test_it_is_told_once_a_day(files):
    certificates = ending_in(SOON - 60, files)
    clock = certificates._clock
    told = []
    for hours in (0, 1, 23, 2, 23):
        clock.seconds -= hours * 3600
        with capture_logs() as logs:
            certificates.look()
        told.append(len(logs))

    assert told == [1, 0, 1, 0, 1]
