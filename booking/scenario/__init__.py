"""A whole country's referrals from public counts, planned by the real planner and booked through the real API."""
