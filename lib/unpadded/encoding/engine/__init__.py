"""Slots that carry one document's state each: compiled code for narrow and for wide models, torch's products elsewhere."""
