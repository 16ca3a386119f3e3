"""The one world behind all upstreams: coins, their price at every second, and what is traded of them."""
