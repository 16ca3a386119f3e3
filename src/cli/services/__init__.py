"""Commands that run something, and the one that tells whether it works."""
