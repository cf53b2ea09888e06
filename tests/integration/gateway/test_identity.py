"""Who gets in: registration without a certificate, sessions with a provider's own alone."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from opensiterecovery.provider.v1.registration_pb2 import RegisterRequest
from opensiterecovery.provider.v1.registration_pb2_grpc import RegistrationStub
from opensiterecovery.provider.v1.session_pb2 import RenewCertificateRequest
from opensiterecovery.provider.v1.session_pb2_grpc import SessionStub

from coordinator.fabrics.services import unregister_provider
from coordinator.vaults.models import RegistrationKey
from coordinator.vaults.services import ServerCertificate, ensure_authority
from tests.integration.fabrics.servers import (
    VmmServerToRegister,
    make_certificate_request,
    make_key_file,
)
from tests.integration.gateway.agents import (
    LIMIT_SECONDS,
    REGISTRATION,
    SESSION,
    Agent,
    Door,
    certificate_pem,
    key_pem,
    told_failure,
)
from tests.integration.gateway.conftest import Site


@pytest.mark.spec("VA-3")
@pytest.mark.spec("EN-1")
async def test_a_registered_agent_opens_a_session(site: Site, shanghai: Agent) -> None:
    async with shanghai.session() as session:
        welcome = session.welcome.welcome
        assert welcome.protocol_version == 1
        assert welcome.session_id
        assert welcome.heartbeat_interval.ToTimedelta() == timedelta(seconds=5)
        provider = await site.provider(shanghai)
        assert provider.gateway_id == site.context.gateway_id
        assert provider.disconnected_at is None


async def test_an_answer_that_was_lost_is_had_again(site: Site) -> None:
    key_file = await site.run(
        lambda: make_key_file(site.vault, site.context.authority, datetime.now(UTC), 1)
    )
    request = VmmServerToRegister("VMM-Shanghai").request(key_file)
    answers = [await site.door.register(request) for _ in range(3)]
    assert len({(answer.provider_id, answer.fabric_id) for answer in answers}) == 1
    assert answers[0].vault_name == "Gold-Vault"


async def refused(door: Door, request: RegisterRequest) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await door.register(request)
    failure = told_failure(error.value)
    assert failure.message == error.value.details()
    assert failure.possible_causes
    assert failure.recommended_action
    return error.value.code(), failure.code


@pytest.mark.spec("VA-2")
async def test_each_bad_key_is_refused_with_its_own_code(site: Site, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = site.context.authority
    server = VmmServerToRegister("VMM-Shanghai")
    good = await site.run(lambda: make_key_file(site.vault, authority, now))
    altered = json.dumps({**json.loads(good), "vault": "Other"}, indent=2).encode()
    expired = await site.run(lambda: make_key_file(site.vault, authority, now - timedelta(days=5)))
    foreign = await site.run(
        lambda: make_key_file(site.vault, ensure_authority(tmp_path, now), now)
    )
    revoked = await site.run(lambda: make_key_file(site.vault, authority, now))
    key_id = json.loads(revoked)["key_id"]
    await site.run(lambda: RegistrationKey.objects.filter(pk=key_id).update(revoked_at=now))
    denied = grpc.StatusCode.PERMISSION_DENIED
    expected = {
        altered: (denied, "KeyAltered"),
        expired: (denied, "KeyExpired"),
        foreign: (denied, "KeyForeign"),
        revoked: (denied, "KeyRevoked"),
        b"x": (grpc.StatusCode.INVALID_ARGUMENT, "KeyMalformed"),
    }
    for key_file, refusal in expected.items():
        assert await refused(site.door, server.request(key_file)) == refusal


async def test_a_bad_certificate_request_is_refused(site: Site) -> None:
    key_file = await site.run(
        lambda: make_key_file(site.vault, site.context.authority, datetime.now(UTC))
    )
    request = VmmServerToRegister("VMM-Shanghai").request(key_file)
    request.certificate_request = b"no request"
    code, failure = await refused(site.door, request)
    assert (code, failure) == (grpc.StatusCode.INVALID_ARGUMENT, "CertificateRequestInvalid")


async def refusal_of(channel: grpc.aio.Channel) -> grpc.StatusCode:
    """The status of a call; UNAVAILABLE without details of ours: the handshake failed."""
    async with channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await SessionStub(channel).RenewCertificate(
                RenewCertificateRequest(), timeout=LIMIT_SECONDS
            )
    return error.value.code()


@pytest.mark.spec("EN-9")
async def test_a_session_needs_a_certificate_of_our_authority(
    site: Site, tmp_path: Path, certificate: ServerCertificate
) -> None:
    no_handshake = grpc.StatusCode.UNAVAILABLE
    assert await refusal_of(site.door.channel(SESSION)) is no_handshake
    assert await refusal_of(site.door.channel("anything.else")) is no_handshake
    key = ec.generate_private_key(ec.SECP256R1())
    other = ensure_authority(tmp_path, datetime.now(UTC))
    foreign = other.issue_provider_certificate(
        make_certificate_request(key), site.vault.id, site.vault.id, datetime.now(UTC)
    )
    pem = foreign.public_bytes(Encoding.PEM)
    assert await refusal_of(site.door.channel(SESSION, key_pem(key), pem)) is no_handshake


@pytest.mark.spec("PV-1")
@pytest.mark.parametrize(
    "greeting", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]
)
async def test_nothing_is_said_to_who_speaks_no_tls(site: Site, greeting: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.door.port)
    writer.write(greeting)
    await writer.drain()
    async with asyncio.timeout(LIMIT_SECONDS):
        answer = await reader.read()
    writer.close()
    # At most a TLS alert (record type 21), and the end.
    assert answer[:1] in {b"", b"\x15"}


async def test_the_servers_own_certificate_opens_no_session(
    site: Site, certificate: ServerCertificate
) -> None:
    channel = site.door.channel(
        SESSION, certificate.key_file.read_bytes(), certificate.certificate_file.read_bytes()
    )
    async with channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await SessionStub(channel).RenewCertificate(
                RenewCertificateRequest(), timeout=LIMIT_SECONDS
            )
    assert error.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED}


async def test_each_name_serves_its_own_calls_only(site: Site, shanghai: Agent) -> None:
    async with site.door.channel(REGISTRATION) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await SessionStub(channel).RenewCertificate(
                RenewCertificateRequest(), timeout=LIMIT_SECONDS
            )
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
    async with site.door.channel(SESSION, shanghai.key, shanghai.certificate) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await RegistrationStub(channel).Register(RegisterRequest(), timeout=LIMIT_SECONDS)
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_an_agent_does_not_talk_to_a_server_its_key_does_not_name(
    site: Site, tmp_path: Path
) -> None:
    other = ensure_authority(tmp_path, datetime.now(UTC))
    door = Door(site.door.port, other.pem.encode())
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await door.register(RegisterRequest())
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.spec("EN-8")
async def test_an_unregistered_providers_certificate_is_refused(
    site: Site, shanghai: Agent
) -> None:
    await site.run(lambda: unregister_provider(shanghai.provider_id, datetime.now(UTC)))
    async with shanghai.stream() as session:
        end = await session.end()
    assert end.code() is grpc.StatusCode.UNAUTHENTICATED
    assert told_failure(end).code == "ProviderUnregistered"


@pytest.mark.spec("EN-8")
async def test_unregistering_ends_a_session_that_runs(site: Site, shanghai: Agent) -> None:
    async with shanghai.session() as session:
        await site.run(lambda: unregister_provider(shanghai.provider_id, datetime.now(UTC)))
        end = await session.end()
    assert end.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.spec("EN-9")
async def test_a_renewed_certificate_takes_the_place_of_the_old(
    site: Site, shanghai: Agent
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    async with shanghai.stub() as stub:
        request = RenewCertificateRequest(certificate_request=make_certificate_request(key))
        renewed = await stub.RenewCertificate(request, timeout=LIMIT_SECONDS)
    assert renewed.issuers == [site.context.authority.der]
    new = Agent(
        site.door,
        key_pem(key),
        certificate_pem(renewed.certificate),
        shanghai.provider_id,
        shanghai.fabric_id,
    )
    async with new.session():
        pass
    async with shanghai.stream() as session:
        assert told_failure(await session.end()).code == "ProviderCertificateRevoked"
