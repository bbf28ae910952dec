"""What turns differences into flow, and what several gadgets need of it; it knows no gadget."""
