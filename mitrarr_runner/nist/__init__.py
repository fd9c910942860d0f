"""ANSI/NIST-ITL files in the traditional encoding: reader, checks, faces, writer."""
