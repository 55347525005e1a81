"""flup: FastCGI, SCGI and AJP servers, threaded and forking.

In: what user scripts run. Out: servers that stay, and route to the newest generation; parked scripts.
"""

__all__ = ["adapter"]
