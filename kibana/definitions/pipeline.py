"""Dashboard Pipeline: does the data come, in time and whole?"""

from __future__ import annotations

from cryptoproxy.datasets import GAP
from kibana import names
from kibana.builders.charts import heatmap, table, xy
from kibana.builders.columns import distinct, largest, median, over_time, percentile, records, top
from kibana.builders.controls import Control
from kibana.builders.dashboard import Dashboard, Row
from kibana.builders.panels import Panel, note, question, saved_search
from kibana.definitions import shared

ABOUT = note(
    "about",
    f"{shared.links(names.PIPELINE)}\n\n"
    "What has arrived in Elasticsearch, by source. A source without a record in the time shown is not listed: widen "
    "the time to see when it stopped.",
)


def _freshness() -> Panel:
    newest = largest("timestamp", "Newest slot")
    return question(
        "freshness",
        "How fresh is each source?",
        table(
            rows=[shared.sources()],
            metrics=[
                largest("fetched_at", "Last fetch"),
                newest,
                records("Records, last 5 min", within="5m"),
                records("Records, last 15 min", within="15m"),
                records("Records, last hour", within="1h"),
                distinct("timestamp", "Polls"),
                distinct("asset_id", "Assets"),
            ],
            sort_by=newest,
            ascending=True,
        ),
        help_text="The stalest source first. Zeros under the last minutes: it is older than that. "
        "Polls and assets count the whole time shown, which must end now.",
    )


MISSING_DATA = question(
    "missing-data",
    "Where is data missing?",
    heatmap(
        x=over_time("10m"),
        y=shared.sources(),
        value=records("Records", zero_is_empty=True),
    ),
    help_text="Records per 10 minutes; an empty cell has none: white in a row is a gap of that source. Over longer "
    "times a cell stands for more than 10 minutes.",
)

RECORDS_PER_MINUTE = question(
    "records-per-minute",
    "How many records come per minute?",
    xy(
        "line",
        x=over_time(),
        split=shared.sources(),
        y=[records("Records per minute", per="m")],
    ),
    help_text="By slot. A fall to 0 is a gap; the last step is not over yet and reads lower.",
)

ASSETS = question(
    "assets",
    "Does each poll bring all assets?",
    xy(
        "line",
        x=over_time(),
        split=shared.sources(),
        y=[distinct("asset_id", "Different assets")],
    ),
    help_text="A step down: assets are missing, or fewer are asked for.",
)

FETCH_DELAY = question(
    "fetch-delay",
    "How late is the data?",
    xy(
        "line",
        x=over_time(),
        split=shared.sources(),
        y=[percentile("fetch_delay_ms", 95, "95th percentile", shared.MILLISECONDS)],
        y_title="Fetch delay",
    ),
    help_text="95th percentile of fetch_delay_ms: from the planned time of a poll until its answer had arrived.",
)


def _gaps() -> Panel:
    newest = largest("until", "Newest ends")
    return question(
        "gaps",
        "What do streams lack?",
        table(
            rows=[shared.sources(), top("kind", 10, "Of")],
            metrics=[
                records("Gaps", where="state: open"),
                records("of which mended", where="state: mended"),
                newest,
            ],
            sort_by=newest,
        ),
        help_text="Holes, cuts and handovers of streams and histories. As many mended as there are: nothing lacks. "
        "`cryptoproxy gaps --open` lists the others.",
        dataset=GAP,
    )


def _fetch_delay_by_source() -> Panel:
    worst = largest("fetch_delay_ms", "Longest", shared.MILLISECONDS)
    return question(
        "fetch-delay-by-source",
        "Which source is slow?",
        table(
            rows=[shared.sources()],
            metrics=[
                median("fetch_delay_ms", "Median", shared.MILLISECONDS),
                percentile("fetch_delay_ms", 95, "95th percentile", shared.MILLISECONDS),
                percentile("fetch_delay_ms", 99, "99th percentile", shared.MILLISECONDS),
                worst,
            ],
            sort_by=worst,
        ),
        help_text="fetch_delay_ms over all records in the time shown.",
    )


MISSING_FIELDS = question(
    "missing-fields",
    "Which values are left out?",
    table(
        rows=[shared.sources()],
        metrics=[
            records("Records"),
            *(
                records(f"… {name}", where=f"not {name}: *")
                for name in ("change_24h", "price_24h_pcnt", "volume_24h", "market_cap", "high_24h", "last_updated")
            ),
        ],
    ),
    help_text="Records without a value. As many as there are records: that source never sends it. Between: some "
    "assets or some polls lack it.",
)


def dashboard() -> Dashboard:
    return Dashboard(
        id=names.PIPELINE,
        title="Crypto prices: Pipeline",
        description="Freshness, gaps, rates and delays of each source.",
        opens_on="now-24h",
        refresh_seconds=60,
        controls=(Control("source", "Source"),),
        rows=[
            Row(5, [ABOUT]),
            Row(10, [_freshness()]),
            Row(12, [MISSING_DATA]),
            Row(12, [RECORDS_PER_MINUTE, ASSETS]),
            Row(10, [_gaps()]),
            Row(12, [FETCH_DELAY, _fetch_delay_by_source()], widths=[28, 20]),
            Row(10, [MISSING_FIELDS]),
            Row(18, [saved_search("newest-records", "Which records came last?", names.NEWEST_RECORDS)]),
        ],
    )
