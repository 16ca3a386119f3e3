"""`python -m cryptoproxy.producer`: the poller, as `cryptoproxy produce` runs it."""

import sys

from cryptoproxy.common.settings.home import ENV_FILE
from cryptoproxy.common.start import start
from cryptoproxy.producer.compaction import command
from cryptoproxy.producer.wiring import Poller

sys.exit(Poller(start(), compact=command(ENV_FILE)).run())
