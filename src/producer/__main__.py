"""`python -m producer`: the poller, as `cryptoproxy produce` runs it."""

import sys

from common.start import start
from producer.wiring import Poller

sys.exit(Poller(start()).run())
