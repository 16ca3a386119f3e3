"""What Kibana's answers mean. HTTP 200 is not success: an import says in its body what became of each object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptoproxy.common.retry import seconds_told
from cryptoproxy.errors import CryptoProxyError, OperatorError, TransientError
from cryptoproxy.kibana_client.exchange import Response

_READY = ("available", "degraded")

_AGAIN = "Mend that and run it again: what was imported already is then replaced"
_STATUS_REMEDIES = {
    401: "Check user and password, or the API key",
    403: "Give this user the privilege Saved Objects Management in that space",
    413: "Raise the proxy's limit of a body, or Kibana's savedObjects.maxImportPayloadBytes",
}
_REMEDIES = {
    "conflict": "An object of that id lives in another space: choose that space, or delete the object there",
    "ambiguous_conflict": "There are several copies: delete all but one under Stack Management, Saved Objects",
    "missing_references": "Import the whole file that `python -m kibana.generate` makes",
    "unsupported_type": "That Kibana does not know this type: use 8.11 or newer, with all its own plugins",
}


@dataclass(frozen=True)
class ImportedObject:
    type: str
    id: str
    title: str
    replaced: bool
    """It was there before."""
    stored_as: str
    """Its id in this space: another one where the id is taken in another space."""


@dataclass(frozen=True)
class InstallReport:
    kibana_version: str | None
    """None where Kibana tells it only to those who are logged in."""
    objects: tuple[ImportedObject, ...]
    warnings: tuple[str, ...]
    address: str
    """Of Kibana, space included."""

    @property
    def dashboards(self) -> tuple[tuple[str, str], ...]:
        """Title and address of each."""
        return tuple(
            (one.title, f"{self.address}/app/dashboards#/view/{one.stored_as}")
            for one in self.objects
            if one.type == "dashboard"
        )


def version_when_ready(answer: Response) -> str | None:
    """Kibana's version, from ``/api/status``.

    Raises:
        TransientError: it is starting, or its own Elasticsearch is away.
        OperatorError: this is no Kibana.
    """
    body = answer.json()
    status = body.get("status") if isinstance(body, dict) else None
    if answer.status != 200 or not isinstance(status, dict):
        raise _refused(answer) if answer.status != 200 else _no_kibana(answer)
    overall = status.get("overall")
    level = overall.get("level") if isinstance(overall, dict) else None
    if level not in _READY:
        raise TransientError(f"Kibana is not ready: {level or 'no level told'}")
    version = body.get("version")
    number = version.get("number") if isinstance(version, dict) else None
    return number if isinstance(number, str) else None


def require_space(answer: Response, space: str) -> None:
    """From ``/api/spaces/space/<id>``. Kibana itself would import into a space that nobody can open."""
    if answer.status == 404:
        raise OperatorError(
            f"Kibana has no space {space!r}, or hides it from this user",
            remedy="Make it under Stack Management, Spaces, or leave the space out",
        )
    if answer.status != 200:
        raise _refused(answer)


def imported(answer: Response, sent: Sequence[tuple[str, str]]) -> tuple[tuple[ImportedObject, ...], tuple[str, ...]]:
    """The objects and the warnings of an import that took all that was ``sent`` (type, id).

    Raises:
        TransientError: worth trying again.
        OperatorError: refused, wholly or for some objects; each is named with its reason.
    """
    if answer.status != 200:
        raise _refused(answer)
    body = answer.json()
    if not isinstance(body, dict) or "success" not in body:
        raise _no_kibana(answer)
    errors = [one for one in body.get("errors") or [] if isinstance(one, dict)]
    if body["success"] is not True or errors:
        raise _failures(answer, errors, len(sent))
    objects = tuple(_object(one) for one in body.get("successResults") or [])
    lost = set(sent) - {(one.type, one.id) for one in objects}
    if body.get("successCount") != len(sent) or lost:
        raise OperatorError(
            f"Kibana reports success, but {body.get('successCount')} of {len(sent)} objects"
            + (f"; missing: {', '.join(sorted(f'{kind}:{name}' for kind, name in lost))}" if lost else ""),
            remedy=_AGAIN,
        )
    warnings = [one["message"] for one in body.get("warnings") or [] if isinstance(one, dict) and "message" in one]
    return objects, tuple(answer.conceal(warning) for warning in warnings)


def _object(one: dict[str, Any]) -> ImportedObject:
    return ImportedObject(
        type=one["type"],
        id=one["id"],
        title=(one.get("meta") or {}).get("title") or one["id"],
        replaced=bool(one.get("overwrite")),
        stored_as=one.get("destinationId") or one["id"],
    )


def _failures(answer: Response, errors: Sequence[dict[str, Any]], sent: int) -> CryptoProxyError:
    causes = [one["error"] if isinstance(one.get("error"), dict) else {} for one in errors]
    lines = [f"{one.get('type')}:{one.get('id')}: {_reason(cause)}" for one, cause in zip(errors, causes, strict=True)]
    why = answer.conceal("; ".join(lines)) or "it does not say why"
    said = f"Kibana refuses {len(errors) or 'some'} of {sent} objects: {why}"
    codes = [cause.get("statusCode") for cause in causes]
    if codes and all(isinstance(code, int) and _passes(code) for code in codes):
        return TransientError(said)
    kinds = [str(cause.get("type")) for cause in causes]
    return OperatorError(said, remedy=next((_REMEDIES[kind] for kind in kinds if kind in _REMEDIES), _AGAIN))


def _reason(cause: dict[str, Any]) -> str:
    kind = str(cause.get("type") or "no reason told")
    if message := cause.get("message"):
        code = f" ({cause['statusCode']})" if "statusCode" in cause else ""
        return f"{kind}{code}: {message}"
    if references := cause.get("references"):
        return f"{kind}: " + ", ".join(f"{one.get('type')}:{one.get('id')}" for one in references)
    if destinations := cause.get("destinations"):
        return f"{kind}: " + ", ".join(str(one.get("id")) for one in destinations)
    return kind


def _passes(status: int) -> bool:
    return status in (408, 429) or status >= 500


def _refused(answer: Response) -> CryptoProxyError:
    """The meaning of a status other than 200."""
    said = f"Kibana answers {answer.status}: {answer.said()}"
    if _passes(answer.status):
        return TransientError(said, retry_after=seconds_told(answer.headers.get("Retry-After", "")))
    if 300 <= answer.status < 400:
        target = answer.conceal(answer.headers.get("Location", "elsewhere"))
        return OperatorError(
            f"Kibana's address leads on to {target}",
            remedy="Give the address that Kibana itself has, with https and its base path",
        )
    if answer.status in _STATUS_REMEDIES:
        return OperatorError(said, remedy=_STATUS_REMEDIES[answer.status])
    if answer.status == 404 or _is_elasticsearch(answer):
        return _no_kibana(answer)
    return OperatorError(said, remedy=_AGAIN)


def _no_kibana(answer: Response) -> OperatorError:
    if _is_elasticsearch(answer):
        return OperatorError("This is the address of Elasticsearch", remedy="Give Kibana's, most often port 5601")
    return OperatorError(
        f"No Kibana answers here, but {answer.status}: {answer.said()[:100]}",
        remedy="Check the address: host, port, and the base path if Kibana has one (server.basePath)",
    )


def _is_elasticsearch(answer: Response) -> bool:
    return "X-elastic-product" in answer.headers and "kbn-name" not in answer.headers
