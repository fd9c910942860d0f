"""What do people and programs read of the stored state? Values in, lines and dicts out.

One module per verb or group of verbs, each pure: no clock, no file, no store. The one exception is
`standing`, which reads what `status` tells. Instants are UTC in JSON and local in text; ids of
people are in neither, unless one is handed over on purpose.
"""
