"""What all calls to CoinGecko share: the plan's address and key, and what a refusal means by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass

from cryptoproxy.upstreams.base import Call, Response
from cryptoproxy.upstreams.coingecko import refusals
from cryptoproxy.upstreams.coingecko.plans import BASE_URLS, Plan, key_header


@dataclass(frozen=True, slots=True)
class Access:
    """
    Args:
        address: another one than the plan's own.
        api_key: of the demo or pro plan; asked at each poll, so that a key may be exchanged.
    """

    plan: Plan = Plan.KEYLESS
    _: KW_ONLY
    address: str | None = None
    api_key: Callable[[], str | None] = lambda: None

    @property
    def base_url(self) -> str:
        return (self.address or BASE_URLS[self.plan]).rstrip("/")

    def call(self, path: str, **params: str) -> Call:
        """Raises:
        OperatorError: the plan needs a key and there is none.
        """
        return Call(f"{self.base_url}/{path}", params, self.headers())

    def headers(self) -> Mapping[str, str]:
        """With the key. Raises as :meth:`call`."""
        return key_header(self.plan, self._key())

    def check(self, answer: Response, *, now_ms: int) -> None:
        """As :meth:`Source.check`."""
        secret = self._key() or ""
        refusals.check(answer, now_ms=now_ms, secret=secret, plan=self.plan, base_url=self.base_url)

    def _key(self) -> str | None:
        if self.plan is Plan.KEYLESS:
            return None
        key = self.api_key()
        return key.strip() if key else None
