"""`python -m cryptoproxy.consumer`: the indexer, as `cryptoproxy consume` runs it."""

import sys

from cryptoproxy.common.start import start
from cryptoproxy.consumer.wiring import service

sys.exit(service(start()).run())
