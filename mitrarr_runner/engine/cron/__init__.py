"""Who calls apply each minute? Crontab blocks (the usual way) or systemd units."""
