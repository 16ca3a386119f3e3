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
_PREFIXES = ("KAFKA_", "ES_", "AWS_S3_", "COINGECKO_", "BINANCE_", "BYBIT_", "CRYPTO_")
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
# What Kubernetes (and once Docker) sets for each service of a namespace: KAFKA_SERVICE_HOST, ES_PORT_9200_TCP_ADDR …
_SERVICE_LINK = re.compile(r"\w+_SERVICE_HOST|\w+_SERVICE_PORT(_\w+)?|\w+_PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?")


def child_environment(texts: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """``environ`` with ``texts`` as the only settings in it, and nothing of AWS's own that could lead elsewhere."""
    kept = {name: text for name, text in environ.items() if name not in SPELLINGS and not name.startswith("AWS_")}
    return kept | dict(texts)


def warnings_for(names: Iterable[str]) -> list[str]:
    """One line for each name that looks like a setting of this program and is none."""
    given = set(names)
    lines = []
    for name in sorted(given):
        if name in SPELLINGS or name in _OTHERS or not name.startswith(_PREFIXES) or _is_service_link(name, given):
            continue
        if name in CALLED_ELSEWHERE:
            hint = f"here that is {CALLED_ELSEWHERE[name]}"
        elif close := difflib.get_close_matches(name, SPELLINGS, n=1):
            hint = f"did you mean {close[0]}?"
        else:
            hint = "docs/settings.md lists the settings"
        lines.append(f"{name} is not a setting of this program and has no effect; {hint}")
    return lines


def _is_service_link(name: str, given: set[str]) -> bool:
    """ES_PORT alone is a person's; beside ES_SERVICE_HOST it is Kubernetes'."""
    return bool(_SERVICE_LINK.fullmatch(name)) or (
        name.endswith("_PORT") and f"{name.removesuffix('_PORT')}_SERVICE_HOST" in given
    )
