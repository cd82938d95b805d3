"""Does: HTTP, files, tables, clock. Fulfils the core's ports."""
