"""Settings that work: in the plane, for the rivals, and for pictures."""
