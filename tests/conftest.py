"""One hypothesis profile for all tests: the same examples on every machine, no deadline."""

from hypothesis import settings

settings.register_profile("ci", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("ci")
