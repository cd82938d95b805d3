"""Simulated brokers: a real broker's wire format around the paper exchange, with faults on request."""
