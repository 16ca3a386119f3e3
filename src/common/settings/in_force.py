"""All settings in force: read, checked one by one, then against each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptoproxy.common.settings.catalogue import SECTIONS, Sections
from cryptoproxy.common.settings.contradictions import contradictions
from cryptoproxy.common.settings.loading import load_section, raise_if_any, read_environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Sections):
    """Built by :meth:`load`."""

    @classmethod
    def load(
        cls, env_file: Path | None = Path(".env"), connection_file: Path | None = None, *, home: Path | None = None
    ) -> Settings:
        """Reads the environment over ``env_file`` over the embedded engines' ``connection_file``; relative paths begin
        at ``home``.

        Raises:
            SettingsError: with every fault, one line each.
        """
        return cls.from_texts(read_environment(env_file, connection_file), home=home)

    @classmethod
    def from_texts(cls, texts: dict[str, str], *, home: Path | None = None) -> Settings:
        """The same from given texts by name, as tests and the demo have them."""
        faults: list[str] = []
        loaded = {name: load_section(section, texts, faults, home=home) for name, section in SECTIONS.items()}
        settings = cls(**{name: SECTIONS[name](**values) for name, values in loaded.items()})
        raise_if_any(faults + contradictions(settings, but_of=faults))
        return settings
