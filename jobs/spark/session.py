"""A Spark session that knows the lake's S3, and what the jobs' command lines have in common.

Run by ``python job.py`` it is local (``SPARK_MASTER``, by default ``local[2]``), with the pinned jars; run by
``spark-submit`` master and jars are the cluster's business.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

from pyspark.sql import SparkSession

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.home import ENV_FILE
from cryptoproxy.common.start import load_settings
from cryptoproxy.datasets import Dataset, called
from cryptoproxy.datasets.times import DAY_MS, Span, from_person
from cryptoproxy.engines import artefacts
from cryptoproxy.queries import periods

SUBMITTED = "PYSPARK_GATEWAY_PORT"
"""Set where spark-submit has started this process."""


def settings() -> Settings:
    """Those of every command of cryptoproxy: environment, then .env."""
    return load_settings(ENV_FILE)


def session(name: str, found: Settings, more: Mapping[str, str] | None = None) -> SparkSession:
    """``more``: options of this job alone."""
    builder = SparkSession.builder.appName(name)
    options = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        # A day that is computed again replaces itself, and no other.
        "spark.sql.sources.partitionOverwriteMode": "dynamic",
        **_s3(found),
        **(more or {}),
    }
    if SUBMITTED not in os.environ:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else whatever `python3` is
        jars = artefacts.fetch(artefacts.bundle("spark"), artefacts.user_cache(), say=print)
        builder = builder.master(os.environ.get("SPARK_MASTER", "local[2]"))
        options |= {
            "spark.jars": ",".join(map(str, jars)),
            "spark.driver.memory": os.environ.get("SPARK_DRIVER_MEMORY", "1g"),
            "spark.sql.shuffle.partitions": "4",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            # A local run is short: what the second compiler would win is less than what it costs.
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
        }
    for key, value in options.items():
        builder = builder.config(key, value)
    made = builder.getOrCreate()
    made.sparkContext.setLogLevel("ERROR")
    return made


def _s3(found: Settings) -> dict[str, str]:
    s3, at = found.s3, "spark.hadoop.fs.s3a"
    options = {f"{at}.endpoint.region": s3.region}
    if s3.access_key:
        options |= {
            f"{at}.access.key": s3.access_key.get(),
            f"{at}.secret.key": s3.secret_key.get(),
            f"{at}.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
        }
    if s3.endpoint_url:
        options |= {
            f"{at}.endpoint": s3.endpoint_url,
            f"{at}.path.style.access": "true",
            f"{at}.connection.ssl.enabled": str(urlsplit(s3.endpoint_url).scheme == "https").lower(),
        }
    return options


def kafka(found: Settings) -> dict[str, str]:
    """Options of Spark's Kafka source and sink."""
    given = found.kafka
    options = {"bootstrap.servers": ",".join(given.brokers), "security.protocol": given.security_protocol}
    if given.ssl_cafile is not None:
        options |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(given.ssl_cafile)}
    if given.sasl_username:
        module = "plain.PlainLoginModule" if given.sasl_mechanism == "PLAIN" else "scram.ScramLoginModule"
        name, password = (
            re.sub(r'(["\\])', r"\\\1", each) for each in (given.sasl_username, given.sasl_password.get())
        )
        words = f'username="{name}" password="{password}"'
        options |= {
            "sasl.mechanism": given.sasl_mechanism,
            "sasl.jaas.config": f"org.apache.kafka.common.security.{module} required {words};",
        }
    return {f"kafka.{name}": value for name, value in options.items()}


def place(found: Settings, name: str) -> str:
    """Where the jobs' own tables lie; nothing else writes there, and they write nowhere else."""
    parts = ("s3a:/", found.s3.bucket, found.s3.prefix, "spark", name)
    return "/".join(part for part in parts if part)


# ---- command lines


def arguments(says: str, *, span: bool = True, length: str | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=says)
    parser.add_argument("--dataset", type=_dataset, default="ticker", help="ticker, candle-1m … (default: ticker)")
    if span:
        parser.add_argument(
            "--from", dest="begin", type=_day, required=True, help="first day, UTC: 2026-11-01, 7d (ago)"
        )
        parser.add_argument("--to", dest="end", type=_day, required=True, help="end, not included: 2026-11-08, today")
    if length is not None:
        parser.add_argument("--length", type=_length, default=length, help=f"of a window: 1m, 1h, 1d ({length})")
    return parser


def span_of(given: argparse.Namespace) -> Span:
    found = Span(given.begin, given.end)
    if found.empty:
        raise SystemExit("--to must be later than --from; it is not included")
    return found


def _dataset(text: str) -> tuple[Dataset, str]:
    try:
        return called(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _day(text: str) -> int:
    try:
        found = from_person(text, now_ms=SystemClock().now_ms())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if found % DAY_MS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2026-11-01: the tables are by whole days")
    return found


def _length(text: str) -> periods.Interval:
    try:
        found = periods.interval(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if not found.fixed or DAY_MS % found.ms:
        raise argparse.ArgumentTypeError(f"{text!r} does not divide a day")
    return found
