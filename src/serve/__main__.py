"""`python -m cryptoproxy.serve`: the door, as `cryptoproxy serve` runs it."""

import sys

from cryptoproxy.common.start import start
from cryptoproxy.serve.wiring import DoorProcess

sys.exit(DoorProcess(start()).run())
