"""What a patient sees and sets of themselves: how they are told things, what they need, what is held, who looked."""
