"""Encoders as people have them, for the question whether they depend on the batch."""
