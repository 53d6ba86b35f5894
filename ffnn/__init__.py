"""Feedforward networks with every gradient derived by hand, and the laboratory around them."""

__version__ = "0.1.0"
