"""Two-dimensional maps of document vectors."""
