"""Writes what is made from the code: settings, `.env.example`, record schema, AsyncAPI. `--check` only compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

from cryptoproxy.common.record import asyncapi
from cryptoproxy.common.record.schema import json_schema
from cryptoproxy.common.settings.document import env_example, markdown

ROOT = Path(__file__).resolve().parent.parent


def generated() -> dict[str, str]:
    """Content by path below the project's root."""
    return {
        "docs/settings.md": markdown(),
        ".env.example": env_example(),
        "docs/asyncapi.yaml": yaml.safe_dump(asyncapi.document(), sort_keys=False, allow_unicode=True, width=110),
        "docs/record.schema.json": json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n",
    }


def main() -> int:
    check = "--check" in sys.argv[1:]
    stale = []
    for name, content in generated().items():
        path = ROOT / name
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        stale.append(name)
        if not check:
            path.write_text(content, encoding="utf-8")
            print(f"wrote {name}")
    if check and stale:
        print(f"not true any more: {', '.join(stale)}. Run `make docs`", file=sys.stderr)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
