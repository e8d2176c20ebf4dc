"""Slots that carry one document's state each: products of torch for wide models, compiled code for narrow ones."""
