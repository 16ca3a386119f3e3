"""What a reader of an answer must know, gathered while its rows go by: symbols that are several assets, symbols and
sources that gave no row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptoproxy.queries.scope import Asset, Scope

_LISTED = 5


@dataclass(slots=True)
class Watch:
    """``what`` is the value that an asset may lack, in words: ``change_7d``."""

    scope: Scope
    what: str
    _assets: dict[tuple[str, str], set[tuple[str, str]]] = field(default_factory=dict)
    """By source and symbol: asset and quote."""
    _without: dict[str, set[Asset]] = field(default_factory=dict)
    _with: set[str] = field(default_factory=set)

    @property
    def saw_any(self) -> bool:
        return bool(self._with or self._without)

    @property
    def saw_rows(self) -> bool:
        return bool(self._with)

    def see(self, asset: Asset, *, has_value: bool = True) -> None:
        if has_value:
            self._with.add(asset.source)
            self._assets.setdefault((asset.source, asset.symbol), set()).add((asset.asset_id, asset.quote))
        else:
            self._without.setdefault(asset.source, set()).add(asset)

    def notes(self) -> Iterator[str]:
        yield from self._ambiguous()
        yield from self.lacking()
        seen = {symbol for _, symbol in self._assets} | {
            each.symbol for assets in self._without.values() for each in assets
        }
        if missing := [each for each in self.scope.symbols if each not in seen]:
            yield f"no record of {', '.join(missing)} at {self.scope} in the period"
        for source in self.scope.sources:
            if source not in self._with and source not in self._without:
                yield f"no record of {source} that fits in the period"

    def lacking(self) -> Iterator[str]:
        """Sources and assets without the value."""
        for source, assets in sorted(self._without.items()):
            if source not in self._with:
                yield f"{source} sends no {self.what}"
                continue
            with_values = {identity for (each, _), them in self._assets.items() if each == source for identity in them}
            rest = sorted(each.symbol for each in assets if (each.asset_id, each.quote) not in with_values)
            if rest:
                more = f" and {len(rest) - _LISTED} more" if len(rest) > _LISTED else ""
                yield f"{source} sends no {self.what} for {', '.join(rest[:_LISTED])}{more}"

    def _ambiguous(self) -> Iterator[str]:
        several = {key: them for key, them in sorted(self._assets.items()) if len(them) > 1}
        for (source, symbol), them in list(several.items())[:_LISTED]:
            listed = ", ".join(f"{asset} in {quote}" for asset, quote in sorted(them)[:_LISTED])
            yield f"{symbol} is {len(them)} assets at {source}, shown apart: {listed}; --assets chooses"
        if len(several) > _LISTED:
            yield f"{len(several) - _LISTED} more symbols are several assets each"
