"""The one user module of the mode "system": a reload has something to load."""

USE_AUTORELOAD = True
