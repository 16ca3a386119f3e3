"""The indexer with the end of each bulk request written down: `python -m benchmarks.tapped FILE`.

One line per answered request: the moment by the monotonic clock, which all processes of a machine share, then the
document ids in it. Written at the end, so that nothing is slower meanwhile.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cryptoproxy.common.start import start
from cryptoproxy.consumer.index.bulk import BulkSender, Item
from cryptoproxy.consumer.wiring import service


def main(file: Path) -> int:
    answered: list[tuple[float, Sequence[bytes]]] = []
    send = BulkSender.send

    def tapped(self: BulkSender, lines: Sequence[bytes]) -> list[Item]:
        answers = send(self, lines)
        answered.append((time.monotonic(), lines))
        return answers

    BulkSender.send = tapped  # type: ignore[method-assign]
    code = service(start()).run()
    with file.open("w", encoding="utf-8") as output:
        for moment, lines in answered:
            ids = [json.loads(line.partition(b"\n")[0])["create"]["_id"] for line in lines]
            output.write(json.dumps([moment, ids]) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
