"""The contracts that every system and every recipe must keep, and the proof that each can fail."""
