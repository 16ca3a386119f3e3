"""Watch as `cryptoproxy watch` runs it, with the shortest session that a broker allows: whoever was killed is missed after
six seconds."""

from __future__ import annotations

import sys

from cryptoproxy.common.start import start
from cryptoproxy.watch.sharing import shares
from cryptoproxy.watch.wiring import service


def main() -> int:
    shares.SESSION_MS = 6_000
    return service(start())[0].run()


if __name__ == "__main__":
    sys.exit(main())
