"""What is polled, kept, sent and stored as one: of one source the records of one dataset, or of one part of it."""

from __future__ import annotations

import re
from typing import NamedTuple

from cryptoproxy.datasets.contracts.ticker import TICKER

_NAME = re.compile(r"([a-z0-9][a-z0-9-]*)(?:\.([a-z][a-z0-9_]*)(?:-([a-z0-9]+))?)?")


class Feed(NamedTuple):
    """``binance``, which is its tickers, or ``binance.candle-1m``: as SOURCES, metrics and logs spell it."""

    source: str
    """Of its records."""
    dataset: str = TICKER.name
    part: str = ""

    @property
    def name(self) -> str:
        """The shortest spelling."""
        return self.source if self.dataset == TICKER.name else self.whole_name

    @property
    def whole_name(self) -> str:
        """With the dataset's name in any case: ``binance.ticker``, ``binance.candle-1m``."""
        return f"{self.source}.{self.dataset}-{self.part}" if self.part else f"{self.source}.{self.dataset}"

    @classmethod
    def parse(cls, name: str) -> Feed:
        """Of either spelling; whether there is such a dataset is another question.

        Raises:
            ValueError: it is none.
        """
        if not (found := _NAME.fullmatch(name)):
            raise ValueError(f"{name!r} is no feed: a source (binance), or one with a dataset (binance.candle-1m)")
        return cls(found[1], found[2] or TICKER.name, found[3] or "")
