"""Every setting, in one typed place. ``Settings.load()`` reads the environment over ``.env``; all faults at once.

| module | tells |
|---|---|
| ``catalogue`` | the settings: name, type, default, help |
| ``kinds`` | how a text becomes a value, and what is said when it cannot |
| ``loading`` | environment, files and defaults, in which order; faults collected |
| ``contradictions`` | what is wrong between settings that are each right |
| ``loopback`` | which addresses are this machine's own |
| ``in_force`` | all of them together, checked |
| ``secret`` | a value that is never printed, and may come from a file |
| ``document`` | ``docs/settings.md`` and ``.env.example``, made from the catalogue |
| ``child`` | what a child process inherits |
| ``home`` | the project's folder: where ``.env`` is, and where relative paths begin |
| ``elsewhere`` | names that look like a setting and are none |
"""

from cryptoproxy.common.settings.in_force import Settings
from cryptoproxy.common.settings.secret import Secret

__all__ = ["Secret", "Settings"]
