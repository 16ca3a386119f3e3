"""CoinGecko: markets, single coins, charts, categories and the market as a whole, on the public and the pro host."""
