"""`python -m cryptoproxy.serve`: the door, as `cryptoproxy serve` runs it."""

from cryptoproxy.common.start import start
from cryptoproxy.serve.wiring import DoorProcess

DoorProcess(start()).run()
