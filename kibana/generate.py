"""Writes the NDJSON that Kibana imports: ``python -m kibana.generate``, from the project's root."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptoproxy.datasets import DATASETS, TICKER
from kibana.builders.encoding import ndjson
from kibana.definitions import (
    alerts,
    books,
    candles,
    data_view,
    market,
    market_wide,
    newest_records,
    pipeline,
    shared,
    trades,
    usage,
    volatility,
)

FILE = Path(__file__).resolve().parent / "crypto-prices.ndjson"
_ALIAS_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,199}")


def everything(*, alias: str = str(TICKER.alias), source: str = shared.DEFAULT_SOURCE) -> bytes:
    """All objects, the data views first.

    Args:
        alias: what the data view of tickers reads: the setting ES_INDEX.
        source: the one that Market and Volatility open with.
    """
    return ndjson(
        [
            *(
                data_view.saved_object_for(dataset, alias if dataset is TICKER else dataset.alias)
                for dataset in DATASETS.values()
                if dataset.alias
            ),
            newest_records.saved_search(),
            market.dashboard(source).saved_object(),
            candles.dashboard().saved_object(),
            trades.dashboard().saved_object(),
            books.dashboard().saved_object(),
            market_wide.dashboard().saved_object(),
            volatility.dashboard(source).saved_object(),
            alerts.dashboard().saved_object(),
            usage.dashboard().saved_object(),
            pipeline.dashboard().saved_object(),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m kibana.generate", description=__doc__)
    parser.add_argument(
        "--alias", "--index", default=TICKER.alias, help="what the data view of tickers reads (ES_INDEX); %(default)s"
    )
    parser.add_argument(
        "--source", default=shared.DEFAULT_SOURCE, help="the one Market and Volatility open with; %(default)s"
    )
    parser.add_argument("--output", type=Path, default=FILE, help="%(default)s")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file is not what would be")
    given = parser.parse_args(arguments)
    if not _ALIAS_PATTERN.fullmatch(given.alias):
        parser.error("--alias must be lower-case letters, digits, '.', '_' or '-'")
    made = everything(alias=given.alias, source=given.source)
    if given.check:
        same = given.output.is_file() and given.output.read_bytes() == made
        if not same:
            sys.stderr.write(f"{given.output} is not what the definitions make: run python -m kibana.generate\n")
        return 0 if same else 1
    given.output.write_bytes(made)
    sys.stdout.write(f"{given.output}: {len(made.splitlines())} objects, {len(made)} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
