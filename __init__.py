"""Live perfusion maps from raw k-space, while the patient is still in the scanner."""
