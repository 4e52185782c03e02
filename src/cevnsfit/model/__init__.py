"""Where a description, the physics and a detector meet and become templates."""
