"""A plugin that needs what is not installed. Whoever does not use it must never notice."""

raise ImportError("no module named 'banyan_secret_sauce'")
