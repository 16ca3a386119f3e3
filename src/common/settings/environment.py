"""Names in the environment: every setting's, what a child process gets, and what looks like a setting and is none."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping

from cryptoproxy.common.settings.catalogue import SECTIONS
from cryptoproxy.common.settings.loading import declared_in

_DECLARED = [declared for section in SECTIONS.values() for _, declared in declared_in(section)]
SPELLINGS = frozenset(each.name for each in _DECLARED) | {f"{each.name}_FILE" for each in _DECLARED if each.secret}
"""Every name under which a setting may stand in the environment."""

CALLED_ELSEWHERE = {
    "CRYPTO_API_ENDPOINT": "`COINGECKO_BASE_URL`, `BINANCE_BASE_URL` or `BYBIT_BASE_URL`, without the path of the call",
    "KAFKA_HOST": "`KAFKA_BROKERS_HOST_PORT` (host:port)",
    "KAFKA_BROKERS_PORT": "`KAFKA_BROKERS_HOST_PORT` (host:port)",
    "KAFKA_BOOTSTRAP_SERVERS": "`KAFKA_BROKERS_HOST_PORT`",
    "KAFKA_TOPIC_NAME": "`KAFKA_TOPIC`",
    "KAFKA_PRODUCER_RETRIES_INTERVAL": "nothing: waits grow by themselves and nothing is given up",
    "KAFKA_CONSUMER_CLIENT_ID": "nothing: indexers are told apart by their group's member ids",
    "KAFKA_AUTO_OFFSET_RESET": "`KAFKA_OFFSET_RESET`",
    "ES_HOST": "`ES_URL_ENDPOINT` (http://host:port)",
    "ES_PORT": "`ES_URL_ENDPOINT` (http://host:port)",
    "ES_USERNAME": "`ES_USER`",
    "ES_INDEX_NAME": "`ES_INDEX` (the alias)",
    "AWS_S3_BUCKET_NAME": "`AWS_S3_BUCKET`",
    "AWS_S3_ENDPOINT": "`AWS_S3_ENDPOINT_URL`",
    "AWS_S3_PREFIX": "`AWS_S3_FILENAME_PREFIX`",
}
"""What other pipelines of this kind call their settings, for people who bring theirs along."""
_PREFIXES = (
    *("KAFKA_", "ES_", "AWS_S3_", "COINGECKO_", "BINANCE_", "BYBIT_", "CRYPTO_"),
    *("OUTBOX_", "BULK_", "ENGINES_", "LAKE_", "WATCH_", "SERVE_", "PAGE_", "ASK_", "TEAM_", "TEAMS_", "MODELS_"),
    *("READ_THROUGH_", "STREAM_", "BOOK_", "LIVE_"),
    *(f"PYTHON_{each}_" for each in ("PRODUCER", "CONSUMER", "SERVE", "WATCH", "MODELS", "BROKERS")),
)
_ENOUGH = 5
"""Letters of a begin by which the rest of a name can be told: ES_URL, SOURCE."""
# Read by the engines' own start scripts and by container images of Kafka and Elasticsearch.
_OTHERS = {
    "ES_PATH_CONF",
    "ES_JAVA_OPTS",
    "ES_JAVA_HOME",
    "ES_HOME",
    "ES_TMPDIR",
    "KAFKA_HEAP_OPTS",
    "KAFKA_OPTS",
    "KAFKA_HOME",
}
# Short names that people try, too common to be warned of in the environment, where they may be another program's.
_MEANT = {
    "HEALTH_PORT": "PYTHON_PRODUCER_SERVER_PORT or PYTHON_CONSUMER_SERVER_PORT",
    "PRODUCER_PORT": "PYTHON_PRODUCER_SERVER_PORT",
    "CONSUMER_PORT": "PYTHON_CONSUMER_SERVER_PORT",
    "INTERVAL": "KAFKA_PRODUCER_BATCH_INTERVAL",
}
# Read by libraries and other programs, from the environment only: a settings file is not exported to them.
_ENVIRONMENT_ONLY = re.compile(
    r"((HTTPS?|ALL|NO)_PROXY|REQUESTS_CA_BUNDLE|SSL_CERT_(FILE|DIR)|AWS_(?!S3_)\w+|JAVA_HOME|XDG_\w+|CRYPTOPROXY_HOME)",
    re.IGNORECASE,
)
# What Kubernetes (and once Docker) sets for each service of a namespace: KAFKA_SERVICE_HOST, ES_PORT_9200_TCP_ADDR …
_SERVICE_LINK = re.compile(r"\w+_SERVICE_HOST|\w+_SERVICE_PORT(_\w+)?|\w+_PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?")


def child_environment(texts: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """``environ`` with ``texts`` as the only settings in it, and nothing of AWS's own that could lead elsewhere. Its
    home is the folder that it is started in, so that no settings file is looked for above that."""
    kept = {name: text for name, text in environ.items() if name not in SPELLINGS and not name.startswith("AWS_")}
    return kept | {"CRYPTOPROXY_HOME": "."} | dict(texts)


def warnings_for(names: Iterable[str], *, of_file: Iterable[str] = ()) -> list[str]:
    """One line for each name that looks like a setting of this program and is none.

    Args:
        names: of the environment, where most names are other programs'.
        of_file: of the project's own settings file, where each name is meant for this program.
    """
    given, own = set(names), set(of_file)
    return [
        f"{name} is not a setting of this program and has no effect; {_hint(name)}"
        for name in sorted(given | own)
        if name not in SPELLINGS and (name in own or _looks_like_ours(name, given))
    ]


def _looks_like_ours(name: str, given: set[str]) -> bool:
    return name.upper().startswith(_PREFIXES) and name not in _OTHERS and not _is_service_link(name, given)


def _hint(name: str) -> str:
    upper = name.upper()
    if name in CALLED_ELSEWHERE:
        return f"here that is {CALLED_ELSEWHERE[name]}"
    if upper in SPELLINGS:
        return f"did you mean {upper}? Names are written in capital letters"
    if _ENVIRONMENT_ONLY.fullmatch(name) or name in _OTHERS:
        return "other programs read it, from the environment only and not from this file"
    longer = sorted(each for each in SPELLINGS if each.startswith(upper) and len(upper) >= _ENOUGH)
    if close := _MEANT.get(upper) or next(iter(longer or difflib.get_close_matches(upper, SPELLINGS, n=1)), None):
        return f"did you mean {close}?"
    return "docs/settings.md lists the settings"


def _is_service_link(name: str, given: set[str]) -> bool:
    """ES_PORT alone is a person's; beside ES_SERVICE_HOST it is Kubernetes'."""
    return bool(_SERVICE_LINK.fullmatch(name)) or (
        name.endswith("_PORT") and f"{name.removesuffix('_PORT')}_SERVICE_HOST" in given
    )
