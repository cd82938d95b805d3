"""Orders: the desk, what it knows, what it wrote down."""
