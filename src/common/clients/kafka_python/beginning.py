"""How a Kafka client begins: within a time, saying what the brokers said, and without leaving anything where it cannot.

kafka-python 3.0 leaves a thread and several file descriptors of each client that finds no broker, and one descriptor
of each refused connection until the garbage is collected; a TLS handshake may take for ever. A Kafka that is away for
an hour would so use up the process's descriptors, the outbox's among them. And a password, a mechanism or a certificate
that is refused looks just like a broker that is away: what a broker says right before it hangs up is dropped unread,
and a client goes on for ever with the password it was made with.
To be looked at again with each newer one.
"""

from __future__ import annotations

import errno
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any

from kafka import errors as kafka_errors
from kafka.net.compat import KafkaNetClient
from kafka.net.connection import KafkaConnection
from kafka.net.inet import KafkaNetSocket
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

from cryptoproxy.common.clients import outside
from cryptoproxy.common.settings.secret import Secret, host_of, is_loopback
from cryptoproxy.errors import OperatorError

TRY_SECONDS = 1.0
"""An address that takes no connection for so long, as a broken IPv6 does, leaves the rest of the time to the next one:
kafka-python gives the first all of it."""
TLS_SECONDS = 3.0
"""How long a broker may take for a handshake. One that is frozen takes the connection and then says nothing."""

# What a broker that is killed in the middle of a handshake looks like.
_HANGING_UP = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_NONE_LEFT = (errno.EMFILE, errno.ENFILE)
_PASSWORD = "sasl_plain_password"  # noqa: S105 - the option's name

LOGIN_ERRORS = (
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
    kafka_errors.IllegalSaslStateError,
)

_refusals: dict[tuple[str, ...], kafka_errors.KafkaError] = {}
"""By the brokers that a client began with: why the last connection to one of theirs was refused."""


class TlsRefusedError(kafka_errors.KafkaError):  # type: ignore[misc]
    """The broker's certificate does not convince us, or it speaks no TLS."""


class SecretError(kafka_errors.KafkaError):  # type: ignore[misc]
    """The password cannot be read, or must not be sent there."""


def refusal(brokers: Sequence[str]) -> kafka_errors.KafkaError | None:
    """Why these brokers refused the last connection of any client; None if they took it, or nobody asked."""
    return _refusals.get(tuple(brokers))


def made(client: Callable[..., Any], *topics: str, **options: Any) -> Any:
    """What the constructor makes; what it had begun is closed if it raises.

    Raises:
        kafka.errors.KafkaError: the brokers' refusal itself, where the client only says that time was up; also where
            the process has no file descriptor left for a client: one may come free.
    """
    begun: list[Any] = []
    brokers = tuple(options["bootstrap_servers"])

    def begin(**config: Any) -> Any:
        begun.append(KafkaNetClient(**config))
        begun[-1]._net.brokers = brokers
        return begun[-1]

    _refusals.pop(brokers, None)
    try:
        return client(*topics, **options, kafka_client=begin)
    except kafka_errors.KafkaTimeoutError as error:
        _close(begun)
        if (refused := refusal(brokers)) is not None:
            raise refused from error
        raise
    except Exception as error:
        _close(begun)
        if isinstance(error, OSError) and error.errno in _NONE_LEFT:
            raise kafka_errors.KafkaConnectionError(f"no client can be made: {error.strerror}") from error
        raise


def _close(begun: list[Any]) -> None:
    for each in begun:
        each.close()


def _remember(net: Any, error: kafka_errors.KafkaError | None) -> None:
    brokers = getattr(net, "brokers", ())
    if error is None:
        _refusals.pop(brokers, None)
    else:
        _refusals[brokers] = error


async def _handshake(transport: Any) -> None:
    """kafka-python's own, but its waits have an end, and a refusal is remembered."""
    sock, net, ends = transport._sock, transport._net, time.monotonic() + TLS_SECONDS
    done = False
    try:
        while not done:
            try:
                sock.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                await net.wait_read(sock, timeout_at=ends)
            except ssl.SSLWantWriteError:
                await net.wait_write(sock, timeout_at=ends)
    except ssl.SSLError as error:
        if not isinstance(error, _HANGING_UP):
            _remember(net, TlsRefusedError(str(error)))
        raise
    finally:
        if not done:  # also where a client is closed meanwhile, which just forgets what it waits for
            sock.close()
    if isinstance(refusal(getattr(net, "brokers", ())), TlsRefusedError):
        _remember(net, None)


def _last_words_first(receive: Callable[[Any], tuple[bytes, Any]]) -> Callable[[Any], tuple[bytes, Any]]:
    """kafka-python's own, but the end of a connection is told by the next call, after what came before it."""

    def received(transport: Any) -> tuple[bytes, Any]:
        data, error = receive(transport)
        return data, None if data else error

    return received


_authenticate = KafkaConnection._sasl_authenticate


async def _authenticated(self: Any, timeout_at: float | None = None) -> None:
    """kafka-python's own, with the password as it is now, and a refusal is remembered."""
    secret = self.config.get(_PASSWORD)
    try:
        _refuse_in_the_clear(self)
        if isinstance(secret, Secret):
            self.config = {**self.config, _PASSWORD: secret.get()}
        await _authenticate(self, timeout_at)
    except OperatorError as error:
        _remember(self.net, SecretError(str(error)))
        raise
    except LOGIN_ERRORS as error:
        _remember(self.net, error)
        raise
    finally:
        self.config = {**self.config, _PASSWORD: secret}
    _remember(self.net, None)


def _refuse_in_the_clear(connection: Any) -> None:
    """The settings allow loopback; a broker there may name others (its advertised listeners) that are far away."""
    brokers = getattr(connection.net, "brokers", ())
    if connection.config.get("security_protocol") != "SASL_PLAINTEXT" or not brokers:
        return
    peer = connection.transport.getPeer()[0]
    if not is_loopback(peer) and all(is_loopback(host_of(broker)) for broker in brokers):
        raise OperatorError(
            f"the broker at {peer}, which {','.join(brokers)} names, would get the password unencrypted",
            remedy="Use SASL_SSL, or set the brokers' own addresses and ALLOW_PLAINTEXT_PASSWORDS=true",
        )


_lookup, _connect = KafkaNetSocket.dns_lookup, KafkaNetSocket.sock_connect


def _looked_up(self: Any, *args: Any, **options: Any) -> list[Any]:
    found = outside.in_turn(_lookup(self, *args, **options))
    self.addresses_left = len(found)
    return found


async def _connected(self: Any, net: Any, sock: Any, address: Any, timeout_at: float | None = None) -> Any:
    self.addresses_left -= 1
    ends = time.monotonic() + TRY_SECONDS
    is_short = self.addresses_left > 0 and (timeout_at is None or ends < timeout_at)
    try:
        return await _connect(self, net, sock, address, timeout_at=ends if is_short else timeout_at)
    except Exception as error:
        sock.close()
        _remember(net, None)  # away, which is another thing
        if is_short and isinstance(error, kafka_errors.KafkaTimeoutError):
            raise kafka_errors.KafkaConnectionError("one of its addresses takes no connection") from error
        raise


for _transport in (KafkaTCPTransport, KafkaSSLTransport):
    _transport._sock_recv = _last_words_first(_transport._sock_recv)
KafkaSSLTransport.handshake = _handshake
KafkaNetSocket.dns_lookup = _looked_up
KafkaNetSocket.sock_connect = _connected
KafkaConnection._sasl_authenticate = _authenticated
