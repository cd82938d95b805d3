"""Ordo: a local daemon between trading bots and Indian brokers."""

__version__ = "0.1.0"
