"""The settings of the door, and of the teams that may ask it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.loading import setting
from cryptoproxy.common.settings.secret import is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class Teams:
    """Who may ask the door: tokens by team, and their limits (docs/teams.md)."""

    file: Path | None = setting(
        "TEAMS_FILE",
        kinds.path(),
        "",
        "Tokens of the teams that may ask the door, as hashes; `cryptoproxy teams add` writes it, a door looks at it "
        "each second. Without one whoever reaches the door may ask.",
        example="/etc/cryptoproxy/teams.json",
    )
    limits: str = setting(
        "LIMITS",
        kinds.choice("process", "shared"),
        "process",
        "`process`: each door counts for itself what a team asks. `shared`: all doors of one machine that have the "
        "same TEAMS_FILE count together, in the folder `TEAMS_FILE` with `.limits` behind it, which they may write.",
    )
    requests: int = setting(
        "TEAM_REQUESTS",
        kinds.whole(1, 100_000_000),
        "6000",
        "Questions a minute of one team, where the file says no other number; a sixth of them may come at once.",
    )
    streams: int = setting(
        "TEAM_STREAMS",
        kinds.whole(0, 1_000_000),
        "50",
        "Streams of one team at once, where the file says no other number.",
    )
    usage: bool = setting(
        "SERVE_USAGE",
        kinds.boolean(),
        "true",
        "What was asked is counted by team and path, and sent each minute to `crypto.usage`; `/v1/usage` tells it.",
    )

    @property
    def shared(self) -> Path | None:
        """Where doors count together; None: each for itself."""
        if self.file is None or self.limits == "process":
            return None
        return self.file.with_name(f"{self.file.name}.limits")


FLOWING = {"trade": 10.0, "book": 10.0}
"""What comes all the time, where it flows at all: if it was told longer ago, nobody knows what has happened since."""
AGED = ("ticker", "candle", "market", *FLOWING)
"""Datasets whose newest the door answers from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serve:
    """The door, `cryptoproxy serve`: the upstreams' own paths, answered from the road."""

    host: str = setting(
        "SERVE_HOST",
        kinds.text(),
        "127.0.0.1",
        "Address that the door listens on. Another than loopback needs TEAMS_FILE or SERVE_ANYBODY.",
        example="10.0.0.5",
    )
    port: int = setting(
        "SERVE_PORT",
        kinds.port(),
        "8080",
        "Its port: `/coingecko/api/v3/`, `/binance/api/v3/`, `/bybit/v5/`, `/v1/`. Several doors may share it.",
    )
    coingecko_port: int | None = setting(
        "SERVE_COINGECKO_PORT", kinds.port(), "", "Port of CoinGecko's paths alone, without a prefix.", example="8081"
    )
    binance_port: int | None = setting(
        "SERVE_BINANCE_PORT", kinds.port(), "", "Port of Binance's paths alone, without a prefix.", example="8082"
    )
    bybit_port: int | None = setting(
        "SERVE_BYBIT_PORT", kinds.port(), "", "Port of Bybit's paths alone, without a prefix.", example="8083"
    )
    health_port: int = setting(
        "PYTHON_SERVE_SERVER_PORT", kinds.port(), "8002", "Port of `/livez`, `/readyz` and `/metrics`. 0: a free one."
    )
    anybody: bool = setting(
        "SERVE_ANYBODY",
        kinds.boolean(),
        "false",
        "Allows SERVE_HOST to be one that others can reach without TEAMS_FILE: whoever can may ask.",
    )
    cert_file: Path | None = setting(
        "SERVE_CERTFILE", kinds.path(), "", "Certificate of the door, PEM: all its ports speak TLS then.",
        example="/etc/ssl/door.pem",
    )  # fmt: skip
    key_file: Path | None = setting(
        "SERVE_KEYFILE", kinds.path(), "", "Key of that certificate, PEM.", example="/etc/ssl/door.key"
    )
    connections: int = setting(
        "SERVE_CONNECTIONS",
        kinds.whole(1, 1_000_000),
        "4096",
        "Connections that may be open at once, streams among them, of each port and process; one more gets 503. Each "
        "takes a file descriptor (`ulimit -n`).",
    )
    max_age: float = setting(
        "SERVE_MAX_AGE",
        kinds.duration(),
        "5m",
        "What is older is refused with 503, unless it is polled that seldom (then after three polls). A client may "
        "say otherwise by `max_age` in seconds, in the query or as header `X-Max-Age`.",
    )
    max_ages: Mapping[str, float] | None = setting(
        "SERVE_MAX_AGES",
        kinds.mapping(lambda: AGED, kinds.duration()),
        "",
        "The same of single datasets, where it is not SERVE_MAX_AGE, or 10 s of `trade` and `book`: of "
        "`ticker`, `candle`, `market`, `trade`, `book`.",
        example="ticker=30s,market=1h",
    )
    lookback: float = setting(
        "SERVE_LOOKBACK",
        kinds.duration(),
        "10m",
        "How far back a door reads the tickers at its start: at least two polls of the slowest source.",
    )

    def limit_ms(self, dataset: str) -> int:
        """What of a dataset is older is no answer of now."""
        limit = {**FLOWING, **(self.max_ages or {})}.get(dataset, self.max_age)
        return round(limit * 1000)


def faults(serve: Serve, teams: Teams, *, plaintext: bool) -> Iterator[str]:
    """What contradicts itself, as the other settings' contradictions are told.

    Args:
        plaintext: whether secrets may go over an unencrypted connection to another host.
    """
    if bool(serve.cert_file) != bool(serve.key_file):
        yield "SERVE_CERTFILE and SERVE_KEYFILE belong together; set both or neither"
    for name, file in (("SERVE_CERTFILE", serve.cert_file), ("SERVE_KEYFILE", serve.key_file)):
        if file is not None and not file.is_file():
            yield f"{name}={str(file)!r} is not a file"
    if teams.limits == "shared" and teams.file is None:
        yield "LIMITS=shared counts what teams ask, and there are none; set TEAMS_FILE"
    if not is_loopback(serve.host):
        if teams.file is None and not serve.anybody:
            yield (
                f"SERVE_HOST={serve.host} can be reached by others, and anybody there may ask; set TEAMS_FILE, or "
                "SERVE_ANYBODY=true if that is meant"
            )
        if teams.file is not None and serve.cert_file is None and not plaintext:
            yield (
                f"the teams' tokens would come unencrypted to SERVE_HOST={serve.host}; set SERVE_CERTFILE and "
                "SERVE_KEYFILE, or ALLOW_PLAINTEXT_PASSWORDS=true"
            )
    named = [each for each in (serve.port, serve.coingecko_port, serve.binance_port, serve.bybit_port) if each]
    if len(set(named)) < len(named):
        yield "SERVE_PORT, SERVE_COINGECKO_PORT, SERVE_BINANCE_PORT and SERVE_BYBIT_PORT must differ"
