"""A message sent once, and what the answer means. Its address is a secret: no text of it gets out of here.

Discord, Slack and plain webhooks are asked by ourselves, since their answers decide what comes next; mail, Telegram,
PagerDuty and the like go by Apprise, which says no more than whether it worked.
"""

from __future__ import annotations

import json
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import requests

from cryptoproxy.common.clients.outside import authorities, proxy_for
from cryptoproxy.common.retry import seconds_told
from cryptoproxy.errors import OperatorError
from cryptoproxy.watch.rulebook.rules import Channel
from cryptoproxy.watch.telling.messages import PICTURE, Message, discord, filled, slack

TIMEOUT = (5.0, 20.0)
"""Seconds to connect, and to answer."""
LONGEST_WAIT = 3600.0
"""Who asks to be left alone for longer, or for ever, is tried again after so many seconds."""
_JSON = {"Content-Type": "application/json"}
_TOKEN = re.compile(r"[A-Za-z0-9_.\-]{1,200}")
SHOW_PICTURES = ("discord", "discord-bot", "apprise")
"""Ways by which a picture can go; Slack's and plain webhooks take text alone."""

# Else requests, and Apprise by it, would send what ~/.netrc has for a host, or for any, beside the message.
os.environ["NETRC"] = os.devnull


@dataclass(frozen=True, slots=True)
class Outcome:
    """``taken``; ``later``: it was not, and may be when it is tried again, after ``wait`` seconds if it says so;
    ``unknown``: it may have been; ``gone``: only a person can mend it; ``unfit``: this message will never be."""

    kind: Literal["taken", "later", "unknown", "gone", "unfit"]
    words: str = ""
    wait: float | None = None


def send(channel: Channel, message: Message, *, plain: bool = False) -> Outcome:
    """One try. The address is read afresh, so that a new one in a file counts at once.

    Args:
        plain: as simple as it gets, after it was unfit.
    """
    address = address_of(channel.place)
    if address is None:
        return Outcome("gone", f"there is nothing at {channel.place}")
    if channel.way == "apprise":
        return _by_apprise(address, message)
    if channel.way == "discord-bot":
        if not _TOKEN.fullmatch(address):
            return Outcome("gone", f"what stands at {channel.place} is no token of a bot")
        place = f"{channel.api}/channels/{channel.to}/messages"
        return _to_discord(place, message, plain=plain, headers={"Authorization": f"Bot {address}"})
    if not address.startswith(("http://", "https://")):
        outcome = Outcome("gone", f"what stands at {channel.place} is no http:// or https:// address")
    elif channel.way == "discord":
        outcome = _to_discord(address, message, plain=plain, headers={})
    else:
        body = json.dumps(slack(message)) if channel.way == "slack" else filled(channel.template or "", message)
        outcome = _post(address, data=body.encode(), headers=_JSON)
    return outcome


def _to_discord(address: str, message: Message, *, plain: bool, headers: dict[str, str]) -> Outcome:
    payload, files = discord(message, plain=plain)
    if files:
        parts = {f"files[{i}]": (name, content) for i, (name, content) in enumerate(files.items())}
        return _post(address, data={"payload_json": json.dumps(payload)}, files=parts, headers=headers)
    return _post(address, data=json.dumps(payload).encode(), headers=_JSON | headers)


def address_of(place: str) -> str | None:
    """What stands there; None for nothing."""
    way, _, name = place.partition(":")
    if way == "env":
        return os.environ.get(name, "").strip() or None
    try:
        return Path(name).read_text(encoding="utf-8").strip() or None
    except (OSError, ValueError):  # not there, no UTF-8, a name that no file can have
        return None


def _post(address: str, **request: Any) -> Outcome:
    try:
        proxy_for(address)  # or why it is none
        answer = requests.post(address, timeout=TIMEOUT, allow_redirects=False, verify=authorities(), **request)
    except requests.ConnectionError as error:
        if "CERTIFICATE_VERIFY_FAILED" in repr(error):
            return Outcome("gone", "its certificate is not trusted here (docs/security.md)")
        # Refused, no such name, nobody there: nothing was sent. Cut in the middle: who knows.
        unmade = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError")
        refused = any(each in repr(error) for each in unmade)
        return Outcome("later", "no connection") if refused else Outcome("unknown", "the connection was cut")
    except requests.Timeout:
        return Outcome("unknown", "no answer in time")
    except OperatorError as error:  # of our own environment
        return Outcome("gone", str(error))
    except (requests.RequestException, ValueError) as error:  # its text holds the address
        return Outcome("gone", f"the address cannot be asked ({type(error).__name__})")
    return meaning(answer)


def meaning(answer: requests.Response) -> Outcome:
    """Of an answer."""
    status = answer.status_code
    if status < 300:
        return Outcome("taken")
    if status == 429:
        return Outcome("later", "429: too many messages", _retry_after(answer))
    if status >= 500 or status == 408:
        return Outcome("later", f"it answers {status}", _retry_after(answer))
    if status in (401, 403, 404, 410) or status < 400:
        return Outcome("gone", f"it answers {status}: the webhook was deleted, or may not be used any more")
    return Outcome("unfit", f"it answers {status} to this message")


def _retry_after(answer: requests.Response) -> float | None:
    """Seconds: Discord says them in the body, exactly; others in a header."""
    try:
        told = answer.json().get("retry_after")
        if isinstance(told, int | float) and told >= 0:
            return float(min(told, LONGEST_WAIT))
    except (ValueError, AttributeError):
        pass
    header = seconds_told(answer.headers.get("Retry-After", ""))
    return None if header is None else min(header, LONGEST_WAIT)


def _by_apprise(address: str, message: Message) -> Outcome:
    try:
        import apprise  # takes half a second, and most have no such channel
    except ImportError:
        return Outcome("gone", "Apprise is not installed: pip install 'cryptoproxy[watch]'")
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it would tell addresses
    sender = apprise.Apprise()
    if not sender.add(address):
        return Outcome("gone", "Apprise does not know such an address")
    shown = None
    if message.picture is not None:
        from apprise.attachment.memory import AttachMemory

        shown = apprise.AppriseAttachment()
        shown.add(AttachMemory(content=message.picture, name=PICTURE, mimetype="image/png"))
    taken = sender.notify(title=message.title, body=message.text, attach=shown)
    return Outcome("taken") if taken else Outcome("later", "it failed")
