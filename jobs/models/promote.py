"""Makes the newest version of a model live if it is better, by what was measured when it was made; else says why not.

The training jobs decide so at once. With ``--keep`` they leave it to this one, so that a calendar can stand between.
"""

from __future__ import annotations

import argparse

from choice import decide

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings.home import ENV_FILE
from cryptoproxy.common.start import load_settings
from cryptoproxy.lake.store import Store
from cryptoproxy.models.registry import Registry


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Makes the newest version of a model live, if it is better.")
    parser.add_argument("name", help="of a model: direction-1h, anomaly-1h, minutes")
    given = parser.parse_args(words)
    registry = Registry(Store(load_settings(ENV_FILE).s3))
    print(decide(registry, given.name, now_ms=SystemClock().now_ms()))


if __name__ == "__main__":
    main()
