"""Streamlit, started in this process with what it must not do by itself: no statistics sent home, no mail asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamlit.web import bootstrap

from cryptoproxy.page import asking

APP = Path(__file__).with_name("app.py")


def flags(host: str, port: int) -> dict[str, Any]:
    """Streamlit's options, by its own names."""
    return {
        "server_address": host,
        "server_port": port,
        "server_headless": True,
        "server_fileWatcherType": "none",
        "server_showEmailPrompt": False,
        "browser_gatherUsageStats": False,
        "client_toolbarMode": "minimal",
        "runner_magicEnabled": False,  # it would show the strings that stand in a script by themselves
        "client_showErrorDetails": "none",
        # For each by itself: said for both, it would be one theme, which is light.
        "theme_light_primaryColor": "#2f6db3",
        "theme_dark_primaryColor": "#6bb5d8",
        "theme_paddingTop": "1.5rem",
        "theme_metricValueFontSize": "1.6rem",
    }


def run(door: asking.PageClient, *, host: str, port: int) -> None:
    """Until a stop signal. Call it in the main thread."""
    asking.use(door)
    options = flags(host, port)
    bootstrap.load_config_options(flag_options=options)
    bootstrap.run(str(APP), False, [], options)
