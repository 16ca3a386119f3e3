"""Batch: windows of every asset over whole days of the lake, a folder a day. Running a day again replaces it."""

from __future__ import annotations

from session import arguments, session, settings, span_of
from tables import records, write_days
from windows import windows


def main(words: list[str] | None = None) -> None:
    given = arguments("Windows (open, high, low, close, mean, volumes, VWAP) over days of the lake.", length="1d")
    given = given.parse_args(words)
    found, span, (dataset, part) = settings(), span_of(given), given.dataset
    name = f"windows-{dataset.called(part)}-{given.length.text}"
    spark = session(name, found)
    rows = windows(records(spark, found, dataset, part, span), dataset, given.length).cache()
    where = write_days(rows, found, name)
    print(f"{name} {span}: {rows.count()} windows in {where}")
    spark.stop()


if __name__ == "__main__":
    main()
