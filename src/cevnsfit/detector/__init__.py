"""What a detector does to a recoil: quenching, smearing, efficiency, timing, composed to one matrix."""
