"""People told of alerts: at least once, and of all that waits at once in one message.

| module | tells |
|---|---|
| ``links`` | where a message leads to |
| ``messages`` | alerts as a message of each way |
| ``channels`` | a message sent, and what the other side's answer means |
| ``silences`` | what nobody wants to hear of for a while |
| ``desk`` | one channel: what waits for it, and how far it was told |
| ``teller`` | the one process that tells: reads the alerts, has a desk for each channel |
"""
