"""Studies: inference, store and report joined to what people ask for."""
