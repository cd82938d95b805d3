"""Adapters for Indian brokers. Each imports the contract `ordod.adapter` and nothing else of Ordo."""
