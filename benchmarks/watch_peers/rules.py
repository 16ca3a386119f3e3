"""Three rules as watch means them, written anew for other engines: a threshold, a fall within a window, a robust score.
Nothing of the project is imported: it is what their user would write.

Like watch (docs/watch.md), a window keeps one sample of each of its 60 steps (a score: of its 120) and looks back to
one that is hardly older than it is long, or says nothing; so does what is late, there twice, or was fetched more than
ten minutes after its time.
"""

from bisect import bisect_right, insort
from collections import deque
from datetime import datetime
from statistics import median

import msgspec

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
LATE = 10 * MINUTE
FEWEST = 20
"""Samples without which a score says nothing."""


class Ticker(msgspec.Struct):
    """What the rules need of a record."""

    timestamp: str
    fetched_at: str
    price: float
    change_24h: float | None = None


decode = msgspec.json.Decoder(Ticker).decode


def milliseconds(text):
    return round(datetime.fromisoformat(text).timestamp() * 1000)


class Change:
    """Percent since the begin of the window; None while there is no sample of it."""

    def __init__(self, window):
        self.window, self.step = window, max(SECOND, window // 60)
        self.kept, self.next, self.begin = deque(), 0, None

    def take(self, at, value):
        if at >= self.next:
            kept, begin = self.kept, at - self.window
            kept.append((at, value))
            self.next = at + self.step
            while len(kept) > 1 and kept[1][0] <= begin:
                kept.popleft()
            self.begin = kept[0][1] if begin - self.window * 0.1 <= kept[0][0] <= begin else None
        return round((value / self.begin - 1) * 100, 9) if self.begin else None


class RobustScore:
    """How many robust sigmas the change is from the median of the window."""

    def __init__(self, window, change):
        self.window, self.step = window, max(SECOND, window // 120)
        self.change, self.past, self.ordered, self.next = Change(change), deque(), [], 0
        self.middle = self.sigma = None

    def take(self, at, value):
        change = self.change.take(at, value)
        if change is None:
            return None
        score = abs(change - self.middle) / self.sigma if self.sigma else None
        if at >= self.next:
            self.next = at + self.step
            while self.past and self.past[0][0] < at - self.window:
                del self.ordered[bisect_right(self.ordered, self.past.popleft()[1]) - 1]
            self.past.append((at, change))
            insort(self.ordered, change)
            self.middle = self.sigma = None
            if len(self.ordered) >= FEWEST:
                self.middle = median(self.ordered)
                self.sigma = 1.4826 * median(abs(each - self.middle) for each in self.ordered)
        return score


class Value:
    """As it is."""

    def take(self, at, value):
        return value


class Rule:
    """Holds from the threshold on until the figure is back beyond ``clear``. Of a fall both are negative."""

    def __init__(self, name, gauge, threshold, clear):
        self.name, self.gauge, self.threshold, self.clear = name, gauge, threshold, clear
        self.open = False

    def take(self, at, value):
        """Whether it opened (True) or ended (False) with this sample; None: neither."""
        figure = self.gauge.take(at, value)
        if figure is None:
            return None
        edge = self.clear if self.open else self.threshold
        holds = figure <= edge if edge < 0 else figure >= edge
        if holds == self.open:
            return None
        self.open = holds
        return holds


class Asset:
    """All that is known of one."""

    def __init__(self):
        self.at = 0
        self.above = Rule("above", Value(), 4.99, 4.0)
        self.of_price = (
            Rule("falls", Change(HOUR), -2.0, -1.0),
            Rule("odd", RobustScore(HOUR, MINUTE), 3.2, 2.0),
        )

    def take(self, ticker):
        """What changed with this record: rule, moment in ms, whether it opened."""
        at = milliseconds(ticker.timestamp)
        if at <= self.at or milliseconds(ticker.fetched_at) > at + LATE:
            return []
        self.at = at
        found = []
        if ticker.change_24h is not None and (opens := self.above.take(at, ticker.change_24h)) is not None:
            found.append((self.above.name, at, opens))
        for rule in self.of_price:
            if (opens := rule.take(at, ticker.price)) is not None:
                found.append((rule.name, at, opens))
        return found
