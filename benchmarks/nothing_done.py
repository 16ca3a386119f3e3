"""`cryptoproxy watch` whose judge does nothing: each record is decoded whole and handed to an empty function.

That is what other engines do with an empty function (decision 0018), and what watch's rates are held against. Watch
without a rule would do less: it decodes no record of which no rule knows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import msgspec

from cryptoproxy.common.start import start
from cryptoproxy.watch import judge
from cryptoproxy.watch.assets import Followed
from cryptoproxy.watch.wiring import service


def whole(called: str, fields: Iterable[str]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder()


def nothing(self: judge.Judge, followed: Followed, record: Any) -> None:
    pass


if __name__ == "__main__":
    judge.slim = whole
    judge.Judge.take = nothing  # type: ignore[method-assign]
    sys.exit(service(start())[0].run())
