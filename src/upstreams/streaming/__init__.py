"""Streams: what proves that nothing lacks, whichever upstream it is.

| module | tells |
|---|---|
| ``stream`` | the seam: venues, frames, what a feed of a stream is |
| ``trade_stream``, ``candle_stream``, ``book_stream`` | what streams of trades, of bars and of books have in common |
| ``books``, ``ladder`` | a local book by the upstreams' rules; its two sides, and how far each is known |
| ``chain``, ``gaps`` | ids that go up by one, and their holes; how long is waited for what lacks, and its two records |
| ``live`` | which topics show what is not closed yet |
"""
