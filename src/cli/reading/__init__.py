"""Commands that look at what is there and change nothing (but letters that a person sends again)."""
