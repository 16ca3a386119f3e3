"""CoinGecko: ``/coins/markets`` and ``/ping``, on the public and the pro host."""
