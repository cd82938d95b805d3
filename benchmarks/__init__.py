"""How fast Ordo is, beside the floor of what must happen and the broker's own SDK, in the same run.

A machine is noisy, so figures are medians and ratios of blocks that alternate; none is a test. Everything is on loopback, in
folders that are removed, with processes that end with the run.
"""
