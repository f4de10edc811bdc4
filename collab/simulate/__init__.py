"""The live side in simulated histories: the cores of room, journal and bus as they are, and a world that means them ill."""
