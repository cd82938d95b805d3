"""The socket: framing, who is calling, dispatch of JSON-RPC, HTTP on the same port, OpenRPC. Knows nothing of trading."""
