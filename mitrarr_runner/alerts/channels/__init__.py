"""The channels: one explicit table. A new one is a module here and a row; nothing is discovered.

Built so far: the log file. `smtp` and `webhook` may already stand in manifests; a notice for them
is given up with "not available in this version", which is an incident of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from mitrarr_runner.alerts.channels import log
from mitrarr_runner.alerts.channels.contract import ChannelKind

CHANNELS: Mapping[str, ChannelKind] = {kind.KIND: kind for kind in (log,)}
