"""Which version of a model is live: the newest one, if by what was measured when it was made it is better."""

from __future__ import annotations

from collections.abc import Callable

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
