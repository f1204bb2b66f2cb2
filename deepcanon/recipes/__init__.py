"""How each system is trained: one flat file per stem; the folder listing is the catalogue."""
