"""The environment of a child process that gets settings of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping

from cryptoproxy.common.settings.catalogue import SECTIONS
from cryptoproxy.common.settings.loading import declared_in

_DECLARED = [declared for section in SECTIONS.values() for _, declared in declared_in(section)]
SPELLINGS = frozenset(each.name for each in _DECLARED) | {f"{each.name}_FILE" for each in _DECLARED if each.secret}
"""Every name under which a setting may stand in the environment."""


def child_environment(texts: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """``environ`` with ``texts`` as the only settings in it, and nothing of AWS's own that could lead elsewhere. Its
    home is the folder that it is started in, so that no settings file is looked for above that."""
    kept = {name: text for name, text in environ.items() if name not in SPELLINGS and not name.startswith("AWS_")}
    return kept | {"CRYPTOPROXY_HOME": "."} | dict(texts)
