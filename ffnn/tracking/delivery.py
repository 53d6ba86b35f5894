"""What became of a run at Weights & Biases: the words for it, in the run's summary and wherever a command ends.

The run directory has everything in any case; whoever looks at W&B instead must be told what is missing there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SENT, RECORDED, PARTIAL, UNSENT, LOST = "sent", "recorded", "incomplete", "not sent", "lost"
WHOLE = (SENT, RECORDED)
STATE, REASON = "wandb/state", "wandb/reason"


@dataclass(frozen=True)
class Delivery:
    """What became of a run at W&B.

    The states "sent" and "recorded" (offline, to be sent by hand) are whole; "incomplete" lacks something; "not sent"
    is whole on this machine, not at the server; of a "lost" one there is no usable record. `reason` is why it is not
    whole, or why it was recorded where it was to be sent.

    Examples
    --------
    >>> Delivery("lost", "disk full").entries()
    {'wandb/state': 'lost', 'wandb/reason': 'disk full'}
    """

    state: str
    reason: str = ""

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> "Delivery | None":
        """What a run's summary says; None where W&B was told nothing."""
        return cls(str(summary[STATE]), str(summary.get(REASON, ""))) if STATE in summary else None

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return self.state in WHOLE

    def entries(self) -> dict[str, str]:
        """For a run's summary."""
        return {STATE: self.state, **({REASON: self.reason} if self.reason else {})}

    def remark(self) -> str:
        """What is to be said of it at the end of a run's line; nothing where it is whole."""
        return "" if self.whole else f"; W&B {self.state}: {self.reason}"


def in_words(deliveries: Iterable[Delivery]) -> str:
    """How many runs W&B has whole, and why not the others.

    Examples
    --------
    >>> in_words([Delivery("sent"), Delivery("lost", "disk full"), Delivery("lost", "disk full"), Delivery("recorded")])
    '2 of 4 runs recorded; 2 lost: disk full'
    """
    runs = list(deliveries)
    failed = [delivery for delivery in runs if not delivery.whole]
    parts = [f"{len(runs) - len(failed)} of {len(runs)} runs recorded"]
    for delivery in dict.fromkeys(failed):
        parts.append(f"{failed.count(delivery)} {delivery.state}: {delivery.reason}")
    return "; ".join(parts)
