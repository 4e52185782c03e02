"""What an experiment says of itself: YAML and tables to a frozen, validated description; no physics."""
