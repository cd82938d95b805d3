"""An exchange in memory, and the adapter that talks to it."""
