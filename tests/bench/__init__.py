"""How fast it is, measured by hand: ``python -m tests.bench``. Nothing in here is a test.

Every goal is a ratio, or a time measured beside something known, in one run: the two sides take turns, and
medians are compared. Machines differ, so nothing is asserted; what falls short is printed like the rest.
"""
