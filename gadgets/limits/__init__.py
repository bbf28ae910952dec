"""What is too much: limits of quality in profiles that a site can read and change, and how they are watched."""
