"""Our own words, below ``/v1``: the questions of `cryptoproxy query`, as JSON, CSV and Arrow.

Each takes the parameters of its command (``symbols``, ``source``, ``since`` …) and ``limit``; ``format=csv`` or a path
that ends in ``.csv`` gives CSV, which a spreadsheet's IMPORTDATA takes, ``format=arrow`` or the header ``Accept`` an
Arrow stream. A question whose answer is larger than its
limit is refused, and told how to ask for less; with ``page`` it comes so many rows at a time, and ``Link`` leads on.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import urlencode

from cryptoproxy.common.clock import Clock
from cryptoproxy.datasets import iso
from cryptoproxy.datasets.times import from_person
from cryptoproxy.queries import Answer, NothingFound, Queries, TooMany
from cryptoproxy.queries.elastic.search import NoIndexError
from cryptoproxy.queries.output import text
from cryptoproxy.serve.reply import JSON, Reply, Told, json_reply
from cryptoproxy.serve.request import ARROW, Request
from cryptoproxy.serve.teams.usage import HELD_MS
from cryptoproxy.serve.views import chart, flowing, prices, stats
from cryptoproxy.serve.views.memory import FromMemory

MOST_ROWS, MOST_PAGES = 10_000, 10
_DEFAULT_ROWS = 1_000
ENGINES = ("es", "auto", "lake")
_CSV = b"text/csv; charset=utf-8"
_WHICH = ("symbols", "base", "assets", "quote", "source", "since", "until", "top")


@dataclass(frozen=True, slots=True)
class Question:
    """One path. ``takes``: the parameters, and how each is read; all are optional."""

    says: str
    ask: Callable[..., Answer[Any]]
    takes: Mapping[str, Callable[[str], Any]]
    live: bool = False
    """Asked of what this door has in memory, :class:`FromMemory`, and not of :class:`Queries`."""
    of_lake: bool = False
    """The lake can answer it as well, by ``engine``."""


class _Asked(NamedTuple):
    """What is asked of a question: its own parameters, and which rows; ``page`` 0: all, if they are not too many."""

    named: Mapping[str, Any]
    engine: str
    limit: int
    page: int
    following: str
    """The query of the next page."""


def _whole(raw: str) -> int:
    if not re.fullmatch(r"\d{1,9}", raw, re.ASCII):
        raise ValueError(f"{raw!r} is no whole number")
    return int(raw)


def _engine(raw: str) -> str:
    if raw not in ENGINES:
        raise ValueError(f"engine={raw} is none of {', '.join(ENGINES)}")
    if raw != ENGINES[0] and find_spec("duckdb") is None:
        raise ValueError("the lake cannot be asked here, as duckdb is not installed: leave engine out")
    return raw


def _numbers(raw: str) -> tuple[float, ...]:
    try:
        return tuple(float(each) for each in raw.split(","))
    except ValueError:
        raise ValueError(f"{raw!r} must be numbers with commas between them") from None


_TEXTS: Mapping[str, Callable[[str], Any]] = {name: _whole if name == "top" else str for name in _WHICH}
_NO_TOP = {name: read for name, read in _TEXTS.items() if name != "top"}
_STEP: Mapping[str, Callable[[str], Any]] = {"interval": str}
_TIME: Mapping[str, Callable[[str], Any]] = {"source": str, "since": str, "until": str}
_PAIR: Mapping[str, Callable[[str], Any]] = {"assets": str, "source": str, "quote": str, "since": str}

QUESTIONS: Mapping[str, Question] = {
    "latest": Question("The newest record of each asset.", Queries.latest, _TEXTS, of_lake=True),
    "candles": Question("Closed bars of any length.", Queries.candles, {**_STEP, **_TEXTS}, of_lake=True),
    "percentiles": Question(
        "Percentiles over all samples.",
        Queries.percentiles,
        {"field": str, "percents": _numbers, **_TEXTS},
        of_lake=True,
    ),
    "average": Question("Means weighed by time.", Queries.average, {"field": str, **_STEP, **_TEXTS}, of_lake=True),
    "moves": Question(
        "How often a change was larger.",
        Queries.moves,
        {"window": str, "thresholds": _numbers, **_TEXTS},
        of_lake=True,
    ),
    "volatility": Question("Who moves most.", Queries.volatility, {"window": str, **_TEXTS}, of_lake=True),
    "indicators": Question(
        "Averages, bands, RSI, MACD.", Queries.indicators, {"names": str, **_STEP, **_TEXTS}, of_lake=True
    ),
    "sentiment": Question("How many rise, how many fall.", Queries.sentiment, {**_STEP, **_NO_TOP}, of_lake=True),
    "market": Question(
        "Cap, volume and dominance of the whole market.",
        Queries.market,
        {"dominance": str, "quote": str, **_STEP, **_TIME},
        of_lake=True,
    ),
    "freshness": Question(
        "Age, missing slots, duplicates.", Queries.freshness, {"dataset": str, **_STEP, **_TIME}, of_lake=True
    ),
    "gaps": Question("What streams lacked, and whether it was mended.", Queries.gaps, _TIME),
    "trades": Question("Volume, VWAP and pressure of each step.", Queries.trades, {**_STEP, **_TEXTS}, of_lake=True),
    "spread": Question("Best ask less best bid, by step.", Queries.spread, {**_STEP, **_TEXTS}, of_lake=True),
    "depth": Question(
        "What stands near mid, by step.", Queries.depth, {"within": _whole, **_STEP, **_TEXTS}, of_lake=True
    ),
    "chart": Question(
        "Bars for a picture: as many as it has room for.",
        chart.chart,
        {**_PAIR, "until": str, "points": _whole, "names": str},
    ),
    "book": Question("The newest order book of a pair.", flowing.book, _PAIR),
    "tape": Question("The newest trades.", flowing.tape, {**_PAIR, "until": str, "top": _whole}),
    "alerts": Question("What watch has found.", flowing.alerts, {"since": str, "until": str, "top": _whole}),
    "prices": Question(
        "The newest price of everything, from memory.",
        prices.prices,
        {"source": str, "quote": str, "assets": str, "search": str, "sort": str, "top": _whole},
        live=True,
    ),
    "stats": Question(
        "How each asset stands: changes and volatility, as watch tells them each minute.",
        stats.stats,
        {"source": str, "quote": str, "assets": str, "top": _whole},
        live=True,
    ),
    "working": Question("Is it working? Ages, lag, budgets.", lambda live: live.working.answer(), {}, live=True),
}


USAGE_TAKES = ("since", "team", "format")
USAGE_COLUMNS = ("team", "path", "requests", "refused", "made", "saved")
Rows = Callable[[int, str | None], Sequence[Mapping[str, Any]]]
"""Usage since a moment, of one team or of all."""


class Own:
    """
    Args:
        usage: what was asked of all doors; None where it is not counted.
        queries: of an engine; made in the first thread that needs it.
        live: what answers without the index.
        openapi: the document; made when it is first asked for.
    """

    def __init__(
        self,
        queries: Callable[[str], Queries],
        *,
        live: FromMemory,
        clock: Clock,
        threads: Executor,
        openapi: Callable[[], Mapping[str, Any]],
        usage: Rows | None = None,
    ) -> None:
        self._queries, self._live, self._clock, self._threads, self._openapi = queries, live, clock, threads, openapi
        self._usage = usage
        self._alone = ThreadPoolExecutor(1, thread_name_prefix="lake")
        """The lake's connection is one question's at a time; who waits for it takes no thread from the index."""

    async def answer(self, request: Request) -> Reply:
        path = request.path
        if path == "v1/openapi.json":
            return json_reply(self._openapi())
        name = path.removeprefix("v1/")
        form = request.params.get("format") or ("arrow" if request.arrow else "json")
        form = "csv" if name.endswith(".csv") else form
        if name.removesuffix(".csv") == "usage" and self._usage is not None:
            return self._used(self._usage, request.params, form == "csv")
        question = QUESTIONS.get(name.removesuffix(".csv"))
        if not path.startswith("v1/") or question is None:
            there = ", ".join(f"/v1/{each}" for each in QUESTIONS)
            return self.refusal(404, f"there is no /{path}; there are {there} and /v1/openapi.json")
        try:
            asked = _read(question, request.params)
        except ValueError as error:
            return self.refusal(400, str(error))
        if form == "arrow" and find_spec("pyarrow") is None:
            return self.refusal(406, "Arrow cannot be written here: pyarrow is not installed; there are json and csv")
        threads = self._threads if asked.engine == "es" else self._alone
        return await asyncio.get_running_loop().run_in_executor(threads, self._answered, question, asked, form)

    def refusal(self, status: int, words: str, *, retry_after: float | None = None) -> Reply:
        more = () if retry_after is None else ((b"retry-after", b"%d" % max(1, round(retry_after))),)
        return json_reply({"error": words}, status=status, more=more)

    def _used(self, usage: Rows, params: Mapping[str, str], as_csv: bool) -> Reply:
        """Of the last hour without ``since``, no further back than is held; from memory, so nobody waits."""
        if strange := [each for each in params if each not in USAGE_TAKES]:
            return self.refusal(400, f"there is no parameter {strange[0]}; there are {', '.join(USAGE_TAKES)}")
        if params.get("format", "json") not in ("json", "csv"):
            return self.refusal(400, f"format={params['format']} is none of json, csv")
        now_ms = self._clock.now_ms()
        try:
            since_ms = max(from_person(params.get("since", "1h"), now_ms=now_ms), now_ms - HELD_MS)
        except ValueError as error:
            return self.refusal(400, str(error))
        rows = usage(since_ms, params.get("team"))
        if as_csv:
            lines = [",".join(USAGE_COLUMNS), *(",".join(str(row[each]) for each in USAGE_COLUMNS) for row in rows)]
            reply = json_reply("\r\n".join([*lines, ""]).encode())
            reply.content_type = b"text/csv; charset=utf-8"
            return reply
        return json_reply({"question": "usage", "since": iso(since_ms), "until": iso(now_ms), "rows": rows})

    def _answered(self, question: Question, asked: _Asked, form: str) -> Reply:
        """Blocks.

        Raises:
            TransientError, OperatorError: neither Elasticsearch nor the lake can answer.
        """
        try:
            answer = question.ask(self._live if question.live else self._queries(asked.engine), **asked.named)
            more = _paged(answer, asked) if asked.page else False
            rows = answer.held(asked.limit)
        except (ValueError, KeyError) as error:
            return self.refusal(400, str(error))
        except TooMany:
            less = ", ".join(each for each in ("symbols", "top", "interval", "since") if each in question.takes)
            how = f"for less by {less}, or " if less else ""
            bound = f"the answer has more than {asked.limit} rows"
            return self.refusal(
                400, f"{bound}: ask {how}for up to {MOST_ROWS} by limit, or for page=1 and those behind it"
            )
        except (NothingFound, NoIndexError) as nothing:
            return self.refusal(404, str(nothing))
        body, content_type = _WRITTEN[form](answer)
        newest = answer.covers.last_ms
        told = Told(
            way={"es": "index"}.get(answer.engine, answer.engine),
            upstream="v1",
            asked_ms=self._clock.now_ms() if newest is None else newest,
            as_of_ms=newest,
        )
        head = [(b"x-rows", b"%d" % len(rows)), (b"x-data-until", iso(newest).encode() if newest else b"-")]
        if more:
            head.append((b"link", f'<?{asked.following}>; rel="next"'.encode()))
        return Reply(body, told=told, content_type=content_type, more=[*head, (b"vary", b"accept")])


def _paged(answer: Answer[Any], asked: _Asked) -> bool:
    """Leaves the rows of one page, and tells whether there are more behind it."""
    begin = (asked.page - 1) * asked.limit
    found = list(islice(answer.rows, begin, begin + asked.limit + 1))
    answer.rows = iter(found[: asked.limit])
    return len(found) > asked.limit


def _json(answer: Answer[Any]) -> tuple[bytes, bytes]:
    written: list[str] = []
    text.write_json(answer, written.append)
    return "".join(written).encode(), JSON


def _csv(answer: Answer[Any]) -> tuple[bytes, bytes]:
    written: list[str] = []
    text.write_csv(answer, written.append)
    return "".join(written).encode(), _CSV


def _arrow(answer: Answer[Any]) -> tuple[bytes, bytes]:
    import pyarrow as pa

    table, written = answer.to_arrow(), pa.BufferOutputStream()
    with pa.ipc.new_stream(written, table.schema) as stream:
        stream.write_table(table)
    return written.getvalue().to_pybytes(), ARROW


_WRITTEN: Mapping[str, Callable[[Answer[Any]], tuple[bytes, bytes]]] = {"json": _json, "csv": _csv, "arrow": _arrow}


def _read(question: Question, params: Mapping[str, str]) -> _Asked:
    """Raises:
    ValueError: a parameter that it does not take, or with what it is not.
    """
    asked: dict[str, Any] = {}
    engine, limit, page = ENGINES[0], _DEFAULT_ROWS, 0
    for name, raw in params.items():
        if not raw:
            raise ValueError(f"{name} is empty: leave it out, or say which")
        if name == "format":
            if raw not in _WRITTEN:
                raise ValueError(f"format={raw} is none of {', '.join(_WRITTEN)}")
        elif name == "engine" and question.of_lake:
            engine = _engine(raw)
        elif name == "limit":
            if not 1 <= (limit := _whole(raw)) <= MOST_ROWS:
                raise ValueError(f"limit must be between 1 and {MOST_ROWS}")
        elif name == "page":
            if not 1 <= (page := _whole(raw)) <= MOST_PAGES:
                raise ValueError(
                    f"page must be between 1 and {MOST_PAGES}, of limit={MOST_ROWS} rows at most: ask for larger ones, "
                    "or for a shorter time by since and until"
                )
        elif name not in question.takes:
            there = (*question.takes, *(["engine"] if question.of_lake else []), "limit", "page", "format")
            raise ValueError(f"there is no parameter {name}; there are {', '.join(there)}")
        else:
            asked[name] = question.takes[name](raw)
    return _Asked(asked, engine, limit, page, urlencode({**params, "page": page + 1}))
