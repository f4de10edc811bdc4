"""Many nodes, one room: what nodes tell each other, and how they meet again after any of it was lost.

`words` is what is said, `replica` one open room, `core` decides sans I/O, `relay` gives it time, Redis and the log,
`compare` holds a room against the database. Without Redis in the settings none of it runs. Called by collab/rooms.py
and colane.py.
"""
