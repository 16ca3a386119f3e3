"""`cryptoproxy`: one command for everything. Wiring and words; what it does lives in the other packages."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cli import backfill, dead_letters, engines, kibana, lake, query, run, setup, tail
from cli.demo.command import demo
from common.errors import CryptoProxyError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--env-file", type=click.Path(path_type=Path, dir_okay=False), default=Path(".env"), show_default=True,
    help="Settings below the environment's.",
)  # fmt: skip
@click.version_option(package_name="cryptoproxy", message="%(version)s")
@click.pass_context
def cli(context: click.Context, env_file: Path) -> None:
    """One rate-limited poller for CoinGecko, Binance and Bybit: to Kafka, S3 and Elasticsearch."""
    context.obj = env_file


cli.add_command(engines.up)
cli.add_command(engines.down)
cli.add_command(engines.status)
cli.add_command(setup.setup)
cli.add_command(setup.check)
cli.add_command(run.produce)
cli.add_command(run.consume)
cli.add_command(run.run)
cli.add_command(run.sandbox)
cli.add_command(tail.tail)
cli.add_command(dead_letters.dead_letters)
cli.add_command(backfill.replay)
cli.add_command(backfill.reconcile)
cli.add_command(backfill.retention)
cli.add_command(kibana.kibana)
cli.add_command(lake.lake)
cli.add_command(query.query)
cli.add_command(demo)


def main() -> None:
    """Entry point. Errors made on purpose are one clear line; all others keep their trace."""
    try:
        # So called, click returns the code that a command exits with; most return None.
        sys.exit(cli.main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except CryptoProxyError as error:
        click.echo(f"cryptoproxy: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
