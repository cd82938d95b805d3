"""What each command does, one module a group. Imported when a command is called, never before."""
