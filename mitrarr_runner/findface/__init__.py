"""FindFace, spoken to over HTTP.

`api` says what any destination offers and in which ways it may fail, `multi` is FindFace Multi,
`generations` names what differs in others; `simulator` is a server to try things on.
"""
