"""Slots that carry one document's state each: compiled code for most CPUs, other code for narrow models elsewhere, torch's."""
