"""Every setting, in one typed place. ``Settings.load()`` reads the environment over ``.env``; all faults at once.

| module | tells |
|---|---|
| ``sections`` | the settings: name, type, default, help |
| ``catalogue`` | all sections of them |
| ``kinds`` | how a text becomes a value, and what is said when it cannot |
| ``loading`` | environment, files and defaults, in which order; faults collected |
| ``in_force`` | all of them together, checked, and against each other |
| ``secret`` | a value that is never printed, and may come from a file; addresses that would carry it in the clear |
| ``environment`` | every name of a setting, what a child process inherits, and names that look like one and are none |
| ``document`` | ``docs/settings.md`` and ``.env.example``, made from the catalogue |
| ``home`` | the project's folder: where ``.env`` is, and where relative paths begin |
"""

from cryptoproxy.common.settings.in_force import Settings
from cryptoproxy.common.settings.secret import Secret

__all__ = ["Secret", "Settings"]
