"""A small server that speaks the protocol of Weights & Biases, for the unmodified client to talk to.

It keeps in memory what it receives and notes whatever a real server could not make sense of.
"""

from wandb_server.processes import Client
from wandb_server.records import Artifact, Run
from wandb_server.server import KEY, WandbServer

__all__ = ["KEY", "Artifact", "Client", "Run", "WandbServer"]
