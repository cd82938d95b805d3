"""One module per method group: parameters to domain to core to result."""
