"""Anomalous magnetic moments of electron and muon: measurements, the loops of bosons and sleptons, and what explains a deviation."""
