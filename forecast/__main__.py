"""``python -m forecast`` is the command ``forecast``."""

import sys

from forecast.cli import main

sys.exit(main())
