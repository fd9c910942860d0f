"""The intake: from a file in a spool folder to a checked, stored and registered record."""
