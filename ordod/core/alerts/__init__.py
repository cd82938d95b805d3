"""What a person should be told of without asking: which conditions hold, what was told of them, and how it gets out."""
