"""The client of ordod: Python API and command line."""
