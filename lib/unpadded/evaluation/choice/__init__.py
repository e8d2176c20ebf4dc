"""Which vectors to take, asked of documents without labels; and words and model joined."""
