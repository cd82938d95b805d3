"""What holds for all tests."""

import signal

from hypothesis import settings

# A timing is never a test: a machine that is busy is not a failure.
settings.register_profile("ordo", deadline=None)
settings.load_profile("ordo")

# A shell's background job ignores Ctrl-C, and so would every program that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
