"""A FindFace Multi server to try things on: its API to the letter, its troubles on demand.

It is a process of its own on 127.0.0.1 and the client speaks HTTP to it. `people` keeps what the
server knows, `photos` judges pictures, `vendor` is the vendor's API, `faults` draws the troubles,
`weather` brings them upon requests, `control` is our own report, `server` runs it all and `process`
starts it from Python. It is for tests, demonstration and training; it never leaves the loopback.
"""
