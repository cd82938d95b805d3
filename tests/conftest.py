"""What holds for all tests."""

from hypothesis import settings

# A timing is never a test: a machine that is busy is not a failure.
settings.register_profile("ordo", deadline=None)
settings.load_profile("ordo")
