"""A whole site with made data and a simulated FindFace: to see the main job done, end to end."""
