"""The executable specification: what the fast code does, in plain Python that is read in ten minutes."""
