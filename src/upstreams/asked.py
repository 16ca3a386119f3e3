"""What others may ask of an upstream through the poller: GETs of market data, by a table of paths, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from urllib.parse import quote, unquote, urlsplit

from cryptoproxy.common.asking import NotAllowedError, Question
from cryptoproxy.datasets import Feed
from cryptoproxy.upstreams.base import Call, Response

MAX_KEY = 16 * 1024
"""Of a question: beyond it upstreams answer 414 themselves."""
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f/\\]|\A\.{1,2}\Z")
_ATTACK = re.compile(r"[\x00-\x1f\x7f<>;'`\\|{}%]|\.\./|/etc/")
"""Stands in no symbol, id or number. A firewall before an upstream takes it for an attack and blocks our address, for
live polls as well."""

Cost = Callable[[Mapping[str, str]], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One line of the table."""

    fresh: float
    """Seconds for which an answer counts as new: about as long as the upstream itself gives the same one."""
    cost: int | Cost = 1
    """In the upstream's unit, by the parameters."""
    dear: bool = False
    """Large, or asked for by everybody at a start: worth a place on a disk."""
    takes: str = ""
    """The parameters that the upstream reads, with blanks between. With any other the answer is the same: it makes no
    question of its own."""

    def unread(self, question: Question) -> list[str]:
        """Parameters that the upstream does not read."""
        known = self.takes.split()
        return [name for name, _ in question.params if name not in known]

    def read(self, question: Question) -> Question:
        """The question without them."""
        unread = self.unread(question)
        if not unread:
            return question
        return question._replace(params=tuple(each for each in question.params if each[0] not in unread))

    def cost_of(self, params: Mapping[str, str]) -> int:
        return self.cost if isinstance(self.cost, int) else self.cost(params)


@dataclass(frozen=True, kw_only=True)
class Askable:
    """Of one upstream.

    Args:
        base_url: what the paths stand behind.
        paths: by their form; ``{}`` stands for one name.
        headers: with our key; asked for each call. Raises an OperatorError where there is none.
        check, used: as :class:`Source` has them.
    """

    upstream: str
    base_url: str
    paths: Mapping[str, Path]
    check: Callable[..., None]
    headers: Callable[[], Mapping[str, str]] = dict
    used: Callable[[Response], int | None] = field(default=lambda _: None)

    @property
    def feed(self) -> Feed:
        """A name for logs; it is never polled."""
        return Feed(self.upstream)

    def path_of(self, question: Question) -> Path:
        """Its line in the table.

        Raises:
            NotAllowedError: there is none, or no upstream can have such a name.
        """
        asks = (question.path, *chain.from_iterable(question.params))
        if len(question.key) <= MAX_KEY and not any(map(_ATTACK.search, asks)):
            names = question.path.split("/")
            for form, path in self.paths.items():
                parts = form.split("/")
                if len(parts) == len(names) and all(
                    part == name or (part == "{}" and name and not _UNUSABLE.search(name))
                    for part, name in zip(parts, names, strict=True)
                ):
                    return path
        raise NotAllowedError(f"{self.upstream} is not asked for {question.path[:200]} here")

    def call(self, question: Question) -> Call:
        """Raises:
        NotAllowedError: see :meth:`path_of`.
        OperatorError: it needs a key and there is none to send.
        """
        params = dict(question.params)
        cost = self.path_of(question).cost_of(params)
        return Call(f"{self.base_url}/{quote(question.path)}", params, self.headers(), cost)

    def question(self, call: Call) -> Question:
        """The reverse: what a call of ours asks."""
        return Question.of(self.upstream, _below(self.base_url, call.url), call.params)


@lru_cache(maxsize=1024)
def _below(base_url: str, url: str) -> str:
    return unquote(urlsplit(url).path.removeprefix(urlsplit(base_url).path))


def number(params: Mapping[str, str], name: str, default: int) -> int:
    """Of a parameter that is a number; the upstream says itself what is wrong with another one."""
    text = params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 100 else default
