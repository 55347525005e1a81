"""CherryPy: its process-wide objects get contents of their own for each generation; and pages made of functions.

In: what user modules mount, subscribe, configure and start. Out: one server, one bus and one tree, which are the newest
generation's to new requests, and remain each old request's own. Nothing else imports `cherrypy`.
"""

__all__ = ["adapter", "pages"]
