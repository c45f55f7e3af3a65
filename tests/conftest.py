"""Settings every test shares."""

from hypothesis import settings

# Machines are busy and slow at times: no test fails for taking long over one example.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
