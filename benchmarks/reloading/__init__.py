"""How long a reload takes, and what it costs the requests that are under way: ponyreload, its peers, and the floor."""
