"""The three panels of the exploring notebook."""
