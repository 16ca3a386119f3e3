"""One rate-limited poller for CoinGecko, Binance and Bybit: to Kafka, S3 and Elasticsearch."""
