"""`python -m producer`: the poller, as `cryptoproxy produce` runs it."""

import sys

from common.start import ENV_FILE, start
from producer.compaction import command
from producer.wiring import Poller

sys.exit(Poller(start(), compact=command(ENV_FILE)).run())
