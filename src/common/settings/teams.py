"""The settings of teams: who may ask the door, how much, and what is counted of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.loading import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Teams:
    """Who may ask the door: tokens by team, and their limits (docs/teams.md)."""

    file: Path | None = setting(
        "TEAMS_FILE",
        kinds.path(),
        "",
        "Tokens of the teams that may ask the door, as hashes; `cryptoproxy teams add` writes it, a door looks at it "
        "each second. Without one whoever reaches the door may ask.",
        example="/etc/cryptoproxy/teams.json",
    )
    limits: str = setting(
        "LIMITS",
        kinds.choice("process", "shared"),
        "process",
        "`process`: each door counts for itself what a team asks. `shared`: all doors of one machine that have the "
        "same TEAMS_FILE count together, in the folder `TEAMS_FILE` with `.limits` behind it, which they may write.",
    )
    requests: int = setting(
        "TEAM_REQUESTS",
        kinds.whole(1, 100_000_000),
        "6000",
        "Questions a minute of one team, where the file says no other number; a sixth of them may come at once.",
    )
    streams: int = setting(
        "TEAM_STREAMS",
        kinds.whole(0, 1_000_000),
        "50",
        "Streams of one team at once, where the file says no other number.",
    )
    usage: bool = setting(
        "SERVE_USAGE",
        kinds.boolean(),
        "true",
        "What was asked is counted by team and path, and sent each minute to `crypto.usage`; `/v1/usage` tells it.",
    )

    @property
    def shared(self) -> Path | None:
        """Where doors count together; None: each for itself."""
        if self.file is None or self.limits == "process":
            return None
        return self.file.with_name(f"{self.file.name}.limits")
