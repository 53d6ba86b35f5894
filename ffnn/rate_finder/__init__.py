"""The learning-rate range test: one short training whose rate grows at every step, to see where learning is fastest.

It answers in seconds what a grid of rates answers in as many whole runs.
"""

from ffnn.rate_finder.measure import RangeTest, range_test
from ffnn.rate_finder.suggestion import Suggestion, suggest

__all__ = ["RangeTest", "Suggestion", "range_test", "suggest"]
