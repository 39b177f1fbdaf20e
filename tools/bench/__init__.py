"""``make bench``: how fast the suite is, as ratios against raw limits of the same run.

This machine may be slow or noisy; a ratio between two figures of one run is what can be compared
from day to day. Each module measures one thing; ``__main__`` puts them in one table.
"""
