"""A scanner that never scanned anyone: anatomy, kinetics, physics, sequences, emulator."""
