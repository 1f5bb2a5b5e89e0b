"""Short limits, and what the test server offers, for the tests of transport."""

from appliance.transport.http import HttpLimits

QUICK = HttpLimits(connect_s=2, silence_s=0.4, answer_s=1.5, download_s=5, slow_bytes_per_s=2000, slow_window_s=0.3)
CONTENT = bytes(range(256)) * 1200
BIG = 10_000_000
