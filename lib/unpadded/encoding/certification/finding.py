"""What a verdict rests on."""

from dataclasses import dataclass

from unpadded.encoding.certification.lab import Seen


@dataclass(frozen=True)
class Finding:
    """`verdict`; `follows`: what a vector follows that it should not; `reason`: a sentence; `seen`: the call that shows it."""

    verdict: str
    follows: str
    reason: str
    seen: Seen | None = None
