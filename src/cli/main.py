"""`cryptoproxy`: one command for everything. Wiring and words; what it does lives in the other packages."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from cryptoproxy.common.settings.home import ENV_FILE, VARIABLE
from cryptoproxy.common.start import SETTINGS_EXIT_CODE, are_set, home, stand_ins
from cryptoproxy.errors import CryptoProxyError, SettingsError

# name: module of this package, and the command in it. Imported when it is wanted: an indexer needs no plots.
COMMANDS = {
    "up": ("services.engines", "up"),
    "down": ("services.engines", "down"),
    "status": ("status.command", "status"),
    "setup": ("upkeep.setup", "setup"),
    "check": ("upkeep.setup", "check"),
    "produce": ("services.run", "produce"),
    "consume": ("services.run", "consume"),
    "run": ("services.run", "run"),
    "serve": ("services.serve", "serve"),
    "teams": ("services.teams", "teams"),
    "page": ("services.page", "page"),
    "history": ("upkeep.history", "history"),
    "crawl": ("upkeep.crawl", "crawl"),
    "watch": ("services.watch", "watch"),
    "sandbox": ("services.run", "sandbox"),
    "tail": ("reading.tail", "tail"),
    "query": ("reading.query", "query"),
    "gaps": ("reading.gaps", "gaps"),
    "lake": ("upkeep.lake", "lake"),
    "dead-letters": ("reading.dead_letters", "dead_letters"),
    "replay": ("upkeep.backfill", "replay"),
    "reconcile": ("upkeep.backfill", "reconcile"),
    "retention": ("upkeep.backfill", "retention"),
    "quality": ("reading.quality", "quality"),
    "models": ("services.models", "models"),
    "brokers": ("services.brokers", "brokers"),
    "report": ("reading.report", "report"),
    "kibana": ("upkeep.kibana", "kibana"),
    "demo": ("demo.command", "demo"),
}


DEFAULT_ADDRESSES = ("localhost:9092", "localhost:9200", "bucket crypto-lake at us-east-1")


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

    def invoke(self, ctx: click.Context) -> Any:
        """An engine that does not answer where nobody has set one is most often another folder's."""
        try:
            return super().invoke(ctx)
        except (CryptoProxyError, click.ClickException) as error:
            nobody_s = any(address in str(error) for address in DEFAULT_ADDRESSES)
            if nobody_s and not stand_ins(ctx.obj) and not are_set(ctx.obj):
                error.add_note(
                    f"No engines of `cryptoproxy up` run in {home().folder}, and no addresses are set. Start them, or "
                    f"go to the folder where they run ({VARIABLE} names it)."
                )
            raise


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--env-file", type=click.Path(path_type=Path, dir_okay=False), default=ENV_FILE, show_default=True,
    help="Settings below the environment's; by default in the project's folder (docs/settings.md).",
)  # fmt: skip
@click.version_option(package_name="cryptoproxy", message="%(version)s")
@click.pass_context
def cli(context: click.Context, env_file: Path) -> None:
    """One rate-limited poller for CoinGecko, Binance and Bybit: to Kafka, S3 and Elasticsearch."""
    context.obj = env_file


def main() -> None:
    """Entry point. Errors made on purpose are one clear line, and so is a file that cannot be used; all others keep
    their trace."""
    try:
        # So called, click returns the code that a command exits with; most return None.
        sys.exit(cli.main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        _show_notes(error)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except CryptoProxyError as error:
        click.echo(f"cryptoproxy: {error}", err=True)
        _show_notes(error)
        sys.exit(SETTINGS_EXIT_CODE if isinstance(error, SettingsError) else 1)
    except OSError as error:
        if error.filename is None:
            raise
        click.echo(f"cryptoproxy: {error.filename} cannot be used: {error.strerror}", err=True)
        sys.exit(1)


def _show_notes(error: Exception) -> None:
    for note in getattr(error, "__notes__", []):
        click.echo(note, err=True)


if __name__ == "__main__":
    main()
