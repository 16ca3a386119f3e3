"""The forests that rules ask, brought from the registry before the rules are in force."""

from __future__ import annotations

import logging
from collections.abc import Callable

from cryptoproxy.errors import OperatorError
from cryptoproxy.models.registry import Registry
from cryptoproxy.models.trees import ARRAYS, expected_depth
from cryptoproxy.watch.figures.learned import FEATURES, FORESTS, Asked
from cryptoproxy.watch.rulebook.rules import Rules

log = logging.getLogger(__name__)
LIVE = "live"


def bring(rules: Rules, registry: Callable[[], Registry]) -> None:
    """Each version that rules name; of `live` the one that is so now. What is there already is not brought again.

    Raises:
        OperatorError: a version is not there, is not what it was, or wants other features.
        TransientError: S3 is away.
    """
    asked = {
        (each.options["model"], each.options["version"])
        for rule in rules.rules.values()
        for each in rule.conditions
        if each.kind == "forest-score"
    }
    if not asked:
        return
    stored = registry()
    for name, wanted in sorted(asked):
        version = stored.live(name) if wanted == LIVE else wanted
        if version is None:
            raise OperatorError(f"no version of the model {name} is live", remedy="Promote one, or name a version")
        if (known := FORESTS.get((name, wanted))) is not None and known.version == version:
            continue
        about, forest = stored.load(name, version, features=list(FEATURES))
        arrays = [getattr(forest, each).tolist() for each in ARRAYS]
        FORESTS[name, wanted] = Asked(version, arrays, expected_depth(int(about.settings["samples"])))
        log.info("model %s %s is asked by rules", name, version)
