"""`cryptoproxy` whose libraries log each of their steps too, as somebody in search of a fault may set."""

from __future__ import annotations

import logging
from typing import Any

from cryptoproxy.cli.main import main
from cryptoproxy.common import start

_configure = start.configure


def configure(**options: Any) -> None:
    _configure(**options)
    for library in ("kafka", "elastic_transport", "elasticsearch", "botocore", "urllib3", "boto3", "s3transfer"):
        logging.getLogger(library).setLevel(logging.DEBUG)


if __name__ == "__main__":
    start.configure = configure
    main()
