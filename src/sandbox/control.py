"""The control endpoints below ``/_sandbox/``: faults, ledger, health. Faults never touch them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptoproxy.sandbox.ledger import CallLog, show
from cryptoproxy.sandbox.rules.script import Script, add_rules, read_rules, show_count
from cryptoproxy.sandbox.rules.turns import RuleError
from cryptoproxy.sandbox.streams.talk import Streams
from cryptoproxy.sandbox.upstream import JSON_TYPE, Refusal, dump
from cryptoproxy.sandbox.wire import Request, Response

PREFIX = "/_sandbox/"
DEFAULT_ENTRIES = 100


class Control:
    """Script and ledger over HTTP.

    ====== ==================== =====================================================================================
    GET    /_sandbox/health      upstreams with their base addresses, number of answers so far
    GET    /_sandbox/faults      rules with counts
    POST   /_sandbox/faults      one rule or a list of them, appended; fields are those of ``Rule``, or of
                                 ``StreamRule`` where there is a ``topic``
    DELETE /_sandbox/faults      removes all, or those of ``?name=``
    GET    /_sandbox/ledger      ``since=`` number, ``limit=`` (100), ``body=1`` for the bodies
    GET    /_sandbox/streams     connections with what each was told, by topic; what was kept back; events ``since=``
    ====== ==================== =====================================================================================
    """

    def __init__(
        self, script: Script, ledger: CallLog, streams: Streams, upstreams: Callable[[], Mapping[str, str]]
    ) -> None:
        self._script = script
        self._ledger = ledger
        self._streams = streams
        self._upstreams = upstreams
        self._routes: dict[tuple[str, str], Callable[[Request], object]] = {
            ("GET", "health"): self._health,
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._add,
            ("DELETE", "faults"): self._clear,
            ("GET", "ledger"): self._entries,
            ("GET", "streams"): self._told,
        }

    def answer(self, request: Request) -> Response:
        route = self._routes.get((request.method, request.path.removeprefix(PREFIX)), self._unknown)
        try:
            status, body = 200, route(request)
        except Refusal as refusal:
            status, body = refusal.status, refusal.body
        return Response(status, (("Content-Type", JSON_TYPE),), dump(body))

    def _unknown(self, request: Request) -> object:
        known = ", ".join(f"{method} {PREFIX}{name}" for method, name in self._routes)
        raise Refusal(404, {"error": f"{request.method} {request.path}: there are {known}"})

    def _health(self, request: Request) -> object:
        return {"status": "ok", "answers": len(self._ledger), "upstreams": dict(self._upstreams())}

    def _faults(self, request: Request) -> object:
        shown = [show_count(count) for count in self._script.counts()]
        return {"faults": shown + [show_count(count) for count in self._streams.script.counts()]}

    def _add(self, request: Request) -> object:
        try:
            rules = read_rules(request.body)
        except RuleError as error:
            raise Refusal(400, {"error": str(error)}) from None
        add_rules(rules, self._script, self._streams.script)
        return self._faults(request)

    def _clear(self, request: Request) -> object:
        for script in (self._script, self._streams.script):
            script.clear(request.params.get("name"))
        return self._faults(request)

    def _entries(self, request: Request) -> object:
        since, limit = _number(request, "since", 0), _number(request, "limit", DEFAULT_ENTRIES)
        body = request.params.get("body") == "1"
        return {"entries": [show(entry, body=body) for entry in self._ledger.entries(since, limit)]}

    def _told(self, request: Request) -> object:
        return self._streams.ledger.show(_number(request, "since", 0))


def _number(request: Request, name: str, default: int) -> int:
    text = request.params.get(name, str(default))
    if not text.isdigit():
        raise Refusal(400, {"error": f"{name}: a number of 0 or more is wanted, not {text!r}"})
    return int(text)
