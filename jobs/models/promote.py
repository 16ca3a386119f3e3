"""Makes the newest version of a model live if it is better, by what was measured when it was made; else says why not.

The training jobs decide so at once. With ``--keep`` they leave it to this one, so that a calendar can stand between.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings.home import ENV_FILE
from cryptoproxy.common.start import load_settings
from cryptoproxy.lake.store import Store
from cryptoproxy.models.registry import About, Registry

Verdict = Callable[[About], tuple[bool, str]]
"""Whether a version shall be live, and why or why not."""


def decide(registry: Registry, name: str, verdict: Verdict, *, now_ms: int) -> str:
    """Of the newest version; what came of it, in words.

    Raises:
        SystemExit: there is no version.
    """
    versions = registry.versions(name)
    if not versions:
        raise SystemExit(f"there is no version of {name}: train one first")
    newest, live = versions[-1], registry.live(name) or ""
    if newest.version == live:
        return f"{name} {live}: live already"
    better, why = verdict(newest)
    if newest.beside != live:
        better, why = (
            False,
            f"it was held against {newest.beside or 'none'}, and {live or 'none'} is live now: train again",
        )
    if better:
        registry.promote(name, newest.version, why=why, now_ms=now_ms)
    return f"{name} {newest.version}: {'promoted' if better else 'kept, not promoted'} ({why})"


def main(words: list[str] | None = None) -> None:
    import anomaly
    import direction

    parser = argparse.ArgumentParser(description="Makes the newest version of a model live, if it is better.")
    parser.add_argument("name", help="of a model: direction-1h, anomaly-1h")
    given = parser.parse_args(words)
    verdicts: dict[str, Verdict] = {each.NAME: each.verdict for each in (direction, anomaly)}
    kind = given.name.rpartition("-")[0]
    if kind not in verdicts:
        raise SystemExit(f"there is no model {given.name!r}; there are {', '.join(f'{each}-1h' for each in verdicts)}")
    registry = Registry(Store(load_settings(ENV_FILE).s3))
    print(decide(registry, given.name, verdicts[kind], now_ms=SystemClock().now_ms()))


if __name__ == "__main__":
    main()
