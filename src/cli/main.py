"""`cryptoproxy`: one command for everything. Wiring and words; what it does lives in the other packages."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import click

from cryptoproxy.common.errors import CryptoProxyError

# name: module of this package, and the command in it. Imported when it is wanted: an indexer needs no plots.
COMMANDS = {
    "up": ("engines", "up"),
    "down": ("engines", "down"),
    "status": ("engines", "status"),
    "setup": ("setup", "setup"),
    "check": ("setup", "check"),
    "produce": ("run", "produce"),
    "consume": ("run", "consume"),
    "run": ("run", "run"),
    "sandbox": ("run", "sandbox"),
    "tail": ("tail", "tail"),
    "query": ("query", "query"),
    "lake": ("lake", "lake"),
    "dead-letters": ("dead_letters", "dead_letters"),
    "replay": ("backfill", "replay"),
    "reconcile": ("backfill", "reconcile"),
    "retention": ("backfill", "retention"),
    "kibana": ("kibana", "kibana"),
    "demo": ("demo.command", "demo"),
}


class Commands(click.Group):
    """The commands of the table, in its order, besides those that were added by hand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if (place := COMMANDS.get(cmd_name)) is None:
            return super().get_command(ctx, cmd_name)
        module, name = place
        command: click.Command = getattr(import_module(f"cryptoproxy.cli.{module}"), name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--env-file", type=click.Path(path_type=Path, dir_okay=False), default=Path(".env"), show_default=True,
    help="Settings below the environment's.",
)  # fmt: skip
@click.version_option(package_name="cryptoproxy", message="%(version)s")
@click.pass_context
def cli(context: click.Context, env_file: Path) -> None:
    """One rate-limited poller for CoinGecko, Binance and Bybit: to Kafka, S3 and Elasticsearch."""
    context.obj = env_file


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
