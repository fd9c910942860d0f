"""The delivery of people to a destination: the shop between the registry and FindFace."""
