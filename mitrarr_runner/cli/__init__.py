"""The command line: one file per family of verbs, one table (app), one handler (door)."""
