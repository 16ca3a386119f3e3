"""Commands that make and keep: set-up, history, the lake, the index against it."""
