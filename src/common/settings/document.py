"""``docs/settings.md`` and ``.env.example``, made of the sections (``make docs``)."""

from __future__ import annotations

import textwrap

from cryptoproxy.common.settings.catalogue import SECTIONS
from cryptoproxy.common.settings.environment import CALLED_ELSEWHERE
from cryptoproxy.common.settings.loading import Declared, declared_in

_INTRODUCTION = """\
# Settings

Made by `make docs` from `src/common/settings/sections`; do not edit.

Read from the environment, over the file `.env` (`--env-file` names another). An empty value means the default.
A secret `NAME` may come from a file instead: `NAME_FILE=/run/secrets/name`; it is read again after a refusal, so a
changed password needs no restart. All mistakes are reported at once, with exit code 2; a name in `.env` that is none of
these is warned of. `cryptoproxy check` prints what is set and from where, secrets masked, and tries each connection.

**The folder.** `.env` and relative paths (`.run/outbox`, `.run/engines`) belong to one folder: `CRYPTOPROXY_HOME`, an
environment variable; without it the nearest folder, from the current one upwards, that has one of those two or a
`.env` with one of these names, and belongs to you; without one the current folder. `cryptoproxy status` begins with
it, and who would make a new outbox elsewhere says so.

**The embedded engines.** While those of `cryptoproxy up` run, their addresses and keys (`connection.env` in
`ENGINES_DIR`) stand in for each group (`KAFKA_…`, `ES_…`, `AWS_S3_…`) of which neither the environment nor `.env`
sets one of those names. `AWS_S3_BUCKET` alone is no address: beside embedded Kafka and Elasticsearch it is a bucket
of the embedded S3. With `AWS_S3_REGION`, `AWS_S3_ENDPOINT_URL` or a key it is a real one.

Proxies (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`) and authorities (`SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE`)
are the environment's own and count as [security.md](security.md) says; in `.env` they have no effect.
"""


def markdown() -> str:
    """The settings page."""
    parts = [_INTRODUCTION]
    for name, section in SECTIONS.items():
        parts.append(f"## {name.capitalize() if name != 's3' else 'S3'}\n\n{section.__doc__}\n")
        parts.append("| name | type | default | what it does |\n|---|---|---|---|")
        parts.extend(_row(declared) for _, declared in declared_in(section))
        parts.append("")
    parts.append(
        "## Coming from another setup\n\nA start with one of these names, or with another unknown name of a setting's"
    )
    parts.append("kind (`KAFKA_…`, `ES_…`, `AWS_S3_…`), warns and says what to use.\n\n| there | here |\n|---|---|")
    parts.extend(f"| `{theirs}` | {ours} |" for theirs, ours in CALLED_ELSEWHERE.items())
    return "\n".join(parts) + "\n"


def _row(declared: Declared) -> str:
    default = f"`{declared.default}`" if declared.default else ""
    name = f"`{declared.name}`" + (f" or `{declared.name}_FILE`" if declared.secret else "")
    return f"| {name} | {declared.kind.label} | {default} | {declared.help} |"


def env_example() -> str:
    """``.env.example``: every setting, commented out, with its default or an example."""
    lines = [
        "# Copy to .env and take the # from what you change. Made by `make docs`; docs/settings.md has the details."
    ]
    for name, section in SECTIONS.items():
        lines += ["", f"# --- {name}: {(section.__doc__ or '').strip()}"]
        for _, declared in declared_in(section):
            lines.append("")
            lines += textwrap.wrap(declared.help, 110, initial_indent="# ", subsequent_indent="# ")
            lines.append(f"#{declared.name}={declared.default or declared.example}")
    return "\n".join(lines) + "\n"
