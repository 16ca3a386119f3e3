"""The OpenAPI 3.1 document of ``/v1``, made from the table of questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cryptoproxy.serve.houses.own import ENGINES, MOST_PAGES, MOST_ROWS, QUESTIONS, USAGE_COLUMNS, Question
from cryptoproxy.serve.request import ARROW
from cryptoproxy.serve.views.prices import SORTS

_SAYS: Mapping[str, tuple[str, Any]] = {
    "symbols": ("Only these symbols, with commas between them.", "BTC,ETH"),
    "base": ("Only these coins, under whatever symbol.", "BTC"),
    "assets": ("Only these ids.", "bitcoin"),
    "quote": ("Only these quote currencies.", "USD"),
    "source": ("Where the records come from; `all` is anywhere.", "coingecko"),
    "since": ("Begin: a span before the end, a date or a time, UTC.", "12h"),
    "until": ("End; now without.", "2026-11-20T10:00:00Z"),
    "top": ("Only so many assets.", 10),
    "interval": ("A step.", "1h"),
    "window": ("Over which time.", "1h"),
    "field": ("A number field of the record.", "change_24h"),
    "percents": ("Numbers between 0 and 100.", "50,99"),
    "thresholds": ("In percent.", "1,5"),
    "dominance": ("Symbols of coins whose share is told.", "btc,eth"),
    "dataset": ("Only these.", "ticker,candle-1m"),
    "names": ("Which indicators.", "sma:20,rsi"),
    "within": ("Basis points of mid: 10, 50 or 100.", 50),
    "points": ("Most bars.", 400),
    "search": ("A part of symbol, name or id.", "bit"),
    "sort": ("By which field; downwards with - before it.", "-volume_24h"),
}
_WORD = r"[A-Za-z0-9._-]{1,64}"
_NUMBER = r"\d{1,9}(\.\d{1,6})?"
_SPAN = r"[1-9]\d{0,4}(s|m|h|d|w|mo)"
_FORMS: Mapping[str, str] = {
    "since": rf"^({_SPAN}|\d{{4}}-\d{{2}}-\d{{2}}(T\d{{2}}:\d{{2}}(:\d{{2}})?Z)?)$",
    "interval": rf"^{_SPAN}$",
    "percents": rf"^{_NUMBER}(,{_NUMBER})*$",
    "sort": rf"^-?({'|'.join(SORTS)})$",
    "names": r"^[a-z]{1,10}(:\d{1,3})*(,[a-z]{1,10}(:\d{1,3})*)*$",
}
"""How a parameter is written; all others are words with commas between them."""
_AS = {"until": "since", "window": "interval", "thresholds": "percents"}
_ANSWER = {
    "type": "object",
    "required": ["question", "title", "source", "engine", "period", "rows", "data", "notes"],
    "properties": {"rows": {"type": "array", "items": {"type": "object"}}},
}

_FORMAT: dict[str, Any] = {"name": "format", "in": "query", "schema": {"enum": ["json", "csv"]}, "example": "json"}
_FORMATS = {**_FORMAT, "schema": {"enum": ["json", "csv", "arrow"]}}
_ENGINE: dict[str, Any] = {
    "name": "engine", "in": "query", "description": "Elasticsearch, the lake, or the one that holds all of the time.",
    "schema": {"enum": list(ENGINES)}, "example": ENGINES[0],
}  # fmt: skip
_ERROR = {"application/json": {"schema": {"type": "object", "required": ["error"]}}}


def document(version: str) -> dict[str, Any]:
    """The whole of it."""
    paths = {f"/v1/{name}": {"get": _operation(name, question)} for name, question in QUESTIONS.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "cryptoproxy",
            "version": version,
            "description": "What the road has carried, asked in our own words.",
        },
        "paths": paths | {"/v1/usage": {"get": _usage()}},
    }


def _operation(name: str, question: Question) -> dict[str, Any]:
    limits = [
        {
            "name": "limit", "in": "query", "description": "Most rows.",
            "schema": {"type": "integer", "minimum": 1, "maximum": MOST_ROWS}, "example": 100,
        },
        {
            "name": "page", "in": "query", "description": "So many rows at a time: the first, or a later one.",
            "schema": {"type": "integer", "minimum": 1, "maximum": MOST_PAGES}, "example": 1,
        },
        _FORMATS,
        *([_ENGINE] if question.of_lake else []),
    ]  # fmt: skip
    return {
        "operationId": name,
        "summary": question.says,
        "parameters": [_parameter(each, read) for each, read in question.takes.items()] + limits,
        "responses": {
            "200": {
                "description": "The rows.",
                "content": {
                    "application/json": {"schema": _ANSWER},
                    "text/csv": {"schema": {"type": "string"}},
                    ARROW.decode(): {"schema": {"type": "string", "contentEncoding": "binary"}},
                },
            },
            "406": {"description": "Arrow cannot be written here.", "content": _ERROR},
            "400": {"description": "A wrong parameter, or a question that is too large.", "content": _ERROR},
            "404": {"description": "No record answers it.", "content": _ERROR},
            "503": {"description": "What would answer is away.", "content": _ERROR},
        },
    }


def _usage() -> dict[str, Any]:
    count = {"type": "integer", "minimum": 0}
    row = {"team": {"type": "string"}, "path": {"type": "string"}, **dict.fromkeys(USAGE_COLUMNS[2:], count)}
    answer = {
        "type": "object",
        "required": ["question", "since", "until", "rows"],
        "properties": {
            "rows": {"type": "array", "items": {"type": "object", "required": list(row), "properties": row}}
        },
    }
    return {
        "operationId": "usage",
        "summary": "Who asked the doors for what, and how many calls of the upstreams that saved.",
        "parameters": [
            _parameter("since", str),
            {
                "name": "team", "in": "query", "description": "Only this one.", "schema": {"type": "string"},
                "example": "research",
            },
            _FORMAT,
        ],
        "responses": {
            "200": {
                "description": "Sums by team and path, up to the last full minute; of a day at most.",
                "content": {"application/json": {"schema": answer}, "text/csv": {"schema": {"type": "string"}}},
            },
            "400": {"description": "A wrong parameter.", "content": _ERROR},
        },
    }  # fmt: skip


def _parameter(name: str, read: Callable[[str], Any]) -> dict[str, Any]:
    says, example = _SAYS[name]
    if isinstance(example, int):
        schema: dict[str, Any] = {"type": "integer", "minimum": 1}
    else:
        schema = {"type": "string", "pattern": _FORMS.get(_AS.get(name, name), rf"^{_WORD}(,{_WORD})*$")}
    return {"name": name, "in": "query", "description": says, "schema": schema, "example": example}
