"""Settings of `cryptoproxy models predict`."""

from __future__ import annotations

from dataclasses import dataclass

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.loading import setting
from cryptoproxy.datasets.contracts.candle import STEPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The process that asks a model of each bar that is over."""

    name: str = setting(
        "MODELS_PREDICT",
        kinds.matching(
            rf"[a-z0-9][a-z0-9-]{{0,58}}-({'|'.join(STEPS)})",
            "model",
            "must end with the length of its bars, as direction-1h",
        ),
        "direction-1h",
        "Name of the model in the registry; what of it is live speaks (docs/models.md).",
    )
    port: int = setting(
        "PYTHON_MODELS_SERVER_PORT",
        kinds.whole(0, 65_535),
        "8004",
        "Port of `/livez`, `/readyz` and `/metrics`. 0: a free one.",
    )

    @property
    def interval(self) -> str:
        """Of its bars."""
        return self.name.rpartition("-")[2]
