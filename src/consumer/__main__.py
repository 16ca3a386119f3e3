"""`python -m consumer`: the indexer, as `cryptoproxy consume` runs it."""

import sys

from common.start import start
from consumer.wiring import service

sys.exit(service(start()).run())
