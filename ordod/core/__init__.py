"""Decides: orders, journal, kill switch, limits, sessions. Knows no socket, no HTTP, no JSON-RPC."""
