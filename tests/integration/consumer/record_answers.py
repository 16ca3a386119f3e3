"""Makes tests/fixtures/elasticsearch anew: each answer is provoked on a real server of its own.

PYTHONPATH=. .venv/bin/python tests/integration/consumer/record_answers.py
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch

from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.index import template
from cryptoproxy.engines.elasticsearch import Elasticsearch as Node
from cryptoproxy.engines.elasticsearch import probe_health
from cryptoproxy.engines.engine import Options
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.engines.secure import basic, hashed
from tests.integration.consumer.answers import NODES, PROVOCATIONS, Answer, Place

FOLDER = Path(__file__).parents[2] / "fixtures" / "elasticsearch"
MAX_TEXT = 600
MAX_ITEMS = 8
ROLES = """\
reader: {indices: [{names: ['*'], privileges: [read]}]}
writer: {indices: [{names: ['*'], privileges: [create_doc]}]}
"""


def short(body: Any) -> Any:
    """The answer with long texts cut, as nobody reads 10 kB of stack trace."""
    if isinstance(body, dict):
        return {key: short(value) for key, value in body.items() if key != "stack_trace"}
    if isinstance(body, list):
        return [short(each) for each in body]
    if isinstance(body, str) and len(body) > MAX_TEXT:
        return f"{body[:MAX_TEXT]}…"
    return body


def few(body: Any) -> Any:
    """Of a long answer the first items, and the first of each other kind among the rest."""
    if not isinstance(body, dict) or len(body.get("items", ())) <= MAX_ITEMS:
        return body
    seen: set[int] = set()
    items = []
    for item in body["items"]:
        status = next(iter(item.values()))["status"]
        if len(items) < MAX_ITEMS - 2 or status not in seen:
            items.append(item)
        seen.add(status)
    return body | {"items": items}


def keep(name: str, version: str, answer: Answer) -> None:
    known = {
        "elasticsearch": version,
        "how": PROVOCATIONS[name].how,
        "node": dict(NODES.get(PROVOCATIONS[name].node, {})),
        "status": answer.status,
        "body": few(short(answer.body)),
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def record_on(kind: str, folder: Path) -> None:
    port, transport_port = free_ports(2)
    secure = kind == "secure"
    login = {"basic_auth": ("elastic", "elastic-secret")} if secure else {}
    node = Node(
        folder / (kind or "any"),
        port=port,
        transport_port=transport_port,
        heap_mb=512,
        settings=NODES.get(kind, {}),
        files={
            "users": f"reader:{hashed('reader-secret')}\nwriter:{hashed('writer-secret')}\n",
            "users_roles": "reader:reader\nwriter:writer\n",
            "roles.yml": ROLES,
        }
        if secure
        else None,
        secrets={"bootstrap.password": "elastic-secret"} if secure else None,
        probe=(lambda: probe_health(node.endpoint, headers=basic("elastic", "elastic-secret"))) if secure else None,
        options=Options(die_with_parent=True),
    )
    node.start()
    node.wait_ready()
    try:
        with Elasticsearch(node.endpoint, max_retries=0, request_timeout=60, **login) as client:
            for name, provocation in PROVOCATIONS.items():
                if provocation.node == kind:
                    alias = name.replace("_", "")
                    settings = Settings.from_texts({"ES_URL_ENDPOINT": node.endpoint, "ES_INDEX": alias}).elasticsearch
                    place = Place(client, alias)
                    list(template.set_up(client, settings, now="2026-10-26T00:00:00.000Z"))
                    answer = provocation.provoke(place)
                    provocation.mend(place)
                    keep(name, node.bundle.version, answer)
                    print(f"{name}: {answer.status} {str(answer.body)[:160]}", flush=True)
    finally:
        node.stop()


def main(kinds: list[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for kind in kinds or ["", *NODES]:
        with tempfile.TemporaryDirectory() as folder:
            record_on(kind, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
