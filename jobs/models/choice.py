"""Which version of a model is live: the newest one, if by what was measured when it was made it is better.

Read without what models are trained with: it needs nothing but the figures that were kept with a version.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from cryptoproxy.models.registry import About, Registry

Verdict = Callable[[About], tuple[bool, str]]
"""Whether a version shall be live, and why or why not."""


def decide(registry: Registry, name: str, *, now_ms: int) -> str:
    """Of the newest version; what came of it, in words.

    Raises:
        SystemExit: there is no such model, or no version of it.
    """
    kind = name.partition("-")[0]
    if kind not in VERDICTS:
        raise SystemExit(f"there is no model {name!r}; there are direction-1h, anomaly-1h, minutes")
    versions = registry.versions(name)
    if not versions:
        raise SystemExit(f"there is no version of {name}: train one first")
    newest, live = versions[-1], registry.live(name) or ""
    if newest.version == live:
        return f"{name} {live}: live already"
    better, why = VERDICTS[kind](newest)
    if newest.beside != live:
        better, why = (
            False,
            f"it was held against {newest.beside or 'none'}, and {live or 'none'} is live now: train again",
        )
    if better:
        registry.promote(name, newest.version, why=why, now_ms=now_ms)
    return f"{name} {newest.version}: {'promoted' if better else 'kept, not promoted'} ({why})"


def of_direction(about: About) -> tuple[bool, str]:
    """As soon as one asset has better trees than it had: a version has the live ones of all others."""
    new = [asset for asset, own in about.assets.items() if own.asked and not own.since]
    kept = sum(1 for own in about.assets.values() if own.since)
    silent = len(about.assets) - len(new) - kept
    return bool(
        new
    ), f"better for {len(new)} of {len(about.assets)} assets; {kept} keep what is live, {silent} have none"


def better(said: Mapping[str, float]) -> tuple[bool, str]:
    """Of one asset's trees. One fold alone may be luck: over all that was walked they must beat "no change", too."""
    beside = {name: said[f"{name}_loss"] for name in ("no_change", "live") if f"{name}_loss" in said}
    is_better = all(said["loss"] < loss for loss in beside.values()) and said["walk_forward_loss"] < math.log(2)
    others = ", ".join(f"{name} {loss:.5f}" for name, loss in beside.items())
    words = f"loss {said['loss']:.5f} on held-out rows, {others}; {said['walk_forward_loss']:.5f} over all folds"
    return (
        is_better,
        f"{'better' if is_better else 'no better'}: {words}; {said['return_after_fees']:+.5%} a bar after fees",
    )


def of_anomaly(about: About) -> tuple[bool, str]:
    found, wanted = about.metrics["share_held_out"], about.metrics["share"]
    return found <= 2 * wanted, f"{found:.4%} of the held-out bars are strange, {wanted:.4%} were asked for"


def of_minutes(about: About) -> tuple[bool, str]:
    """What is live stays unless it calls too many strange, finds fewer jumps, or as many with more false alarms."""
    said = about.metrics
    most = 2 * said["share"]
    mine = (said["jumps_found"], -said["share_held_out"])
    words = f"{mine[0]:.0%} of the jumps found, {said['share_held_out']:.3%} of held-out minutes strange"
    if said["share_held_out"] > most or "live_jumps_found" not in said:
        return said["share_held_out"] <= most, f"{words}, {said['share']:.3%} were asked for"
    live = (said["live_jumps_found"], -said["live_share_held_out"])
    better = said["live_share_held_out"] > most or mine > live
    return better, f"{words}; by what is live {live[0]:.0%} and {said['live_share_held_out']:.3%}"


VERDICTS: dict[str, Verdict] = {"direction": of_direction, "anomaly": of_anomaly, "minutes": of_minutes}
