"""The third way in: streams. What markets push by WebSocket, kept in batches, and what lacks of it asked for by REST.

| module | tells |
|---|---|
| ``room`` | the streams of one process by venue; who asks a stream what, one at a time; their threads |
| ``carrier`` | the connections of one venue: the next is made before the last one ends; silence, ends, attempts |
| ``link`` | one connection: what it was asked for, what was taken, how long it has been quiet |
| ``websocket`` | one WebSocket over our own socket: whole frames out of bytes |
| ``mending`` | the calls that streams want, within the budget; the upstream's time |
| ``keeping`` | each second what has gathered, into the outbox: gaps first, then records |
| ``marks`` | how far each symbol is published; what a successor is told |
| ``live`` | frames of named symbols as they came, for the door |
| ``left`` | what the holder before has left: state, the topic's tail, open gaps |
"""
